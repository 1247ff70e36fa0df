"""A voice engine by hand: it does on each call what a test wrote down, and keeps what it was given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from media_plane.conversation.commands import EngineInput
from media_plane.conversation.events import EngineEvent
from media_plane.ports.engine import CallBrief, EngineTraits


@dataclass(slots=True)
class WrittenEngine:
    """``events_out`` is what it says (None ends the stream); ``at_start``, ``at_send`` and ``at_close`` may raise.

    ``hangs`` makes ``start`` wait until ``proceed``; ``busy`` makes ``send``, ``closes_slowly`` makes ``close`` wait until ``go``.
    """

    name: str = "written"
    voice: bool = True
    at_start: Callable[[], None] = lambda: None
    at_send: Callable[[EngineInput], None] = lambda _value: None
    at_event: Callable[[EngineEvent], None] = lambda _event: None
    at_close: Callable[[], None] = lambda: None
    hangs: bool = False
    busy: bool = False
    closes_slowly: bool = False
    proceed: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    events_out: asyncio.Queue[EngineEvent | None] = field(default_factory=asyncio.Queue)
    taken: asyncio.Queue[EngineInput] = field(default_factory=asyncio.Queue)
    briefs: list[CallBrief] = field(default_factory=list)
    closed: int = 0
    starting: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def traits(self) -> EngineTraits:
        return EngineTraits(self.name, self.voice, own_turns=False, output_rate_hz=16_000 if self.voice else 0)

    async def start(self, brief: CallBrief) -> None:
        self.briefs.append(brief)
        self.starting.set()
        if self.hangs:
            await self.proceed.wait()
        self.at_start()

    async def send(self, value: EngineInput) -> None:
        if self.busy:
            await self.go.wait()
        self.at_send(value)
        self.taken.put_nowait(value)

    async def events(self) -> AsyncIterator[EngineEvent]:
        while (event := await self.events_out.get()) is not None:
            self.at_event(event)
            yield event

    async def close(self) -> None:
        if self.closes_slowly:
            await self.go.wait()
        self.closed += 1
        self.let_go.set()
        self.at_close()
