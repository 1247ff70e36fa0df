"""A call on a model that forgets: first session, moves to fresh ones, replacement of a lost one, and no slot that stays taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media_plane.audio import AudioFrame, silence
from media_plane.conversation.commands import CallerAudio
from media_plane.engines.duplex.line import ModelLine
from media_plane.engines.duplex.rotation import RotatingLine
from media_plane.engines.duplex.rotation_rules import NOTICE_EVERY_MS, RotationPolicy
from media_plane.ports.speech_line import (
    LineEvent,
    LineGap,
    LineLost,
    LineNotice,
    LineRotated,
    ModelAudio,
    ModelBrief,
    ModelText,
    Said,
    SlotLease,
)
from media_plane.slots import SlotPool
from nexus.domain.tenant import TenantConfig
from nexus.errors import QuotaExceeded, UpstreamError
from tests.fakes.running_clock import RunningClock
from tests.fakes.speech_lines import Process, WrittenLine

CONFIG = TenantConfig(tenant_id="shop", system_prompt="Be kind.")
LOUD = CallerAudio(AudioFrame(b"\x10\x10" * 320, 16_000))
QUIET = CallerAudio(silence(20, 16_000))
POLICY = RotationPolicy(
    attempts=2, retry_delay_ms=200, connect_timeout_ms=3_000, rotate_after_ms=4_000, window_ms=9_000, reconnects=1, move_within_ms=3_000
)


@dataclass
class Bench:
    """A rotating line over processes made by hand; ``got`` is what it gave."""

    count: int = 2
    spares: int = 1
    policy: RotationPolicy = POLICY
    facts: tuple[str, ...] = ()
    said: list[Said] = field(default_factory=list)
    got: list[LineEvent] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.clock = RunningClock()
        self.processes = {f"ws://p{number}": Process(f"ws://p{number}", self.clock) for number in range(self.count)}
        self.pool = SlotPool([*self.processes], self.spares, self.clock, self.lives)
        self.made: list[WrittenLine] = []
        self.line: ModelLine = RotatingLine(self.pool, self.make, self.policy, self.clock, "call_1")

    async def lives(self, _address: str) -> bool:
        return True

    def make(self, address: str) -> WrittenLine:
        self.made.append(self.processes[address].line())
        return self.made[-1]

    def brief(self, generation: int) -> ModelBrief:
        self.asked.append(generation)
        return ModelBrief("call_1", generation, CONFIG, self.facts, tuple(self.said))

    @property
    def process(self) -> list[Process]:
        return list(self.processes.values())

    async def collect(self) -> None:
        async for event in self.line.events():
            self.got.append(event)
            self.arrived.set()
        self.ended.set()
        self.arrived.set()

    async def caller(self, audio: CallerAudio = LOUD) -> None:
        due_ms = self.clock.monotonic_ms()
        while True:
            self.line.send(audio)
            due_ms += 20
            await self.clock.sleep_ms(due_ms - self.clock.monotonic_ms())

    async def probe(self) -> None:
        """What ``SlotPool.run`` does, by this bench's clock alone."""
        while True:
            await self.clock.sleep_ms(100)
            await self.pool.check_all()

    def all(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.got if isinstance(event, kind)]

    async def until(self, met: Callable[[], Any], within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while not met():
                await self.clock.sleep_ms(20)

    def free(self) -> int:
        return sum(row.state == "free" for row in self.pool.status())

    def taken(self) -> int:
        return sum(row.state == "taken" for row in self.pool.status())


@asynccontextmanager
async def calling(bench: Bench, audio: CallerAudio = LOUD) -> AsyncIterator[Bench]:
    """The call is open, the caller speaks, what the line gives is collected; afterwards nothing may be left."""
    await bench.pool.check_all()
    watch = asyncio.create_task(bench.probe())
    await bench.line.open(bench.brief)
    works = [asyncio.create_task(bench.collect()), asyncio.create_task(bench.caller(audio))]
    try:
        yield bench
    finally:
        await bench.line.close()
        for work in (*works, watch):
            work.cancel()
        await asyncio.gather(*works, watch, return_exceptions=True)
        await bench.pool.check_all()
    assert bench.free() == bench.count
    assert [process.open_now for process in bench.process] == [0] * bench.count
    assert all(process.most_open <= 1 for process in bench.process)
    assert all(line.closed for line in bench.made)


class TestOpening:
    async def test_the_model_is_told_the_brief_hears_the_caller_and_is_heard(self) -> None:
        async with calling(Bench()) as bench:
            assert (bench.made[0].brief, bench.taken()) == (ModelBrief("call_1", 1, CONFIG), 1)
            await bench.until(lambda: len(bench.all(ModelAudio)) >= 3)
            assert bench.made[0].given[0] == LOUD
            bench.made[0].say(ModelText("Hello"))
            await bench.until(lambda: bench.all(ModelText))
        assert len(bench.made) == 1

    async def test_a_process_that_refuses_is_left_for_another(self) -> None:
        bench = Bench()
        for process in bench.process:
            process.refuses = 1 if process.address == "ws://p0" else 0
        async with calling(bench):
            assert [line.process.address for line in bench.made] == ["ws://p0", "ws://p1"]
            assert bench.asked == [1, 1]

    async def test_the_only_process_is_tried_again_when_it_answers(self) -> None:
        bench = Bench(count=1, policy=replace(POLICY, retry_delay_ms=500))
        bench.process[0].refuses = 1
        async with calling(bench):
            assert len(bench.made) == 2

    async def test_no_free_process_is_said_at_once(self) -> None:
        bench = Bench()
        await bench.pool.check_all()
        bench.pool.take("call_2", "call")
        with pytest.raises(QuotaExceeded) as full:
            await bench.line.open(bench.brief)
        await bench.line.close()
        assert (full.value.code, bench.made) == ("no_engine_slot", [])

    @pytest.mark.parametrize("fault", ["refuses", "hangs"])
    async def test_after_the_last_attempt_it_is_unreachable(self, fault: str) -> None:
        bench = Bench(policy=replace(POLICY, connect_timeout_ms=500))
        for process in bench.process:
            process.refuses, process.hangs = 9, fault == "hangs"
        await bench.pool.check_all()
        with pytest.raises(UpstreamError) as lost:
            await bench.line.open(bench.brief)
        await bench.line.close()
        tried = 1 if fault == "hangs" else 2  # a caller waits no longer than the time-out, whatever the number of attempts
        assert (lost.value.code, len(bench.made), bench.taken()) == ("engine_unreachable", tried, 0)
        assert [row.state for row in bench.pool.status()].count("cooling") == tried

    async def test_a_cancelled_opening_holds_nothing(self) -> None:
        bench = Bench()
        bench.process[0].hangs = bench.process[1].hangs = True
        await bench.pool.check_all()
        opening = asyncio.create_task(bench.line.open(bench.brief))
        await bench.until(lambda: bench.taken() == 1)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await bench.line.close()
        assert (bench.taken(), bench.process[0].open_now) == (0, 0)

    async def test_a_line_that_cannot_be_made_holds_nothing(self) -> None:
        bench = Bench()
        await bench.pool.check_all()

        def broken(_address: str) -> WrittenLine:
            raise ValueError("no such address")

        line = RotatingLine(bench.pool, broken, POLICY, bench.clock, "call_1")
        with pytest.raises(ValueError, match="no such address"):
            await line.open(bench.brief)
        await line.close()
        assert bench.free() == 2

    async def test_closed_twice_and_unopened(self) -> None:
        bench = Bench()
        await bench.line.close()
        await bench.line.close()
        bench.line.send(LOUD)
        assert [event async for event in bench.line.events()] == []


class TestMoving:
    async def test_in_time_and_in_a_silence_the_call_moves(self) -> None:
        async with calling(Bench()) as bench:
            await bench.until(lambda: bench.all(LineRotated))
            (moved,) = bench.all(LineRotated)
            old, new = bench.made
            assert (moved.generation, moved.reason) == (2, "window")
            assert 0 <= moved.gap_ms <= 500
            assert bench.asked == [1, 2]
            assert new.brief is not None
            assert new.brief.generation == 2
            assert old.process is not new.process
            await bench.until(lambda: bench.free() == 1 and old.closed)
            assert bench.processes[new.process.address].open_now == 1
        span_ms = old.given_at_ms[-1] - old.given_at_ms[0]
        assert 4_000 <= span_ms <= 6_500

    async def test_it_moves_again_and_again_between_the_two(self) -> None:
        async with calling(Bench(policy=replace(POLICY, rotate_after_ms=1_000, window_ms=5_000))) as bench:
            await bench.until(lambda: len(bench.all(LineRotated)) >= 4)
            assert [moved.generation for moved in bench.all(LineRotated)][:4] == [2, 3, 4, 5]
            addresses = [line.process.address for line in bench.made[:4]]
            assert addresses == ["ws://p0", "ws://p1", "ws://p0", "ws://p1"]

    async def test_the_new_session_is_fed_silence_until_it_hears_the_caller_and_the_old_one_hears_no_more(self) -> None:
        async with calling(Bench()) as bench:
            await bench.until(lambda: bench.all(LineRotated))
            old, new = bench.made
            until_ms = old.given_at_ms[-1]
            heard_from_ms = new.given_at_ms[new.given.index(LOUD)]
            assert heard_from_ms >= until_ms
            fed = new.given[: new.given.index(LOUD)]
            assert fed
            assert not any(any(audio.frame.pcm) for audio in fed)
            assert new.listens_at_ms is not None
            assert new.given_at_ms[0] - new.listens_at_ms < 300
            count = len(old.given)
            await bench.clock.sleep_ms(500)
            assert len(old.given) == count
            assert set(new.given[new.given.index(LOUD) :]) == {LOUD}  # no silence among the caller's words

    async def test_nothing_of_an_older_generation_comes_after_the_move(self) -> None:
        bench = Bench()
        for process in bench.process:
            process.close_ms = 2_000
        async with calling(bench):
            await bench.until(lambda: bench.all(LineRotated))
            old, new = bench.made
            old.say(ModelText("old words"))
            old.lose()
            new.say(ModelText("new words"))
            await bench.until(lambda: bench.all(ModelText))
            await bench.clock.sleep_ms(500)
            assert bench.all(ModelText) == [ModelText("new words")]
            assert bench.all(LineLost) == []

    async def test_what_the_spare_says_before_the_move_is_never_heard(self) -> None:
        async with calling(Bench()) as bench:
            bench.line.busy(True)
            await bench.clock.sleep_ms(5_000)
            assert len(bench.made) == 1  # primed late: not while somebody speaks
            bench.line.busy(False)
            await bench.until(lambda: len(bench.made) == 2 and bench.made[1].given)
            bench.made[1].say(ModelText("nobody asked"))
            bench.line.busy(True)
            await bench.clock.sleep_ms(300)
            bench.line.busy(False)
            await bench.until(lambda: bench.all(LineRotated))
            assert bench.all(ModelText) == []

    async def test_words_that_come_before_the_first_audio_follow_the_move(self) -> None:
        bench = Bench(policy=replace(POLICY, rotate_after_ms=4_000, window_ms=6_000, connect_timeout_ms=1_000))
        bench.process[1].deaf = True
        async with calling(bench):
            await bench.until(lambda: len(bench.made) == 2 and LOUD in bench.made[1].given)
            bench.made[1].say(ModelText("Well"))
            await bench.clock.sleep_ms(100)
            assert bench.all(LineRotated) == []
            bench.process[1].deaf = False
            await bench.until(lambda: bench.all(ModelText))
            place = bench.got.index(ModelText("Well"))
            assert isinstance(bench.got[place - 1], LineRotated)
            assert isinstance(bench.got[place + 1], ModelAudio)

    async def test_while_somebody_is_busy_it_waits_and_at_the_end_of_the_window_it_moves_all_the_same(self) -> None:
        async with calling(Bench()) as bench:
            bench.line.busy(True)
            await bench.until(lambda: bench.all(LineRotated))
            old = bench.made[0]
            assert old.given_at_ms[-1] - old.given_at_ms[0] >= POLICY.window_ms - 50

    async def test_a_short_pause_is_no_moment(self) -> None:
        async with calling(Bench()) as bench:
            bench.line.busy(True)
            await bench.until(lambda: len(bench.made) == 2 and bench.made[1].given)
            for _ in range(4):
                bench.line.busy(False)
                await bench.clock.sleep_ms(120)
                bench.line.busy(True)
                await bench.clock.sleep_ms(60)
            assert bench.all(LineRotated) == []
            bench.line.busy(False)
            await bench.until(lambda: bench.all(LineRotated))

    async def test_a_model_that_is_given_nothing_does_not_grow_older(self) -> None:
        bench = Bench()
        await bench.pool.check_all()
        await bench.line.open(bench.brief)
        await bench.clock.sleep_ms(POLICY.window_ms + 1_000)
        assert (len(bench.made), bench.taken()) == (1, 1)
        await bench.line.close()

    async def test_a_line_without_a_window_never_moves(self) -> None:
        async with calling(Bench(policy=replace(POLICY, rotate_after_ms=inf, window_ms=inf))) as bench:
            bench.line.refresh()
            await bench.clock.sleep_ms(60_000)
            assert len(bench.made) == 1

    async def test_a_spare_that_waits_too_long_is_told_again(self) -> None:
        policy = replace(POLICY, rotate_after_ms=1_000, window_ms=90_000, connect_timeout_ms=60_000)
        bench = Bench(policy=policy)
        bench.process[1].close_ms = 800  # its process is free again only then
        async with calling(bench):
            await bench.until(lambda: len(bench.made) == 2)
            bench.line.busy(True)
            await bench.clock.sleep_ms(5_000)
            bench.said.append(Said("caller", "And on Sunday?"))
            await bench.clock.sleep_ms(12_000)
            assert len(bench.made) == 2
            bench.line.busy(False)
            bench.line.busy(True)
            await bench.until(lambda: bench.made[1].closed)
            bench.line.busy(False)
            await bench.until(lambda: bench.all(LineRotated))
            assert bench.made[-1].brief is not None
            assert bench.made[-1].brief.said == (Said("caller", "And on Sunday?"),)
            assert bench.all(LineNotice) == []


class TestNewFacts:
    async def test_a_settled_session_is_exchanged_for_one_that_knows_them(self) -> None:
        async with calling(Bench(policy=replace(POLICY, rotate_after_ms=300_000, window_ms=400_000))) as bench:
            await bench.clock.sleep_ms(15_000)
            bench.facts = ("Booked for Friday at ten.",)
            bench.line.refresh()
            await bench.clock.sleep_ms(3_000)
            assert len(bench.made) == 1
            await bench.until(lambda: bench.all(LineRotated))
            (moved,) = bench.all(LineRotated)
            assert moved.reason == "facts"
            assert bench.made[1].brief is not None
            assert bench.made[1].brief.facts == bench.facts
            await bench.clock.sleep_ms(30_000)
            assert len(bench.made) == 2  # told once

    async def test_a_spare_that_does_not_open_is_tried_again(self) -> None:
        bench = Bench(policy=replace(POLICY, rotate_after_ms=300_000, window_ms=400_000))
        bench.process[1].refuses = 1
        async with calling(bench):
            bench.line.refresh()
            await bench.until(lambda: bench.all(LineRotated))
            assert (bench.all(LineRotated)[0].reason, len(bench.made)) == ("facts", 3)

    async def test_without_a_spare_nobody_is_told_of_it(self) -> None:
        policy = replace(POLICY, rotate_after_ms=300_000, window_ms=400_000)
        async with calling(Bench(count=1, policy=policy)) as bench:
            bench.line.refresh()
            await bench.clock.sleep_ms(30_000)
            assert (bench.all(LineNotice), bench.all(LineLost), len(bench.made)) == ([], [], 1)


class TestNoSpare:
    async def test_it_is_said_once_in_a_while_and_the_window_ends_the_line(self) -> None:
        policy = replace(POLICY, rotate_after_ms=2_000, window_ms=2_000 + NOTICE_EVERY_MS + 5_000)
        async with calling(Bench(count=1, policy=policy)) as bench:
            await bench.until(bench.ended.is_set)
            assert [notice.code for notice in bench.all(LineNotice)] == ["engine_no_spare"] * 2
            assert bench.got[-1].__class__ is LineLost
            assert bench.got[-1].code == "engine_window_ended"
            await bench.until(lambda: bench.free() == 1)

    async def test_a_spare_that_comes_free_is_taken_within_a_second_or_so(self) -> None:
        async with calling(Bench()) as bench:
            other = bench.pool.take("call_2", "rotation")
            await bench.until(lambda: bench.all(LineNotice))
            assert bench.all(LineRotated) == []
            freed_ms = bench.clock.monotonic_ms()
            other.give_back(sound=True)
            await bench.until(lambda: bench.all(LineRotated))
            assert bench.clock.monotonic_ms() - freed_ms < 2_500

    async def test_a_spare_that_does_not_open_is_tried_again(self) -> None:
        bench = Bench(count=3)
        bench.process[1].refuses = bench.process[2].refuses = 1
        async with calling(bench):
            await bench.until(lambda: bench.all(LineRotated))
            assert [notice.code for notice in bench.all(LineNotice)] == ["engine_unreachable"]
            assert bench.all(LineLost) == []

    async def test_a_spare_that_dies_while_it_waits_is_replaced(self) -> None:
        async with calling(Bench()) as bench:
            await bench.until(lambda: len(bench.made) == 2 and bench.made[1].given)
            bench.line.busy(True)
            bench.made[1].lose()
            await bench.until(lambda: bench.made[1].closed)
            bench.line.busy(False)
            await bench.until(lambda: bench.all(LineRotated))
            assert bench.all(LineLost) == []
            assert len(bench.made) == 3


class TestLost:
    @pytest.mark.parametrize("code", ["engine_lost", "engine_mute", "engine_lagging"])
    async def test_a_lost_session_is_replaced_once(self, code: str) -> None:
        async with calling(Bench()) as bench:
            await bench.until(lambda: bench.all(ModelAudio))
            bench.made[0].lose(code)
            await bench.until(lambda: bench.all(LineRotated))
            (moved,) = bench.all(LineRotated)
            assert bench.got[bench.got.index(moved) - 1] == LineGap(), "whoever listens may fill the gap"
            assert (moved.generation, moved.reason) == (2, "lost")
            assert moved.gap_ms < POLICY.move_within_ms
            bench.made[1].lose(code)
            await bench.until(bench.ended.is_set)
            assert bench.got[-1] == LineLost(code, "by hand")

    async def test_one_that_ends_without_a_word_is_lost_too(self) -> None:
        async with calling(Bench(policy=replace(POLICY, reconnects=0))) as bench:
            await bench.made[0].close()
            await bench.until(bench.ended.is_set)
            assert bench.got[-1].__class__ is LineLost
            assert bench.got[-1].code == "engine_lost"

    async def test_without_a_free_process_the_loss_is_told_at_once(self) -> None:
        async with calling(Bench(count=1)) as bench:
            await bench.until(lambda: bench.all(ModelAudio))
            bench.made[0].lose()
            began_ms = bench.clock.monotonic_ms()
            await bench.until(bench.ended.is_set)
            assert bench.clock.monotonic_ms() - began_ms < 1_000
            assert bench.all(LineRotated) == []

    async def test_a_replacement_that_takes_too_long_is_given_up(self) -> None:
        bench = Bench()
        bench.process[1].hangs = True
        async with calling(bench):
            await bench.until(lambda: bench.all(ModelAudio))
            bench.made[0].lose()
            began_ms = bench.clock.monotonic_ms()
            await bench.until(bench.ended.is_set)
            assert POLICY.move_within_ms - 50 <= bench.clock.monotonic_ms() - began_ms < POLICY.move_within_ms + 1_500
            assert bench.got[-1] == LineLost("engine_lost", "by hand")

    async def test_a_spare_that_is_ready_takes_over_at_once(self) -> None:
        async with calling(Bench(policy=replace(POLICY, reconnects=0))) as bench:
            bench.process[1].deaf = True  # so that it is not yet moved to
            await bench.until(lambda: len(bench.made) == 2 and bench.made[1].given)
            bench.made[0].lose()
            bench.process[1].deaf = False
            await bench.until(lambda: bench.all(LineRotated))
            (moved,) = bench.all(LineRotated)
            assert (moved.reason, len(bench.made)) == ("lost", 2)

    async def test_a_session_that_lived_a_minute_gives_the_right_back(self) -> None:
        policy = replace(POLICY, rotate_after_ms=400_000, window_ms=500_000)
        async with calling(Bench(policy=policy)) as bench:
            await bench.until(lambda: bench.all(ModelAudio))
            bench.made[0].lose()
            await bench.until(lambda: len(bench.all(LineRotated)) == 1)
            await bench.clock.sleep_ms(61_000)
            bench.made[1].lose()
            await bench.until(lambda: len(bench.all(LineRotated)) == 2)
            assert bench.all(LineLost) == []


class TestClosing:
    async def test_a_close_that_is_not_confirmed_makes_the_process_doubtful(self) -> None:
        bench = Bench()
        bench.process[0].confirms = False
        await bench.pool.check_all()
        await bench.line.open(bench.brief)
        await bench.line.close()
        assert sorted(row.state for row in bench.pool.status()) == ["cooling", "free"]

    async def test_a_model_that_never_answers_a_close_does_not_hold_it_up(self) -> None:
        bench = Bench(policy=replace(POLICY, close_within_s=0.1))
        bench.process[0].close_ms = inf
        await bench.pool.check_all()
        await bench.line.open(bench.brief)
        async with asyncio.timeout(5):
            await bench.line.close()
        assert bench.taken() == 0

    @pytest.mark.parametrize("moment_ms", [0, 3_990, 4_100, 4_300, 4_600, 5_500])
    async def test_closing_at_any_moment_of_a_move_leaves_nothing(self, moment_ms: float) -> None:
        bench = Bench()
        for process in bench.process:
            process.setup_ms, process.close_ms = 200, 200
        async with calling(bench):
            await bench.clock.sleep_ms(moment_ms)

    async def test_a_closing_that_is_cancelled_before_its_first_step_gives_back_too(self) -> None:
        bench = Bench(policy=replace(POLICY, attempts=1))
        for process in bench.process:
            process.refuses = 1
        await bench.pool.check_all()
        with pytest.raises(UpstreamError):
            await bench.line.open(bench.brief)
        (closing,) = [task for task in asyncio.all_tasks() if task.get_name() == "closing a model session"]
        closing.cancel()
        await asyncio.wait([closing])
        await asyncio.sleep(0)
        assert bench.taken() == 0

    async def test_a_cancelled_close_gives_everything_back_all_the_same(self) -> None:
        bench = Bench()
        for process in bench.process:
            process.close_ms = 1_000
        async with calling(bench):
            await bench.until(lambda: len(bench.made) == 2 and bench.made[1].given)
            closing = asyncio.create_task(bench.line.close())
            await asyncio.sleep(0)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
            await bench.until(lambda: bench.taken() == 0)

    async def test_a_line_that_breaks_is_a_loss_and_not_a_crash(self) -> None:
        bench = Bench()
        await bench.pool.check_all()

        class Broken(WrittenLine):
            async def events(self) -> AsyncIterator[LineEvent]:
                raise RuntimeError("a defect")
                yield

        line = RotatingLine(bench.pool, lambda address: Broken(bench.processes[address]), POLICY, bench.clock, "call_1")
        await line.open(bench.brief)
        assert [event.code for event in [one async for one in line.events()] if isinstance(event, LineLost)] == ["engine_lost"]
        await line.close()
        assert bench.taken() == 0


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
