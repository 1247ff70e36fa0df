"""A line to a speech model by hand: gives the events a test writes, keeps what it was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from media_plane.conversation.commands import CallerAudio
from media_plane.ports.speech_line import LineEvent, LineLost, ModelBrief
from nexus.errors import NexusError


@dataclass(slots=True)
class WrittenLine:
    """``give`` hands out an event, ``end`` ends the stream; ``brief`` asks for the brief of a later generation."""

    fails: NexusError | None = None
    hangs_at_close: bool = False
    sent: list[CallerAudio] = field(default_factory=list)
    briefs: list[ModelBrief] = field(default_factory=list)
    busy_told: list[bool] = field(default_factory=list)
    refreshed: int = 0
    closed: int = 0
    _maker: list[Callable[[int], ModelBrief]] = field(default_factory=list)
    _events: asyncio.Queue[LineEvent | None] = field(default_factory=asyncio.Queue)

    async def open(self, brief: Callable[[int], ModelBrief]) -> None:
        self._maker.append(brief)
        if self.fails is not None:
            raise self.fails
        self.briefs.append(brief(1))

    def brief(self, generation: int) -> ModelBrief:
        return self._maker[-1](generation)

    def send(self, audio: CallerAudio) -> None:
        self.sent.append(audio)

    def busy(self, is_busy: bool) -> None:
        self.busy_told.append(is_busy)

    def refresh(self) -> None:
        self.refreshed += 1

    def give(self, *events: LineEvent) -> None:
        for event in events:
            self._events.put_nowait(event)

    def end(self) -> None:
        self._events.put_nowait(None)

    async def events(self) -> AsyncIterator[LineEvent]:
        while (event := await self._events.get()) is not None:
            yield event
            if isinstance(event, LineLost):
                return

    async def close(self) -> None:
        self.closed += 1
        if self.hangs_at_close:
            await asyncio.Event().wait()
