"""What a line gives, on its way to whoever reads it: in order, bounded, ended once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from media_plane.ports.speech_line import LineEvent, LineLost, ModelAudio, ModelText

ROOM = 250
"""Twenty seconds of audio."""


class Delivery:
    """Events until ``lose`` or ``close``. ``put`` never waits: when ``ROOM`` events wait, the oldest *audio* of them is dropped and
    counted; words, notices and the end are never dropped (words that wait next to each other become one)."""

    def __init__(self) -> None:
        self._waiting: deque[LineEvent] = deque()
        self._arrived = asyncio.Event()
        self._ended = False
        self.dropped_ms = 0.0
        """Audio that nobody took in time."""

    def put(self, event: LineEvent) -> None:
        """Add an event; after the end it is dropped."""
        if self._ended:
            return
        if len(self._waiting) >= ROOM:
            self._make_room()
        self._waiting.append(event)
        self._arrived.set()

    def lose(self, loss: LineLost) -> None:
        """Give this after everything that waits, then end; only the first loss counts."""
        self.put(loss)
        self._ended = True

    def close(self) -> None:
        """End now: what waits is dropped."""
        self._waiting.clear()
        self._ended = True
        self._arrived.set()

    async def events(self) -> AsyncIterator[LineEvent]:
        """The events until the end."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._ended:
                return
            self._arrived.clear()
            await self._arrived.wait()

    def _make_room(self) -> None:
        for index, event in enumerate(self._waiting):
            if isinstance(event, ModelAudio):
                self.dropped_ms += event.frame.duration_ms
                del self._waiting[index]
                break
        joined: deque[LineEvent] = deque()
        for event in self._waiting:
            before = joined[-1] if joined else None
            if isinstance(event, ModelText) and isinstance(before, ModelText):
                joined[-1] = ModelText(before.text + event.text)
            else:
                joined.append(event)
        self._waiting = joined
