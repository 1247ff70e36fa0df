"""One engine under a call, whatever happens to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from media_plane.audio import silence
from media_plane.bridge.engine_line import EngineLine, EngineMaker, EngineMakers, LinePolicy
from media_plane.conversation.commands import CallerAudio, CallerTurn, EngineInput, Say, ToolOutcome
from media_plane.conversation.events import AgentText, EngineFailed, EngineNotice, EngineReady
from media_plane.ports.engine import CallBrief
from nexus.errors import ConfigurationError, UpstreamError
from tests.fakes.engines import WrittenEngine
from tests.unit.media_plane.bridge.bench import CONFIG, FRAME, Bench, refuse, row_of, running


class TestConnecting:
    async def test_the_first_engine_is_ready_without_a_reason_and_its_events_come_in_order(self) -> None:
        voice = WrittenEngine()
        async with running(Bench([voice])) as bench:
            assert await bench.ready() == EngineReady("written", voice=True, own_turns=False, reason="")
            for word in ("one", "two", "three"):
                voice.events_out.put_nowait(AgentText("e1-1", word))
            assert [await bench.next() for _ in range(3)] == [AgentText("e1-1", word) for word in ("one", "two", "three")]
        assert voice.closed == 1

    async def test_a_refused_engine_is_tried_again_after_a_delay_and_closed_each_time(self) -> None:
        refusing, good = WrittenEngine(at_start=refuse), WrittenEngine("good")
        async with running(Bench([refusing, refusing, good])) as bench:
            assert (await bench.ready()).engine == "good"
            first, second, third = bench.made_at_ms
            assert second - first >= bench.policy.retry_delay_ms
            assert third - second >= bench.policy.retry_delay_ms
            assert refusing.closed == 2
            assert good.closed == 0

    @pytest.mark.parametrize("error", [UpstreamError("engine_unreachable", "No."), OSError("no route"), TimeoutError()])
    async def test_after_the_last_attempt_the_call_goes_to_text(self, error: Exception) -> None:
        def fail() -> None:
            raise error

        dead = WrittenEngine(at_start=fail)
        async with running(Bench([dead])) as bench:
            assert await bench.ready() == EngineReady("text", voice=False, own_turns=False, reason="engine_unreachable")
            assert len(bench.made_at_ms) == bench.policy.attempts
            assert dead.closed == bench.policy.attempts

    async def test_an_engine_that_hangs_at_start_is_given_up_in_time(self) -> None:
        hanging = WrittenEngine(hangs=True)
        async with running(Bench([hanging], policy=LinePolicy(connect_timeout_ms=3_000, attempts=1))) as bench:
            assert (await bench.ready()).reason == "engine_unreachable"
            assert bench.clock.monotonic_ms() - bench.made_at_ms[0] >= 3_000
            assert hanging.closed == 1

    async def test_an_engine_that_cannot_even_be_made_counts_as_unreachable(self) -> None:
        bench = Bench([WrittenEngine()], policy=LinePolicy(attempts=1))
        bench.line = EngineLine(EngineMakers((EngineMaker(_no_engine),), lambda: bench.text), bench.policy, bench.clock)
        async with running(bench):
            assert (await bench.ready()).reason == "engine_unreachable"

    async def test_each_engine_has_items_of_its_own(self) -> None:
        refusing, good = WrittenEngine(at_start=refuse), WrittenEngine()
        async with running(Bench([refusing, good])) as bench:
            await bench.ready()
        prefixes = [one.item_prefix for one in (*refusing.briefs, *good.briefs)]
        assert len(set(prefixes)) == len(prefixes) == 2


def _no_engine() -> WrittenEngine:
    raise UpstreamError("engine_unreachable", "The vendor's library is missing.")


async def lose_by_event(bench: Bench, voice: WrittenEngine) -> str:
    voice.events_out.put_nowait(EngineFailed("model_failed", "Gone."))
    assert await bench.next() == EngineFailed("model_failed", "Gone.")
    return "model_failed"


async def lose_by_silence(bench: Bench, voice: WrittenEngine) -> str:
    voice.events_out.put_nowait(None)
    await bench.lost()
    return "engine_lost"


async def lose_by_send(bench: Bench, voice: WrittenEngine) -> str:
    def fail(_value: EngineInput) -> None:
        raise UpstreamError("engine_lost", "Broken pipe.")

    voice.at_send = fail
    bench.line.send(Say("Hello."))
    await bench.lost()
    return "engine_lost"


async def lose_by_abandoning(bench: Bench, _voice: WrittenEngine) -> str:
    bench.line.abandon("engine_mute", "Nothing came.")
    assert await bench.next() == EngineFailed("engine_mute", "Nothing came.")
    return "engine_mute"


LOSSES = [lose_by_event, lose_by_silence, lose_by_send, lose_by_abandoning]


class TestLosing:
    @pytest.mark.parametrize("lose", LOSSES)
    async def test_a_lost_engine_is_closed_and_text_takes_over_with_its_code(
        self, lose: Callable[[Bench, WrittenEngine], Awaitable[str]]
    ) -> None:
        voice = WrittenEngine()
        async with running(Bench([voice, WrittenEngine(at_start=refuse)])) as bench:
            await bench.ready()
            code = await lose(bench, voice)
            assert await bench.ready() == EngineReady("text", voice=False, own_turns=False, reason=code)
            async with asyncio.timeout(5):
                await voice.let_go.wait()
        assert voice.closed == 1

    async def test_an_engine_that_cannot_be_closed_does_not_hold_the_call(self) -> None:
        voice = WrittenEngine(at_close=refuse)
        async with running(Bench([voice, WrittenEngine(at_start=refuse)])) as bench:
            await bench.ready()
            voice.events_out.put_nowait(None)
            await bench.lost()
            assert (await bench.ready()).engine == "text"

    async def test_the_voice_comes_back_and_the_text_engine_is_closed(self) -> None:
        lost, back = WrittenEngine(), WrittenEngine("back")
        async with running(Bench([lost, WrittenEngine(at_start=refuse), back])) as bench:
            await bench.ready()
            lost.events_out.put_nowait(None)
            await bench.lost()
            await bench.ready()
            assert await bench.ready() == EngineReady("back", voice=True, own_turns=False, reason="engine_returned")
            assert bench.made_at_ms[2] - bench.made_at_ms[1] >= bench.policy.return_interval_ms
            assert bench.text.closed == 1
            back.events_out.put_nowait(AgentText("x", "I am back."))
            assert await bench.next() == AgentText("x", "I am back.")

    async def test_text_keeps_serving_while_the_voice_is_tried(self) -> None:
        async with running(Bench([WrittenEngine(at_start=refuse)], policy=LinePolicy(attempts=1))) as bench:
            await bench.ready()
            bench.line.send(CallerTurn("Are you open?", typed=True))
            assert await bench.text.taken.get() == CallerTurn("Are you open?", typed=True)
            bench.text.events_out.put_nowait(AgentText("t", "Yes."))
            assert await bench.next() == AgentText("t", "Yes.")

    async def test_abandoning_without_an_engine_does_nothing(self) -> None:
        bench = Bench([WrittenEngine()])
        bench.line.abandon("engine_mute", "Too early.")
        async with running(bench):
            assert (await bench.ready()).voice
            bench.line.abandon("engine_mute", "Now.")
            bench.line.abandon("engine_mute", "And again.")
            assert await bench.next() == EngineFailed("engine_mute", "Now.")


class TestInputs:
    async def test_what_came_while_the_engine_connected_is_not_given_to_it_late(self) -> None:
        voice = WrittenEngine(hangs=True)
        async with running(row_of(voice, timeouts_ms={0: 30_000.0})) as bench:
            await voice.starting.wait()
            for _ in range(700):
                bench.line.send(FRAME)
            bench.line.send(CallerTurn("Hello?", typed=True))
            voice.proceed.set()
            await bench.ready()
            fresh = CallerAudio(silence(40, 16_000))
            bench.line.send(fresh)
            async with asyncio.timeout(5):
                assert await voice.taken.get() == fresh, "a model that is clocked by audio begins in the present"
            assert bench.line.dropped_ms == 700 * 20, "and what it never heard is counted"

    async def test_inputs_come_in_the_order_in_which_they_were_sent(self) -> None:
        voice = WrittenEngine()
        values: list[EngineInput] = [Say("Hello."), FRAME, CallerTurn("Hi"), FRAME, Say("Bye.")]
        async with running(Bench([voice])) as bench:
            await bench.ready()
            for value in values:
                bench.line.send(value)
            assert [await voice.taken.get() for _ in values] == values

    async def test_a_slow_engine_loses_the_oldest_audio_never_a_turn(self) -> None:
        voice = WrittenEngine(busy=True)
        async with running(Bench([voice])) as bench:
            await bench.ready()
            bench.line.send(CallerTurn("first"))
            for _ in range(600):
                bench.line.send(FRAME)
            bench.line.send(CallerTurn("last"))
            voice.go.set()
            async with asyncio.timeout(5):
                taken = [await voice.taken.get()]
                while taken[-1] != CallerTurn("last"):
                    taken.append(await voice.taken.get())
        assert taken[0] == CallerTurn("first")
        kept = sum(isinstance(value, CallerAudio) for value in taken)
        assert kept + bench.line.dropped_ms / 20 == 600
        assert len(taken) == 500

    async def test_turns_alone_are_all_kept(self) -> None:
        voice = WrittenEngine(busy=True)
        async with running(Bench([voice])) as bench:
            await bench.ready()
            turns = [CallerTurn(str(number)) for number in range(520)]
            for turn in turns:
                bench.line.send(turn)
            voice.go.set()
            assert [await voice.taken.get() for _ in turns] == turns
        assert bench.line.dropped_ms == 0

    async def test_a_new_engine_is_not_given_what_the_old_one_did_not_take(self) -> None:
        voice = WrittenEngine(busy=True)
        async with running(Bench([voice, WrittenEngine(at_start=refuse)])) as bench:
            await bench.ready()
            bench.line.send(FRAME)
            bench.line.send(Say("Too late."))
            bench.line.abandon("engine_mute", "Nothing came.")
            await bench.next()
            await bench.ready()
            bench.line.send(Say("Only this."))
            assert await bench.text.taken.get() == Say("Only this.")


class TestCancelling:
    """The line is cancelled when the call ends, at whatever moment; the fixture proves that no task stays."""

    async def test_while_connecting_the_half_started_engine_is_closed(self) -> None:
        hanging = WrittenEngine(hangs=True)
        async with running(Bench([hanging])):
            await hanging.starting.wait()
        assert hanging.closed == 1

    async def test_while_serving_the_engine_is_closed_once(self) -> None:
        voice = WrittenEngine()
        async with running(Bench([voice])) as bench:
            await bench.ready()
        assert voice.closed == 1

    async def test_while_an_engine_lost_before_is_still_being_closed_that_is_waited_for(self) -> None:
        slow, good = WrittenEngine("slow", closes_slowly=True), WrittenEngine("good")
        async with running(row_of(slow, good)) as bench:
            await bench.ready()
            slow.events_out.put_nowait(None)
            await bench.lost()
            await bench.ready()
            bench.hang_up()
            await good.let_go.wait()
            assert bench.task is not None
            for _ in range(5):
                await asyncio.sleep(0)
            assert not bench.task.done()
            slow.go.set()
        assert (slow.closed, good.closed) == (1, 1)

    async def test_while_the_voice_is_tried_again_both_are_closed(self) -> None:
        hanging = WrittenEngine(hangs=True)
        async with running(Bench([WrittenEngine(at_start=refuse), hanging], policy=LinePolicy(attempts=1))) as bench:
            await bench.ready()
            await hanging.starting.wait()
        assert (hanging.closed, bench.text.closed) == (1, 1)

    async def test_at_the_very_moment_at_which_the_voice_is_back(self) -> None:
        bench = Bench([WrittenEngine(at_start=refuse)], policy=LinePolicy(attempts=1))
        back = WrittenEngine("back", at_start=bench.hang_up)
        bench.voices.append(back)
        async with running(bench):
            await bench.ready()
            async with asyncio.timeout(5):
                await bench.over.wait()
        assert (back.closed, bench.text.closed) == (1, 1)

    async def test_while_text_starts(self) -> None:
        bench = Bench([WrittenEngine(at_start=refuse)], WrittenEngine("text", voice=False, hangs=True), policy=LinePolicy(attempts=1))
        async with running(bench):
            await bench.text.starting.wait()
        assert bench.text.closed == 1


class TestWhatIsKnown:
    async def test_a_failed_start_is_on_record_with_its_own_code_and_public_words(self) -> None:
        def broken() -> None:
            raise ConfigurationError("missing_package", "Install the speech models.")

        def unexpected() -> None:
            raise ValueError("key=secret")

        async with running(row_of(WrittenEngine(at_start=broken), WrittenEngine(at_start=unexpected), WrittenEngine("third"))) as bench:
            assert (await bench.ready()).reason == "missing_package"
            assert bench.notices == [
                EngineNotice("missing_package", "engine", "Install the speech models."),
                EngineNotice("engine_unreachable", "engine", "The engine failed inside; the log names the fault."),
            ]

    async def test_what_a_setting_must_mend_is_not_tried_again(self) -> None:
        def broken() -> None:
            raise ConfigurationError("setting_invalid", "Correct the address.")

        async with running(Bench([WrittenEngine(at_start=broken)])) as bench:
            assert (await bench.ready()).engine == "text"
            assert len(bench.made_at_ms) == 1

    async def test_an_engine_that_breaks_inside_shows_no_secret(self) -> None:
        def broken(_value: object) -> None:
            raise ValueError("key=secret")

        async with running(row_of(WrittenEngine(at_send=broken), WrittenEngine("next"))) as bench:
            await bench.ready()
            bench.line.send(FRAME)
            assert (await bench.lost()).message == "The engine failed inside; the log names the fault."

    async def test_ready_tells_how_many_outcomes_of_tools_the_engine_was_told(self) -> None:
        known: list[ToolOutcome] = []
        first, second = WrittenEngine(), WrittenEngine("next")
        bench = row_of(first, second)
        bench.task = asyncio.create_task(
            bench.line.run(lambda prefix: CallBrief("c", CONFIG, (), prefix, outcomes=tuple(known)), bench.fed.put_nowait)
        )
        assert (await bench.ready()).known_outcomes == 0
        known.append(ToolOutcome("tool_1", "book", {}, "Booked.", False, 1.0))
        first.events_out.put_nowait(None)
        await bench.lost()
        assert (await bench.ready()).known_outcomes == 1
        assert second.briefs[0].outcomes == tuple(known)
        bench.task.cancel()
        await asyncio.gather(bench.task, return_exceptions=True)
