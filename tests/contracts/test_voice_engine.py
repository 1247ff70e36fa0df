"""One suite over every VoiceEngine: cascade, duplex, text and scripted keep the same promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from media_plane.audio import AudioFrame, silence
from media_plane.conversation.commands import CallerAudio, CallerTurn, Interrupted, Say, ToolAnswer
from media_plane.conversation.events import (
    AgentAudio,
    AgentItemEnded,
    AgentText,
    CallerSpeech,
    CallerTranscript,
    EngineEvent,
    EngineFailed,
    EngineNotice,
    HangUpRequested,
    ToolRequested,
)
from media_plane.dialogue.steps import AgentStep, HangUp, SentenceReady, ToolWanted
from media_plane.engines.cascade import CascadeEngine
from media_plane.engines.duplex.engine import DuplexEngine, DuplexParts
from media_plane.engines.scripted import Emit, Reaction, Script, ScriptedEngine, Speak
from media_plane.engines.text import TextEngine
from media_plane.ports.chat import ToolCall
from media_plane.ports.engine import CallBrief, VoiceEngine
from media_plane.ports.speech import Transcription
from nexus.clock import Clock
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError, UpstreamError
from tests.fakes.model_lines import WrittenLine

BRIEF = CallBrief("call_1", TenantConfig(tenant_id="shop", system_prompt="Help."), (), "e1_")


@dataclass
class FakeEar:
    fails: bool = False
    missing: bool = False
    lengths: list[int] = field(default_factory=list)

    async def warm_up(self) -> None:
        if self.missing:
            raise ConfigurationError("missing_package", "install it")

    async def transcribe(self, speech: AudioFrame, *, language: str, hint: str = "") -> Transcription:
        self.lengths.append(len(speech.pcm))
        if self.fails:
            raise UpstreamError("speech_failed", "deaf")
        return Transcription("hello", 0.9)


@dataclass
class FakeVoice:
    fails: bool = False

    async def warm_up(self) -> None:
        return

    async def speak(self, text: str, *, voice_id: str, speed: float) -> AsyncIterator[AudioFrame]:
        if self.fails:
            raise UpstreamError("speech_failed", "hoarse")
        for _ in range(5):
            await asyncio.sleep(0)
            yield silence(100, 22_050)


@dataclass
class FakeAgent:
    """Answers with the caller's words; "tool" runs one, "bye" hangs up, "break" is a defect."""

    told: list[str] = field(default_factory=list)
    outcome: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, caller_text: str) -> AsyncIterator[AgentStep]:
        if "break" in caller_text:
            raise RuntimeError("defect")
        yield SentenceReady(f"You said {caller_text}.")
        if "tool" in caller_text:
            yield ToolWanted(ToolCall("t1", "look", {"a": 1}))
            await self.outcome.wait()
        yield SentenceReady("That is all.")
        if "bye" in caller_text:
            yield HangUp()

    def tool_result(self, call_id: str, output: str, failed: bool) -> None:
        self.told.append(output)
        self.outcome.set()

    def tool_ended(self, call: ToolCall, output: str, failed: bool) -> None:
        self.told.append(f"outcome: {call.name}: {output}")

    def said(self, text: str) -> None:
        self.told.append(f"said {text}")

    def interrupted(self, heard_text: str) -> None:
        self.told.append(f"heard {heard_text}")

    def informed(self, note: str) -> None:
        self.told.append(f"note {note}")


SCRIPT = Script(
    reactions=(
        Reaction("turn", (Speak("You said tool.", 40), Emit(ToolRequested("t1", "look", {"a": 1}))), "tool"),
        Reaction("tool", (Speak("That is all.", 40),)),
        Reaction("turn", (Speak("bye", 40), Emit(HangUpRequested())), "bye"),
        Reaction("turn", (Emit(EngineFailed("engine_lost", "gone")),), "break"),
    ),
    echo=True,
)
ENGINES: dict[str, Callable[[], VoiceEngine]] = {
    "cascade": lambda: CascadeEngine(FakeEar(), FakeVoice(), lambda _: FakeAgent(), Clock()),
    "duplex": lambda: DuplexEngine("duplex", WrittenLine(), DuplexParts(FakeEar(), FakeVoice(), lambda _: FakeAgent()), Clock()),
    "text": lambda: TextEngine(lambda _: FakeAgent()),
    "scripted": lambda: ScriptedEngine(SCRIPT, Clock()),
}


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> VoiceEngine:
    return ENGINES[request.param]()


