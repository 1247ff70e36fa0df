"""The scripted engine: says and does what a list of reactions tells it, for tests and benchmarks, at no cost of CPU."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from media_plane.audio import AudioFrame
from media_plane.conversation.commands import CallerAudio, CallerTurn, EngineInput, Interrupted, Say, ToolAnswer
from media_plane.conversation.events import (
    AgentAudio,
    AgentItemEnded,
    AgentText,
    CallerSpeech,
    CallerTranscript,
    EngineEvent,
    EngineFailed,
)
from media_plane.engines.outbox import Outbox
from media_plane.engines.supervision import Supervision
from media_plane.ports.engine import CallBrief, EngineTraits
from nexus.clock import Clock
from nexus.errors import UpstreamError

On = Literal["start", "turn", "speech", "tool"]
_MOST_INPUTS = 1024
_FRAME_MS = 20


@dataclass(frozen=True, slots=True)
class Speak:
    """Say ``text`` with a tone of ``audio_ms`` (None: 60 ms a letter)."""

    text: str
    audio_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for this long, by the clock."""

    duration_ms: float


@dataclass(frozen=True, slots=True)
class Emit:
    """Give this event as it is (a tool request, a transcript, a notice, a failure)."""

    event: EngineEvent


Act = Speak | Wait | Emit


@dataclass(frozen=True, slots=True)
class Reaction:
    """What follows an input. Each reaction serves once, the first one that fits; ``contains`` must stand in a turn's text."""

    on: On
    acts: tuple[Act, ...]
    contains: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """How the engine behaves.

    ``own_turns`` imitates a full-duplex model: it answers ``speech`` first, the transcript comes after that. ``echo`` answers turns without
    a reaction with their own words; ``transcripts`` are given one per utterance heard; ``mute`` swallows all output; ``fail_start`` refuses
    ``start``, which lasts ``start_ms``.
    """

    reactions: tuple[Reaction, ...] = ()
    transcripts: tuple[str, ...] = ()
    own_turns: bool = False
    voice: bool = True
    echo: bool = False
    mute: bool = False
    fail_start: bool = False
    start_ms: float = 0.0
    rate_hz: int = 24_000


class ScriptedEngine:
    """Implements ``VoiceEngine`` from a script; one for each call."""

    def __init__(self, script: Script, clock: Clock) -> None:
        self._script = script
        self._clock = clock
        self._reactions = list(script.reactions)
        self._transcripts = list(script.transcripts)
        self._outbox = Outbox()
        self._life = Supervision(self._outbox)
        self._inputs: asyncio.Queue[EngineInput | None] = asyncio.Queue(_MOST_INPUTS)
        self._prefix = ""
        self._items = 0
        self._started = False

    @property
    def traits(self) -> EngineTraits:
        """See ``VoiceEngine.traits``."""
        rate_hz = self._script.rate_hz if self._script.voice else 0
        return EngineTraits("scripted", voice=self._script.voice, own_turns=self._script.own_turns, output_rate_hz=rate_hz)

    async def start(self, brief: CallBrief) -> None:
        """Begin with the reactions to ``start``. Raises UpstreamError ``engine_unreachable`` when the script says so."""
        await self._clock.sleep_ms(self._script.start_ms)
        if self._script.fail_start:
            raise UpstreamError("engine_unreachable", "The script refuses this start")
        if not self._started:
            self._started, self._prefix = True, brief.item_prefix
            self._life.begin(self._run)
            self._inputs.put_nowait(None)

    async def send(self, value: EngineInput) -> None:
        """See ``VoiceEngine.send``. Caller audio is ignored, so a benchmark measures the bridge alone."""
        if isinstance(value, CallerAudio) or not self._started:
            return
        if isinstance(value, Interrupted):
            self._outbox.silence(value.item_id)
        elif not self._inputs.full():
            self._inputs.put_nowait(value)

    def events(self) -> AsyncIterator[EngineEvent]:
        """See ``VoiceEngine.events``."""
        return self._outbox.events()

    async def close(self) -> None:
        """See ``VoiceEngine.close``."""
        self._started = False
        await self._life.stop()

    async def _run(self, _: asyncio.TaskGroup) -> None:
        while True:
            await self._react(await self._inputs.get())

    async def _react(self, value: EngineInput | None) -> None:
        match value:
            case None:
                await self._play(self._reaction("start", ""))
            case CallerTurn(typed=False) if self._script.own_turns:
                return  # the model has heard it, and decides itself
            case CallerTurn(text):
                echo = (Speak(text),) if self._script.echo else ()
                await self._play(self._reaction("turn", text) or echo)
            case Say(text):
                await self._play((Speak(text),))
            case ToolAnswer(output=output):
                await self._play(self._reaction("tool", output))
            case CallerSpeech(kind="ended"):
                await self._heard(value)
            case _:
                return

    async def _heard(self, fact: CallerSpeech) -> None:
        text = self._transcripts.pop(0) if self._transcripts else ""
        heard = CallerTranscript(text, True, fact.voice_start_ms, fact.voice_end_ms, 1.0 if text else None)
        if not self._script.own_turns:
            await self._give(heard)
        await self._play(self._reaction("speech", ""), live=self._script.own_turns)
        if self._script.own_turns and text:
            await self._give(heard)

    def _reaction(self, on: On, text: str) -> tuple[Act, ...]:
        for at, reaction in enumerate(self._reactions):
            if reaction.on == on and reaction.contains.lower() in text.lower():
                return self._reactions.pop(at).acts
        return ()

    async def _play(self, acts: tuple[Act, ...], *, live: bool = False) -> None:
        """All that is spoken in one reaction is one item."""
        item_id = ""
        for act in acts:
            match act:
                case Speak():
                    if not item_id:
                        self._items += 1
                        item_id = f"{self._prefix}{self._items}"
                    await self._speak(item_id, act, live=live)
                case Wait(duration_ms):
                    await self._clock.sleep_ms(duration_ms)
                case Emit(event):
                    await self._give(event)
        if item_id:
            await self._give(AgentItemEnded(item_id))

    async def _speak(self, item_id: str, act: Speak, *, live: bool) -> None:
        await self._give(AgentText(item_id, act.text, live=live))
        if not self._script.voice:
            return
        duration_ms = 60.0 * len(act.text) if act.audio_ms is None else act.audio_ms
        frame = tone(_FRAME_MS, self._script.rate_hz)
        for _ in range(math.ceil(duration_ms / _FRAME_MS)):
            if self._outbox.is_silenced(item_id):
                return
            await self._give(AgentAudio(item_id, frame))

    async def _give(self, event: EngineEvent) -> None:
        if isinstance(event, EngineFailed):
            raise UpstreamError(event.code, event.message)
        if not self._script.mute:
            await self._outbox.put(event)


def tone(duration_ms: float, rate_hz: int, *, pitch_hz: float = 200.0) -> AudioFrame:
    """A sine of -20 dBFS RMS."""
    count = int(duration_ms * rate_hz / 1000)
    samples = array("h", (int(4634 * math.sin(2 * math.pi * pitch_hz * i / rate_hz)) for i in range(count)))
    return AudioFrame(samples.tobytes(), rate_hz)
