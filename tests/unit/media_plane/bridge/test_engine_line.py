"""One engine under a call, whatever happens to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from media_plane.audio import silence
from media_plane.bridge.engine_line import EngineLine, EngineMaker, EngineMakers, LinePolicy
from media_plane.conversation.commands import CallerAudio, CallerTurn, EngineInput, Say
from media_plane.conversation.events import AgentText, EngineEvent, EngineFailed, EngineReady
from media_plane.ports import CallBrief
from nexus.clock import Clock
from nexus.domain.tenant import TenantConfig
from nexus.errors import QuotaExceeded, UpstreamError
from tests.fakes.engines import WrittenEngine

CONFIG = TenantConfig(tenant_id="shop", system_prompt="Be kind.")
FRAME = CallerAudio(silence(20, 16_000))


def refuse() -> None:
    raise UpstreamError("engine_unreachable", "Nobody answers.")


def text_engine() -> WrittenEngine:
    return WrittenEngine("text", voice=False)


@dataclass
class Bench:
    """A line over written engines: voices are made in order, the last one again and again."""

    voices: list[WrittenEngine]
    text: WrittenEngine = field(default_factory=text_engine)
    clock: Clock = field(default_factory=lambda: Clock(speed=1_000))
    policy: LinePolicy = field(default_factory=LinePolicy)
    made_at_ms: list[float] = field(default_factory=list)
    fed: asyncio.Queue[EngineEvent | EngineReady] = field(default_factory=asyncio.Queue)
    task: asyncio.Task[None] | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.line = EngineLine(EngineMakers((EngineMaker(self.make_voice),), lambda: self.text), self.policy, self.clock)

    def make_voice(self) -> WrittenEngine:
        self.made_at_ms.append(self.clock.monotonic_ms())
        return self.voices[min(len(self.made_at_ms), len(self.voices)) - 1]

    def hang_up(self) -> None:
        assert self.task is not None
        self.task.cancel()
        self.over.set()

    async def next(self) -> EngineEvent | EngineReady:
        async with asyncio.timeout(5):
            return await self.fed.get()

    async def ready(self) -> EngineReady:
        event = await self.next()
        assert isinstance(event, EngineReady)
        return event

    async def lost(self) -> EngineFailed:
        event = await self.next()
        assert isinstance(event, EngineFailed)
        return event


def brief(item_prefix: str) -> CallBrief:
    return CallBrief("call_1", CONFIG, (), item_prefix)


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    """Run the line for the length of the block; afterwards no task of it is left."""
    before = asyncio.all_tasks()
    bench.task = asyncio.create_task(bench.line.run(brief, bench.fed.put_nowait))
    try:
        yield bench
    finally:
        bench.task.cancel()
        await asyncio.gather(bench.task, return_exceptions=True)
        assert asyncio.all_tasks() <= before


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


def row_of(*engines: WrittenEngine, timeouts_ms: dict[int, float] | None = None, **policy: float) -> Bench:
    """A line whose list has each of these once, in order; a maker that is asked again gives the same engine."""
    bench = Bench([WrittenEngine()], policy=LinePolicy(**{"attempts": 1, **policy}))  # type: ignore[arg-type]
    makers = [EngineMaker(lambda engine=engine: engine, (timeouts_ms or {}).get(at)) for at, engine in enumerate(engines)]  # type: ignore[misc]
    bench.line = EngineLine(EngineMakers(tuple(makers), lambda: bench.text), bench.policy, bench.clock)
    return bench


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
        async with running(row_of(full, good, attempts=3)) as bench:
            began_ms = bench.clock.monotonic_ms()
            assert await bench.ready() == EngineReady("good", voice=True, own_turns=False, reason="no_engine_slot")
            assert bench.clock.monotonic_ms() - began_ms < bench.policy.retry_delay_ms
        assert len(full.briefs) == 1

    async def test_each_engine_may_take_its_own_time_to_connect(self) -> None:
        hanging, hanging_too = WrittenEngine(hangs=True), WrittenEngine(hangs=True)
        async with running(row_of(hanging, hanging_too, timeouts_ms={0: 30_000.0, 1: 2_000.0}, return_interval_ms=1e9)) as bench:
            began_ms = bench.clock.monotonic_ms()
            await hanging_too.starting.wait()
            assert bench.clock.monotonic_ms() - began_ms >= 30_000
            began_ms = bench.clock.monotonic_ms()
            await bench.ready()
            assert 1_900 <= bench.clock.monotonic_ms() - began_ms < 10_000
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
