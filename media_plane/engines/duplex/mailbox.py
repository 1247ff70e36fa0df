"""The way out of a line: events in order, bounded, never waiting for whoever takes them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from media_plane.ports.speech_line import LineEvent, ModelAudio

_ROOM = 512
"""Forty seconds of the model's frames; beyond it the oldest audio is dropped: what nobody took for so long is of no use."""


class Mailbox:
    """A queue whose writer never waits."""

    def __init__(self) -> None:
        self._events: deque[LineEvent] = deque()
        self._arrived = asyncio.Event()
        self._ended = False

    def put(self, event: LineEvent) -> None:
        """Queue an event; after ``end`` it is dropped."""
        if self._ended:
            return
        if len(self._events) >= _ROOM:
            oldest = next((index for index, one in enumerate(self._events) if isinstance(one, ModelAudio)), 0)
            del self._events[oldest]
        self._events.append(event)
        self._arrived.set()

    def end(self, last: LineEvent | None = None) -> None:
        """Nothing comes after this; again is silent."""
        if last is not None:
            self.put(last)
        self._ended = True
        self._arrived.set()

    async def events(self) -> AsyncIterator[LineEvent]:
        """The events until the end."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self._ended:
                return
            self._arrived.clear()
            await self._arrived.wait()
