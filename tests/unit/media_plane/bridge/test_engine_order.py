"""The engines of a call in their order, and the faults inside them that nobody foresaw."""

from __future__ import annotations

import pytest

from media_plane.bridge.engine_line import EngineLine, EngineMaker, EngineMakers
from media_plane.conversation.commands import Say
from media_plane.conversation.events import AgentText, EngineEvent, EngineFailed, EngineReady
from nexus.errors import QuotaExceeded
from tests.fakes.engines import WrittenEngine
from tests.unit.media_plane.bridge.bench import brief, refuse, row_of, running


def explode(*_: object) -> None:
    raise KeyError("a fault in the engine itself")


def no_slot() -> None:
    raise QuotaExceeded("no_engine_slot", "Every process carries a call.")


class TestOrder:
    """Several engines with a voice: each is followed by the next, none by an earlier one, and text stands behind them all."""

    async def test_each_failure_leads_to_the_next_and_at_last_to_text(self) -> None:
        first, second, third = WrittenEngine("first"), WrittenEngine("second"), WrittenEngine("third")
        async with running(row_of(first, second, third, return_interval_ms=1e9)) as bench:
            assert (await bench.ready()).engine == "first"
            first.events_out.put_nowait(None)
            await bench.lost()
            assert await bench.ready() == EngineReady("second", voice=True, own_turns=False, reason="engine_lost")
            bench.line.abandon("engine_mute", "Nothing came.")
            await bench.next()
            assert await bench.ready() == EngineReady("third", voice=True, own_turns=False, reason="engine_mute")
            third.events_out.put_nowait(EngineFailed("engine_window_ended", "The window is over."))
            await bench.next()
            assert await bench.ready() == EngineReady("text", voice=False, own_turns=False, reason="engine_window_ended")
        assert [len(one.briefs) for one in (first, second, third)] == [1, 1, 1], "no return to an earlier voice"
        assert [one.closed for one in (first, second, third, bench.text)] == [1, 1, 1, 1]

    async def test_only_the_first_engine_of_the_call_is_tried_several_times(self) -> None:
        down, down_too = WrittenEngine(at_start=refuse), WrittenEngine(at_start=refuse)
        async with running(row_of(down, down_too, attempts=3, return_interval_ms=1e9)) as bench:
            assert (await bench.ready()).reason == "engine_unreachable"
        assert (len(down.briefs), len(down_too.briefs)) == (3, 1)

    async def test_an_engine_that_does_not_start_is_passed_over_and_the_first_reason_is_told(self) -> None:
        lost, down, good = WrittenEngine("lost"), WrittenEngine(at_start=refuse), WrittenEngine("good")
        async with running(row_of(lost, down, good)) as bench:
            await bench.ready()
            lost.events_out.put_nowait(EngineFailed("engine_lagging", "Too slow."))
            await bench.next()
            assert await bench.ready() == EngineReady("good", voice=True, own_turns=False, reason="engine_lagging")

    async def test_without_a_slot_the_next_engine_takes_the_call_at_once(self) -> None:
        full, good = WrittenEngine(at_start=no_slot), WrittenEngine("good")
        async with running(row_of(full, good, attempts=3, retry_delay_ms=1e9)) as bench:  # a wait before another try would never end
            assert await bench.ready() == EngineReady("good", voice=True, own_turns=False, reason="no_engine_slot")
        assert len(full.briefs) == 1

    async def test_each_engine_may_take_its_own_time_to_connect(self) -> None:
        hanging, hanging_too = WrittenEngine(hangs=True), WrittenEngine(hangs=True)
        async with running(row_of(hanging, hanging_too, timeouts_ms={0: 30_000.0, 1: 2_000.0}, return_interval_ms=1e9)) as bench:
            began_ms = bench.clock.monotonic_ms()
            await hanging_too.starting.wait()
            assert bench.clock.monotonic_ms() - began_ms >= 30_000
            began_ms = bench.clock.monotonic_ms()
            await bench.ready()
            assert 1_900 <= bench.clock.monotonic_ms() - began_ms < 29_000
        assert (hanging.closed, hanging_too.closed) == (1, 1)

    async def test_from_text_the_list_is_tried_from_its_beginning(self) -> None:
        fails_once = iter([True])

        def sometimes() -> None:
            if next(fails_once, False):
                refuse()

        first, second = WrittenEngine("first", at_start=sometimes), WrittenEngine("second", at_start=refuse)
        async with running(row_of(first, second)) as bench:
            assert (await bench.ready()).engine == "text"
            assert await bench.ready() == EngineReady("first", voice=True, own_turns=False, reason="engine_returned")
            second.at_start = lambda: None
            first.events_out.put_nowait(None)
            await bench.lost()
            assert (await bench.ready()).engine == "second", "from there the list goes on in its order"

    async def test_from_text_the_first_that_connects_is_taken(self) -> None:
        down, up = WrittenEngine(at_start=refuse), WrittenEngine("up")
        up.at_start = refuse
        async with running(row_of(down, up)) as bench:
            assert (await bench.ready()).engine == "text"
            up.at_start = lambda: None
            assert await bench.ready() == EngineReady("up", voice=True, own_turns=False, reason="engine_returned")

    async def test_without_any_voice_the_call_is_text_from_the_beginning(self) -> None:
        async with running(row_of()) as bench:
            assert await bench.ready() == EngineReady("text", voice=False, own_turns=False, reason="as_configured")

    async def test_the_first_engine_has_the_first_prefix(self) -> None:
        first, second = WrittenEngine("first"), WrittenEngine("second")
        async with running(row_of(first, second)) as bench:
            await bench.ready()
            first.events_out.put_nowait(None)
            await bench.lost()
            await bench.ready()
        assert [one.item_prefix for one in (*first.briefs, *second.briefs)] == ["e1", "e2"]

    async def test_the_next_engine_does_not_wait_for_the_goodbyes_of_the_last(self) -> None:
        slow, good = WrittenEngine("slow", closes_slowly=True), WrittenEngine("good")
        async with running(row_of(slow, good)) as bench:
            await bench.ready()
            slow.events_out.put_nowait(None)
            await bench.lost()
            assert (await bench.ready()).engine == "good"
            assert slow.closed == 0
            slow.go.set()
        assert (slow.closed, good.closed) == (1, 1)

    async def test_text_that_fails_is_made_again_but_not_in_a_hot_loop(self) -> None:
        async with running(row_of(return_interval_ms=1e9)) as bench:
            for _ in range(3):
                assert (await bench.ready()).engine == "text"
                began_ms = bench.clock.monotonic_ms()
                bench.text.events_out.put_nowait(None)
                await bench.lost()
            await bench.ready()
            assert bench.clock.monotonic_ms() - began_ms >= bench.policy.retry_delay_ms