async def until(events: AsyncIterator[EngineEvent], kind: type[EngineEvent]) -> list[EngineEvent]:
    seen: list[EngineEvent] = []
    async with asyncio.timeout(5):
        async for event in events:
            seen.append(event)
            if isinstance(event, kind):
                return seen
    raise AssertionError(f"ended without {kind.__name__}: {seen}")


def words(events: list[EngineEvent]) -> str:
    return " ".join(event.text for event in events if isinstance(event, AgentText))


async def test_say_is_verbatim_text_before_audio_in_one_item(engine: VoiceEngine) -> None:
    await engine.start(BRIEF)
    await engine.send(Say("Hello, 10:30 it is!"))
    seen = await until(engine.events(), AgentItemEnded)
    await engine.close()
    assert words(seen) == "Hello, 10:30 it is!"
    assert isinstance(seen[0], AgentText)
    assert any(isinstance(event, AgentAudio) for event in seen) is engine.traits.voice
    assert {event.item_id for event in seen if hasattr(event, "item_id")} == {seen[0].item_id}
    assert seen[0].item_id.startswith("e1_")


async def test_a_typed_turn_is_answered(engine: VoiceEngine) -> None:
    await engine.start(BRIEF)
    await engine.send(CallerTurn("hello", typed=True))
    seen = await until(engine.events(), AgentItemEnded)
    await engine.close()
    assert "hello" in words(seen)


async def test_tool_round_trip(engine: VoiceEngine) -> None:
    await engine.start(BRIEF)
    events = engine.events()
    await engine.send(CallerTurn("tool"))
    seen = await until(events, ToolRequested)
    assert seen[-1] == ToolRequested("t1", "look", {"a": 1})
    await engine.send(ToolAnswer("t1", "done"))
    rest: list[EngineEvent] = []
    while "That is all." not in words(rest):
        rest += await until(events, AgentItemEnded)
    await engine.close()


async def test_interruption_silences_the_item(engine: VoiceEngine) -> None:
    await engine.start(BRIEF)
    events = engine.events()
    await engine.send(CallerTurn("a long story"))
    first = (await until(events, AgentText))[-1]
    assert isinstance(first, AgentText)
    await engine.send(Interrupted(first.item_id, "You"))
    await engine.send(Say("Yes?"))
    after = await until(events, AgentText)
    await engine.close()
    assert words(after) == "Yes?"
    assert not [event for event in after if isinstance(event, AgentAudio) and event.item_id == first.item_id]


async def test_hang_up_comes_after_the_last_words(engine: VoiceEngine) -> None:
    await engine.start(BRIEF)
    await engine.send(CallerTurn("bye"))
    seen = await until(engine.events(), HangUpRequested)
    await engine.close()
    assert "bye" in words(seen)


async def test_a_fault_is_engine_failed_and_ends_the_events(engine: VoiceEngine) -> None:
    await engine.start(BRIEF)
    await engine.send(CallerTurn("break"))
    async with asyncio.timeout(5):
        seen = [event async for event in engine.events()]
    assert isinstance(seen[-1], EngineFailed)
    assert seen[-1].code == "engine_lost"
    await engine.close()


