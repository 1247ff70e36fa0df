"""A duplex engine with everything round it by hand: the model's line, the agent, the voice, the ear, and a bridge that keeps all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from media_plane.audio import AudioFrame, silence
from media_plane.conversation.commands import CallerTurn, EngineInput, Interrupted
from media_plane.conversation.events import AgentAudio, AgentItemEnded, AgentText, CallerSpeech, EngineEvent, EngineFlush
from media_plane.dialogue.steps import AgentStep, SentenceReady, ToolWanted
from media_plane.engines.duplex.engine import DuplexEngine, DuplexParts
from media_plane.ports.chat import ToolCall
from media_plane.ports.engine import CallBrief
from media_plane.ports.speech import Transcription
from media_plane.ports.speech_line import ModelAudio, ModelText
from media_plane.ports.tools import ToolSpec
from nexus.domain.tenant import TenantConfig
from tests.fakes.model_lines import WrittenLine
from tests.fakes.stepped_clock import SteppedClock
from tests.unit.media_plane.engines.duplex.talking import FRAME_MS, SILENCE, SPEECH

CONFIG = TenantConfig(tenant_id="shop", system_prompt="Help.")
BOOK = ToolSpec("book_appointment", "Books an appointment.", {"type": "object", "properties": {}}, "write")
BRIEF = CallBrief("call_1", CONFIG, (BOOK,), "e1")
WANTED = ToolWanted(ToolCall("t1", "book_appointment", {"time": "15:00"}))
WORD_MS = 200


class Voice:
    """Each word takes 200 ms."""

    async def warm_up(self) -> None: ...

    async def speak(self, text: str, *, voice_id: str, speed: float) -> AsyncIterator[AudioFrame]:
        for _ in text.split():
            await asyncio.sleep(0)
            yield silence(WORD_MS, 22_050)


@dataclass
class Ear:
    """Hears ``lines``, one an utterance."""

    lines: list[str] = field(default_factory=list)

    async def warm_up(self) -> None: ...

    async def transcribe(self, speech: AudioFrame, *, language: str, hint: str = "") -> Transcription:
        return Transcription(self.lines.pop(0) if self.lines else "", 0.9)


@dataclass
class Agent:
    """Gives the written steps of each answer, none when nothing is written; ``None`` waits for ``go``; a tool waits for its outcome."""

    answers: list[Sequence[AgentStep | None]] = field(default_factory=list)
    memory: list[str] = field(default_factory=list)
    outcome: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, caller_text: str) -> AsyncIterator[AgentStep]:
        self.memory.append(f"caller: {caller_text}")
        for step in self.answers.pop(0) if self.answers else ():
            if step is None:
                await self.go.wait()
                continue
            yield step
            if isinstance(step, ToolWanted):
                await self.outcome.wait()
                self.outcome.clear()

    def tool_result(self, call_id: str, output: str, failed: bool) -> None:
        self.memory.append(f"tool: {output}")
        self.outcome.set()

    def tool_ended(self, call: ToolCall, output: str, failed: bool) -> None:
        self.memory.append(f"outcome: {call.name}: {output}")

    def said(self, text: str) -> None:
        self.memory.append(f"said: {text}")

    def interrupted(self, heard_text: str) -> None:
        self.memory.append(f"heard: {heard_text}")

    def informed(self, note: str) -> None:
        self.memory.append(f"note: {note}")


@dataclass
class Talk:
    """``got``: what the engine gave, with its time. A flush is answered as the bridge does: with what was heard of the open item."""

    engine: DuplexEngine
    line: WrittenLine
    agent: Agent
    clock: SteppedClock
    got: list[tuple[float, EngineEvent]] = field(default_factory=list)

    async def listen(self) -> None:
        async for event in self.engine.events():
            self.got.append((self.clock.monotonic_ms(), event))
            if isinstance(event, EngineFlush):
                await self._stopped()

    async def _stopped(self) -> None:
        heard = [event for event in self.events if isinstance(event, AgentAudio)]
        ended = {event.item_id for event in self.events if isinstance(event, AgentItemEnded)}
        if heard and heard[-1].item_id not in ended:
            await self.engine.send(Interrupted(heard[-1].item_id, self.text(heard[-1].item_id)))

    # --- what happens ---

    async def send(self, value: EngineInput) -> None:
        await self.engine.send(value)
        await self.clock.settle()

    async def model(self, duration_ms: int, *words: str) -> None:
        """The model speaks; each word at the beginning of an equal share of it."""
        frames = duration_ms // FRAME_MS
        for index in range(frames):
            for at, word in enumerate(words):
                if at * frames // len(words) == index:
                    self.line.give(ModelText(f" {word}"))
            self.line.give(ModelAudio(SPEECH))
            await self.clock.advance(FRAME_MS)

    async def quiet(self, duration_ms: int) -> None:
        """The model is silent."""
        for _ in range(duration_ms // FRAME_MS):
            self.line.give(ModelAudio(SILENCE))
            await self.clock.advance(FRAME_MS)

    async def turn(self, text: str, *, typed: bool = False) -> None:
        """The caller has said this, and the bridge found it to be a turn."""
        await self.send(CallerTurn(text, typed))

    async def caller_speaks(self) -> None:
        """The ear finds an utterance; its words are the ear's next line."""
        await self.send(CallerSpeech("started", 0))
        await self.quiet(400)
        await self.send(CallerSpeech("paused", 0, 400))
        await self.send(CallerSpeech("ended", 0, 400))

    # --- what was given ---

    @property
    def events(self) -> list[EngineEvent]:
        return [event for _, event in self.got]

    def text(self, item_id: str) -> str:
        return " ".join(event.text for event in self.events if isinstance(event, AgentText) and event.item_id == item_id)

    def items(self) -> list[str]:
        return [*dict.fromkeys(event.item_id for event in self.events if isinstance(event, AgentText | AgentAudio))]

    def texts(self) -> list[str]:
        return [self.text(item_id) for item_id in self.items()]

    def kinds(self) -> list[str]:
        """What was given but audio, in order, neighbours of one kind once."""
        names = [type(event).__name__ for event in self.events if not isinstance(event, AgentAudio)]
        return [name for name, before in zip(names, ["", *names], strict=False) if name != before]

    def of(self, kind: type[EngineEvent]) -> list[EngineEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    def at(self, kind: type[EngineEvent], item_id: str = "") -> float:
        """When the first such event was given."""
        return next(at for at, event in self.got if isinstance(event, kind) and (not item_id or getattr(event, "item_id", "") == item_id))


@asynccontextmanager
async def talk(
    *answers: Sequence[AgentStep | None], beside: bool = True, ear: Ear | None = None, brief: CallBrief = BRIEF, alone: bool = False
) -> AsyncIterator[Talk]:
    """A call whose model has been quiet for a second."""
    line, agent, clock = WrittenLine(), Agent([*answers]), SteppedClock()
    parts = DuplexParts(ear, Voice(), None if alone else lambda _: agent, beside)
    engine = DuplexEngine("duplex", line, parts, clock)
    await engine.start(brief)
    call = Talk(engine, line, agent, clock)
    listening = asyncio.create_task(call.listen())
    try:
        await call.quiet(960)
        yield call
    finally:
        await engine.close()
        await listening
    assert asyncio.all_tasks() == {asyncio.current_task()}


def words(text: str) -> SentenceReady:
    """What the agent says."""
    return SentenceReady(text)
