"""The way out of an engine: a bounded queue of events that ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from media_plane.conversation.events import AgentAudio, AgentText, EngineEvent

_ROOM = 256


class Outbox:
    """Events in order. When 256 wait, ``put`` waits too: a slow bridge slows the engine, nothing is lost."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[EngineEvent | None] = asyncio.Queue(_ROOM)
        self._silenced: set[str] = set()
        self._ended = False

    async def put(self, event: EngineEvent) -> None:
        """Queue an event; after ``close`` it is dropped."""
        if not self._ended:
            await self._queue.put(event)

    def silence(self, item_id: str) -> None:
        """Words and audio of this item are never given again, also those that wait already."""
        self._silenced.add(item_id)

    def is_silenced(self, item_id: str) -> bool:
        """Whether ``silence`` was called for the item."""
        return item_id in self._silenced

    async def finish(self, last: EngineEvent) -> None:
        """Give this after everything that waits, then end."""
        await self.put(last)
        self._ended = True
        await self._queue.put(None)

    def close(self) -> None:
        """End now: what waits is dropped."""
        self._ended = True
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def events(self) -> AsyncIterator[EngineEvent]:
        """The events until the end."""
        while (event := await self._queue.get()) is not None:
            if isinstance(event, AgentText | AgentAudio) and event.item_id in self._silenced:
                continue
            yield event
        self._queue.put_nowait(None)
