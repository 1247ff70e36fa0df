"""The first session of a call, and its closing at any moment: no slot stays taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from math import inf

import pytest

from media_plane.engines.duplex.rotation import RotatingLine
from media_plane.ports.speech_line import (
    LineEvent,
    LineLost,
    ModelAudio,
    ModelBrief,
    ModelText,
)
from nexus.errors import QuotaExceeded, UpstreamError
from tests.fakes.speech_lines import WrittenLine
from tests.unit.media_plane.engines.duplex.rotating import CONFIG, LOUD, POLICY, Bench, calling


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
