"""The speaking side of the cascade: sentences to audio, one after another, never far ahead of what can be heard."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from media_plane.conversation.events import AgentAudio, AgentItemEnded, AgentText, EngineNotice, HangUpRequested
from media_plane.engines.outbox import Outbox
from media_plane.ports.speech import TextToSpeech
from nexus.clock import Clock
from nexus.domain.tenant import VoiceSettings
from nexus.errors import NexusError, UpstreamError

APOLOGY = "I'm sorry, something is wrong with my voice."


@dataclass(frozen=True, slots=True)
class SpeakingLimits:
    """``lookahead_ms``: audio made before it can be heard. ``faults``: sentences failed in a row that end the engine."""

    lookahead_ms: float = 8_000.0
    faults: int = 3
    lines: int = 64


@dataclass(frozen=True, slots=True)
class _Line:
    kind: Literal["words", "end", "hang_up"]
    item_id: str = ""
    text: str = ""


class Speaker:
    """Implements ``Mouth`` with a voice. Lines wait in a bounded queue: when it is full, the giver waits."""

    def __init__(self, voice: TextToSpeech, outbox: Outbox, clock: Clock, settings: VoiceSettings, limits: SpeakingLimits) -> None:
        self._voice = voice
        self._outbox = outbox
        self._clock = clock
        self._settings = settings
        self._limits = limits
        self._lines: asyncio.Queue[_Line] = asyncio.Queue(limits.lines)
        self._audible_until_ms = 0.0
        self._faults = 0
        self._current: tuple[str, asyncio.Task[None]] | None = None

    async def words(self, item_id: str, text: str) -> None:
        """Speak these words, after everything given before."""
        await self._lines.put(_Line("words", item_id, text))

    async def end(self, item_id: str) -> None:
        """The item is complete."""
        await self._lines.put(_Line("end", item_id))

    async def hang_up(self) -> None:
        """Ask for the end of the call once everything is spoken."""
        await self._lines.put(_Line("hang_up"))

    def silence(self, item_id: str) -> None:
        """Stop the item's synthesis now."""
        self._outbox.silence(item_id)
        self._audible_until_ms = self._clock.monotonic_ms()
        if self._current is not None and self._current[0] == item_id:
            self._current[1].cancel()

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Speak line by line until cancelled. Raises UpstreamError when the voice keeps failing."""
        while True:
            line = await self._lines.get()
            match line.kind:
                case "end":
                    await self._outbox.put(AgentItemEnded(line.item_id))
                case "hang_up":
                    await self._outbox.put(HangUpRequested())
                case "words" if not self._outbox.is_silenced(line.item_id):
                    task = group.create_task(self._speak(line))
                    self._current = (line.item_id, task)
                    await asyncio.wait([task])
                    self._current = None

    async def _speak(self, line: _Line) -> None:
        ahead_ms = self._audible_until_ms - self._clock.monotonic_ms()
        await self._clock.sleep_ms(ahead_ms - self._limits.lookahead_ms)
        await self._outbox.put(AgentText(line.item_id, line.text))
        try:
            await self._voice_out(line.item_id, line.text)
            self._faults = 0
        except NexusError as error:
            await self._fault(error, line)

    async def _voice_out(self, item_id: str, text: str) -> None:
        async for frame in self._voice.speak(text, voice_id=self._settings.voice_id, speed=self._settings.speed):
            now_ms = self._clock.monotonic_ms()
            self._audible_until_ms = max(self._audible_until_ms, now_ms) + frame.duration_ms
            await self._outbox.put(AgentAudio(item_id, frame))

    async def _fault(self, error: NexusError, line: _Line) -> None:
        self._faults += 1
        await self._outbox.put(EngineNotice(error.code, "tts", error.public_message))
        if self._faults >= self._limits.faults:
            raise UpstreamError("speech_failed", "The voice failed on several sentences in a row") from error
        if line.text != APOLOGY:
            await self._speak(_Line("words", line.item_id, APOLOGY))