async def test_start_and_close_twice_and_200_calls_leave_no_task(engine: VoiceEngine) -> None:
    await engine.start(BRIEF)
    await engine.start(BRIEF)
    await engine.close()
    await engine.close()
    assert [event async for event in engine.events()] == []
    name = engine.traits.name
    for _ in range(200):
        another = ENGINES[name]()
        await another.start(BRIEF)
        await another.send(CallerTurn("tool"))
        await asyncio.sleep(0)
        await another.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_refused_start_closes_clean() -> None:
    for engine in (
        ScriptedEngine(Script(fail_start=True), Clock()),
        CascadeEngine(FakeEar(missing=True), FakeVoice(), lambda _: FakeAgent(), Clock()),
        DuplexEngine("duplex", WrittenLine(), DuplexParts(FakeEar(missing=True), FakeVoice()), Clock()),
        DuplexEngine(
            "duplex", WrittenLine(fails=UpstreamError("engine_unreachable", "no server")), DuplexParts(FakeEar(), FakeVoice()), Clock()
        ),
    ):
        with pytest.raises(UpstreamError) as caught:
            await engine.start(BRIEF)
        assert caught.value.code == "engine_unreachable"
        await engine.close()
        assert [event async for event in engine.events()] == []


async def heard(ear: FakeEar, *facts: str) -> list[EngineEvent]:
    engine = CascadeEngine(ear, FakeVoice(), lambda _: FakeAgent(), Clock())
    await engine.start(BRIEF)
    for fact in facts:
        for _ in range(20):
            await engine.send(CallerAudio(silence(20, 16_000)))
        await engine.send(CallerSpeech(fact, 100, 900))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    seen = await until(engine.events(), CallerTranscript)
    await engine.close()
    return seen


async def test_an_utterance_is_transcribed_in_advance_and_once() -> None:
    ear = FakeEar()
    seen = await heard(ear, "started", "paused", "ended")
    assert seen == [CallerTranscript("hello", True, 100, 900, 0.9)]
    assert ear.lengths == [(300 + 400) * 32]


async def test_a_resumed_utterance_is_transcribed_again_in_full() -> None:
    ear = FakeEar()
    assert len(await heard(ear, "started", "paused", "resumed", "ended")) == 1
    assert ear.lengths[-1] == (300 + 3 * 400) * 32


async def test_a_deaf_ear_gives_a_notice_and_an_empty_transcript() -> None:
    seen = await heard(FakeEar(fails=True), "started", "ended")
    assert seen == [EngineNotice("speech_failed", "stt", "deaf"), CallerTranscript("", True, 100, 900, None)]


async def test_a_voice_that_keeps_failing_ends_the_engine() -> None:
    engine = CascadeEngine(FakeEar(), FakeVoice(fails=True), lambda _: FakeAgent(), Clock())
    await engine.start(BRIEF)
    await engine.send(CallerTurn("hi"))
    async with asyncio.timeout(5):
        seen = [event async for event in engine.events()]
    assert [event.stage for event in seen if isinstance(event, EngineNotice)] == ["tts"] * 3
    assert isinstance(seen[-1], EngineFailed)
    await engine.close()


async def test_the_agent_learns_what_was_heard_across_items() -> None:
    agent = FakeAgent()
    engine = CascadeEngine(FakeEar(), FakeVoice(), lambda _: agent, Clock())
    await engine.start(BRIEF)
    events = engine.events()
    await engine.send(CallerTurn("hi"))
    await until(events, AgentItemEnded)
    await engine.send(Say("More."))
    await until(events, AgentItemEnded)
    await engine.send(Interrupted("e1_1", "You said"))
    await engine.send(Interrupted("e1_2", ""))
    await engine.close()
    assert agent.told == ["said More.", "heard You said More.", "heard You said"]


async def test_a_newer_turn_replaces_the_answer_in_progress() -> None:
    engine = CascadeEngine(FakeEar(), FakeVoice(), lambda _: FakeAgent(), Clock())
    await engine.start(BRIEF)
    events = engine.events()
    await engine.send(CallerTurn("tool"))
    await until(events, ToolRequested)
    await engine.send(CallerTurn("never mind"))
    seen: list[EngineEvent] = []
    while "never mind" not in words(seen):
        seen += await until(events, AgentItemEnded)
    assert "That is all." in words(seen)
    await engine.close()
