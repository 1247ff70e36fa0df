"""Somebody who talks into a speech line in the time of a clock, and keeps everything that comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from media_plane.audio import AudioFrame, silence
from media_plane.conversation.commands import CallerAudio
from media_plane.ports.speech_line import LineEvent, LineLost, LineNotice, ModelAudio, ModelBrief, ModelText, SpeechLine
from nexus.clock import Clock
from nexus.domain.tenant import TenantConfig
from tests.fakes.webm_bytes import tone

BRIEF = ModelBrief("call_1", 1, TenantConfig(tenant_id="fine_cuts", system_prompt="You work for Fine Cuts."))
LOUD = CallerAudio(AudioFrame(tone(20, 16_000), 16_000))
QUIET = CallerAudio(silence(20, 16_000))
_PATIENCE_S = 20.0
_BREATH_MS = 200.0
"""So far behind, it hurries to keep time; further behind, the time is lost."""


@dataclass
class Talk:
    """``given_ms``: how much was said so far."""

    line: SpeechLine
    clock: Clock
    events: list[LineEvent] = field(default_factory=list)
    given_ms: float = 0.0
    ended: bool = False
    _due_ms: float = 0.0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def heard_ms(self) -> float:
        return sum(event.frame.duration_ms for event in self.events if isinstance(event, ModelAudio))

    @property
    def words(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, ModelText))

    @property
    def notices(self) -> list[str]:
        return [event.code for event in self.events if isinstance(event, LineNotice)]

    @property
    def lost(self) -> LineLost | None:
        return next((event for event in self.events if isinstance(event, LineLost)), None)

    async def speak(self, duration_ms: float, audio: CallerAudio = LOUD) -> None:
        """Say it in real time of the clock, where the last ``speak`` ended; late after a pause, a pause was made."""
        now_ms, said_ms = self.clock.monotonic_ms(), 0.0
        self._due_ms = max(self._due_ms, now_ms - _BREATH_MS)
        while said_ms < duration_ms and self.lost is None:
            self.line.send(audio)
            said_ms += audio.frame.duration_ms
            self._due_ms += audio.frame.duration_ms
            await self.clock.sleep_ms(self._due_ms - self.clock.monotonic_ms())
        self.given_ms += said_ms

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for events until something holds; fails when it never does."""
        async with asyncio.timeout(_PATIENCE_S):
            while not holds():
                assert not self.ended, f"the line ended first: {self.lost}"
                self._news.clear()
                await self._news.wait()

    async def end(self) -> LineLost | None:
        """Wait for the end of the line."""
        async with asyncio.timeout(_PATIENCE_S):
            while not self.ended:
                self._news.clear()
                await self._news.wait()
        return self.lost

    async def listen(self) -> None:
        async for event in self.line.events():
            self.events.append(event)
            self._news.set()
        self.ended = True
        self._news.set()


@asynccontextmanager
async def talk(line: SpeechLine, clock: Clock, brief: ModelBrief = BRIEF) -> AsyncIterator[Talk]:
    """An open line with somebody at it; closed at the end."""
    talking = Talk(line, clock)
    try:
        await line.open(brief)
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(talking.listen())
            yield talking
            await line.close()
            await listening
    finally:
        await line.close()