class TestFaultsInside:
    """An engine that breaks in a way nobody foresaw costs the call this engine, not its life."""

    async def test_at_start(self, caplog: pytest.LogCaptureFixture) -> None:
        broken, good = WrittenEngine(at_start=explode), WrittenEngine("good")
        async with running(row_of(broken, good)) as bench:
            assert await bench.ready() == EngineReady("good", voice=True, own_turns=False, reason="engine_unreachable")
        assert any(one.exc_info for one in caplog.records), "an unforeseen fault is logged with where it happened"
        assert broken.closed == 1

    async def test_while_being_made(self) -> None:
        bench = row_of(WrittenEngine("good"))
        bench.line = EngineLine(
            EngineMakers((EngineMaker(explode), EngineMaker(lambda: bench.voices[0])), lambda: bench.text),  # type: ignore[arg-type]
            bench.policy,
            bench.clock,
        )
        async with running(bench):
            assert (await bench.ready()).engine == "written"

    async def test_at_an_input(self) -> None:
        broken, good = WrittenEngine("broken", at_send=explode), WrittenEngine("good")
        async with running(row_of(broken, good)) as bench:
            await bench.ready()
            bench.line.send(Say("Hello."))
            await bench.lost()
            assert await bench.ready() == EngineReady("good", voice=True, own_turns=False, reason="engine_lost")

    async def test_in_its_events(self) -> None:
        broken, good = WrittenEngine("broken", at_event=explode), WrittenEngine("good")
        async with running(row_of(broken, good)) as bench:
            await bench.ready()
            broken.events_out.put_nowait(AgentText("e1-1", "Never given."))
            await bench.lost()
            assert await bench.ready() == EngineReady("good", voice=True, own_turns=False, reason="engine_lost")
        assert broken.closed == 1

    async def test_at_its_close(self) -> None:
        broken, good = WrittenEngine("broken", at_close=explode), WrittenEngine("good")
        async with running(row_of(broken, good)) as bench:
            await bench.ready()
            broken.events_out.put_nowait(None)
            await bench.lost()
            assert (await bench.ready()).engine == "good"

    async def test_a_fault_of_the_call_itself_is_not_taken_for_the_engines(self) -> None:
        voice = WrittenEngine()
        bench = row_of(voice)

        def feed(event: EngineEvent | EngineReady) -> None:
            if isinstance(event, AgentText):
                raise RuntimeError("the machine is broken")

        voice.events_out.put_nowait(AgentText("e1-1", "Hi."))
        with pytest.raises(ExceptionGroup):
            await bench.line.run(brief, feed)
        assert voice.closed == 1
