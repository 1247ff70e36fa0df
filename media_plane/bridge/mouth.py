"""The only writer to the caller's socket while the call lives: messages first, then the audio that is due, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from media_plane.bridge.tape import Tape
from media_plane.conversation import events as ev
from media_plane.conversation.commands import Tell
from media_plane.playout import OutgoingFrame, Playout
from media_plane.ports.caller import CallerTransport, SocketClosed
from nexus.clock import Clock

_MAX_WAITING_MESSAGES = 2_000
_STALL_MS = 200.0
_IDLE_MS = 1_000.0


class Mouth:
    """One call's way out.

    Args:
        feed: takes what playout reports, and ``CallerLeft`` when the socket is gone.
        tape: given what was sent.
    """

    def __init__(
        self, transport: CallerTransport, playout: Playout, clock: Clock, began_ms: float, feed: Callable[[ev.Event], None], tape: Tape
    ) -> None:
        self._transport = transport
        self._playout = playout
        self._clock = clock
        self._began_ms = began_ms
        self._feed = feed
        self._tape = tape
        self._waiting: deque[Tell] = deque()
        self._wake = asyncio.Event()
        self.duration_ms = 0.0
        self.bytes = 0

    def tell(self, message: Tell) -> None:
        """Queue a message. A caller who lets two thousand of them wait is treated as gone."""
        self._waiting.append(message)
        self._wake.set()
        if len(self._waiting) == _MAX_WAITING_MESSAGES:
            self._feed(ev.CallerLeft("lost"))

    def wake(self) -> None:
        """Playout has something new."""
        self._wake.set()

    async def run(self) -> None:
        """Send until the socket is gone, or cancelled."""
        stalled = False
        try:
            while True:
                self._wake.clear()
                stalled = await self.flush() or stalled
                stalled = await self._send_due(stalled=stalled)
                await self._wait(0.0 if stalled else self._due_in_ms())
        except SocketClosed as closed:
            self._feed(ev.CallerLeft("hangup" if closed.clean else "lost"))

    async def flush(self) -> bool:
        """Send the messages that wait; whether that stalled. Raises SocketClosed."""
        before_ms = self._now()
        while self._waiting:
            await self._transport.tell(self._waiting.popleft())
        return self._now() - before_ms > _STALL_MS

    async def _send_due(self, *, stalled: bool) -> bool:
        """Send what is due; whether a write stalled. After a stall, what should have sounded meanwhile is forgotten, not sent late."""
        self._playout.blocked(stalled)
        dues = self._playout.due(self._now())
        self._playout.blocked(False)
        stalled = False
        for due in dues:
            if isinstance(due, ev.PlayoutStarted | ev.Heard | ev.PlayoutFinished):
                self._feed(due)
                stalled = await self.flush() or stalled
            elif not stalled:
                stalled = await self._play(due)
        return stalled

    async def _play(self, due: OutgoingFrame) -> bool:
        """Send a frame; whether the caller's socket took it only after a wait."""
        before_ms = self._now()
        self.bytes += await self._transport.play(due.frame)
        self.duration_ms += due.frame.duration_ms
        self._tape.agent(due.frame, due.sounds_at_ms)
        return self._now() - before_ms > _STALL_MS

    def _due_in_ms(self) -> float:
        next_ms = self._playout.next_due_ms()
        return _IDLE_MS if next_ms is None else max(0.0, next_ms - self._now())

    async def _wait(self, wait_ms: float) -> None:
        try:
            async with asyncio.timeout(wait_ms / 1000.0 / self._clock.speed):
                await self._wake.wait()
        except TimeoutError:
            return

    def _now(self) -> float:
        return self._clock.monotonic_ms() - self._began_ms
