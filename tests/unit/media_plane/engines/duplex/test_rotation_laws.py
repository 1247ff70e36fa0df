"""Laws of rotation, whatever happens: no process is used twice at once, and none stays taken."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media_plane.ports.speech_line import (
    LineLost,
    LineRotated,
    Said,
    SlotLease,
)
from nexus.errors import QuotaExceeded
from tests.unit.media_plane.engines.duplex.rotating import POLICY, Bench, calling

_STEP = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 2_500)),
    st.tuples(st.sampled_from(["lose", "refuse", "hang", "heal", "busy", "quiet", "refresh", "take", "give", "fact"]), st.integers(0, 2)),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(_STEP, max_size=14), cut=st.booleans(), count=st.integers(1, 3), confirms=st.booleans())
def test_whatever_happens_no_process_is_used_twice_and_none_stays_taken(
    steps: list[tuple[str, int]], cut: bool, count: int, confirms: bool
) -> None:
    asyncio.run(_any_call(steps, cut, count, confirms))


async def _any_call(steps: list[tuple[str, int]], cut: bool, count: int, confirms: bool) -> None:
    policy = replace(POLICY, rotate_after_ms=1_500, window_ms=6_000, connect_timeout_ms=5_000, move_within_ms=1_000)
    bench = Bench(count=count, policy=policy)
    for process in bench.process:
        process.setup_ms, process.close_ms, process.confirms = 100, 60, confirms
    others: list[SlotLease] = []
    async with calling(bench):
        for step, number in steps:
            await _do(bench, others, step, number)
        for lease in others:
            lease.give_back(sound=True)
        if cut:
            closing = asyncio.create_task(bench.line.close())
            await asyncio.sleep(0)
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)
            await bench.until(lambda: bench.taken() == 0)
    generations = [moved.generation for moved in bench.all(LineRotated)]
    assert generations == sorted(set(generations))
    losses = [place for place, event in enumerate(bench.got) if isinstance(event, LineLost)]
    assert losses in ([], [len(bench.got) - 1])


async def _do(bench: Bench, others: list[SlotLease], step: str, number: int) -> None:
    process = bench.process[number % bench.count]
    match step:
        case "wait":
            await bench.clock.sleep_ms(number)
        case "lose":
            for line in process.lines[-1:]:
                line.lose()
        case "refuse":
            process.refuses = 1
        case "hang" | "heal":
            process.hangs = step == "hang"
        case "take":
            with suppress(QuotaExceeded):
                others.append(bench.pool.take("call_2", "rotation"))
        case "give":
            for lease in others[-1:]:
                lease.give_back(sound=True)
        case _:
            _tell(bench, step)


def _tell(bench: Bench, step: str) -> None:
    match step:
        case "busy" | "quiet":
            bench.line.busy(step == "busy")
        case "refresh":
            bench.line.refresh()
        case "fact":
            bench.said.append(Said("caller", str(len(bench.said))))
