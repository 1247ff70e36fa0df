"""One whole call without a network: bridge, machine, engine line and playout round engines that follow a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from media_plane.audio import AudioFormat, AudioFrame, silence
from media_plane.bridge.call import Bridge, CallFacts, CallParts
from media_plane.bridge.engine_line import EngineLine, EngineMaker, EngineMakers, LinePolicy
from media_plane.conversation import commands as do
from media_plane.conversation.events import EngineFailed, EngineRotated
from media_plane.conversation.machine import CallLimits, Conversation
from media_plane.conversation.recorder import fold, record
from media_plane.engines.scripted import Emit, Reaction, Script, ScriptedEngine, Speak, Wait, tone
from media_plane.playout import Playout
from media_plane.ports.caller import Received, ReceivedAudio, ReceivedHangUp, ReceivedText
from media_plane.speech.ear import Ear
from media_plane.speech.vad import ScriptedDetector
from nexus.adapters.memory import MemoryCallJournal
from nexus.clock import Clock
from nexus.domain.journal import Opened
from nexus.domain.session import SessionRecord
from nexus.domain.tenant import TenantConfig
from tests.fakes.engines import WrittenEngine

SPEED = 4.0
LOUD, QUIET = tone(20, 16_000), silence(20, 16_000)
BEGAN = datetime(2026, 11, 21, 12, tzinfo=UTC)
TEXT = Script(voice=False, echo=True)
Found = TypeVar("Found")


@dataclass
class Line:
    """The caller's end of the wire, by hand: what is put in is received, what is told is kept with its time."""

    clock: Clock
    inbox: asyncio.Queue[Received] = field(default_factory=asyncio.Queue)
    told: list[tuple[float, do.Tell]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    audio_ms: float = 0.0

    output = AudioFormat("pcm_s16le", 16_000)
    corrupt_frames = 0

    async def receive(self) -> tuple[Received, ...]:
        return (await self.inbox.get(),)

    async def tell(self, message: do.Tell) -> None:
        self.told.append((self.clock.monotonic_ms(), message))
        self.news.set()

    async def play(self, frame: AudioFrame) -> int:
        self.audio_ms += frame.duration_ms
        return len(frame.pcm)

    async def close(self, reason: str, code: int) -> None:
        self.news.set()

    async def speak(self, duration_ms: float, frame: AudioFrame = LOUD) -> None:
        due_ms = self.clock.monotonic_ms()
        for _ in range(int(duration_ms / 20)):
            self.inbox.put_nowait(ReceivedAudio(frame))
            due_ms += 20
            await self.clock.sleep_ms(due_ms - self.clock.monotonic_ms())

    def all(self, kind: type[Found]) -> list[Found]:
        return [message for _, message in self.told if isinstance(message, kind)]

    def states(self) -> list[str]:
        return [message.state for message in self.all(do.TellState)]

    async def until(self, met: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not met():
                self.news.clear()
                await self.news.wait()

    async def agent_said(self, text: str) -> None:
        await self.until(lambda: any(one.role == "agent" and one.final and one.text == text for one in self.all(do.TellTranscript)))


@dataclass
class Call:
    line: Line
    engines: EngineLine
    task: asyncio.Task[SessionRecord]

    async def hang_up(self) -> SessionRecord:
        self.line.inbox.put_nowait(ReceivedHangUp())
        async with asyncio.timeout(10):
            return await self.task


class NoTools:
    async def tools(self) -> tuple[()]:
        return ()

    async def run(self, order: do.RunTool) -> object:
        raise AssertionError("no tool is asked for here")


@asynccontextmanager
async def call(*voices: Script | WrittenEngine, mute_ms: float = 5_000.0, **config: object) -> AsyncIterator[Call]:
    clock = Clock(speed=SPEED)
    tenant = TenantConfig.model_validate({"tenant_id": "shop", "system_prompt": "Be kind.", "greeting": "Hi!", **config})
    opened = Opened(
        call_id="call_01K9XFT7G10000000000000000", tenant_id="shop", config_hash="h", engine="x", created_at=BEGAN, connected_at=BEGAN
    )

    def maker(voice: Script | WrittenEngine) -> EngineMaker:
        return EngineMaker(lambda: voice if isinstance(voice, WrittenEngine) else ScriptedEngine(voice, clock))

    makers = tuple(maker(voice) for voice in voices)
    engines = EngineLine(EngineMakers(makers, lambda: ScriptedEngine(TEXT, clock)), LinePolicy(attempts=1, return_interval_ms=1e9), clock)
    line = Line(clock)
    parts = CallParts(line, engines, Playout(), NoTools(), Ear(ScriptedDetector()), MemoryCallJournal(), slot_ms=lambda: 1_234.56)  # type: ignore[arg-type]
    limits = CallLimits(max_duration_ms=600_000, engine_mute_ms=mute_ms)
    bridge = Bridge(CallFacts(opened, tenant, "", ()), parts, Conversation(tenant, limits), clock)

    async def run() -> SessionRecord:
        folded = fold(await bridge.run())
        assert folded is not None
        return record(folded, ended_at=BEGAN + timedelta(minutes=1))[0]

    task = asyncio.create_task(run())
    try:
        yield Call(line, engines, task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class TestConnecting:
    async def test_the_caller_hears_that_it_connects_and_then_that_the_agent_listens(self) -> None:
        async with call(Script(start_ms=1_500)) as one:
            await one.line.until(lambda: one.line.states())
            assert one.line.states() == ["connecting"]
            await one.line.agent_said("Hi!")
            at = {message.state: at_ms for at_ms, message in reversed(one.line.told) if isinstance(message, do.TellState)}
            assert one.line.states()[:3] == ["connecting", "listening", "speaking"]
            assert at["listening"] - at["connecting"] >= 1_400
            await one.hang_up()

    async def test_what_was_spoken_meanwhile_does_not_come_late_to_the_model(self) -> None:
        voice = WrittenEngine(hangs=True)
        async with call(voice) as one:
            await voice.starting.wait()
            await one.line.speak(1_000, QUIET)
            voice.proceed.set()
            await one.line.until(lambda: "listening" in one.line.states())
            assert await voice.taken.get() == do.Say("Hi!")
            await one.line.speak(100, LOUD)
            first = await voice.taken.get()
            assert isinstance(first, do.CallerAudio)
            assert first.frame == LOUD
            assert (await one.hang_up()).audio.in_dropped_ms >= 1_000 - 20


class TestFailover:
    async def test_from_one_voice_to_the_next(self) -> None:
        gone = Emit(EngineFailed("engine_lost", "gone"))
        breaks = Script((Reaction("turn", (Speak("Let me look that up for", 2_000), Wait(300), gone)),))
        async with call(breaks, Script(echo=True)) as one:
            await one.line.agent_said("Hi!")
            one.line.inbox.put_nowait(ReceivedText("Are you open?"))
            await one.line.until(lambda: one.line.all(do.TellMode))
            await one.line.agent_said("Sorry about that, I'm back.")
            one.line.inbox.put_nowait(ReceivedText("So are you?"))
            await one.line.agent_said("So are you?")
            found = await one.hang_up()
        assert [(change.to, change.reason) for change in found.mode_changes] == [("voice", "engine_lost")]
        assert one.line.all(do.TellMode) == [do.TellMode("voice", "engine_lost")]
        assert found.slot_ms == 1_234.6

    async def test_a_mute_model_hands_the_question_on(self) -> None:
        silent = Script(own_turns=True, transcripts=("are you open",))
        async with call(silent, Script(echo=True), mute_ms=4_000.0, first_speaker="caller") as one:
            await one.line.until(lambda: "listening" in one.line.states())
            await one.line.speak(800)
            await one.line.speak(1_500, QUIET)
            await one.line.agent_said("are you open")
            found = await one.hang_up()
        assert [(change.to, change.reason) for change in found.mode_changes] == [("voice", "engine_mute")]
        assert [(turn.role, turn.text) for turn in found.turns] == [("caller", "are you open"), ("agent", "are you open")]

    async def test_a_model_that_answers_before_it_is_transcribed_is_neither_mute_nor_late(self) -> None:
        quick = Script((Reaction("speech", (Speak("Yes we are.", 600),)),), own_turns=True, transcripts=("are you open",))
        async with call(quick, mute_ms=2_500.0, first_speaker="caller") as one:
            await one.line.until(lambda: "listening" in one.line.states())
            await one.line.speak(800)
            await one.line.speak(4_000, QUIET)
            found = await one.hang_up()
        assert found.mode_changes == ()
        assert [(turn.i, turn.role, turn.text) for turn in found.turns] == [(0, "caller", "are you open"), (1, "agent", "Yes we are.")]
        question, answer = found.turns
        assert answer.stages is not None
        assert (answer.stages.silence_wait, answer.stages.stt, answer.stages.dialogue) == (0, 0, 0)
        assert abs(answer.stages.e2e - (answer.start_ms - question.end_ms)) < 1
        assert found.interruptions.caller == found.interruptions.false == 0


async def test_rotations_change_nothing_for_the_caller_but_are_on_record() -> None:
    turning = Script((Reaction("turn", (Emit(EngineRotated(2, 40.0, "window")), Speak("Still here.", 300))),))
    async with call(turning) as one:
        await one.line.agent_said("Hi!")
        one.line.inbox.put_nowait(ReceivedText("Hello?"))
        await one.line.agent_said("Still here.")
        found = await one.hang_up()
    assert [(one.generation, one.gap_ms, one.reason) for one in found.engine_rotations] == [(2, 40.0, "window")]
    assert found.mode_changes == ()
