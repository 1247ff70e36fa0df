"""The way out of a speech line's socket: bounded, so that whoever gives audio never waits."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

SEND_BUFFER_BYTES = 16 * 1024
"""What the kernel is asked to hold (Linux doubles it): the rest waits here, where it is counted, not where it only makes the model late."""
WRITE_LIMIT_BYTES = 4 * 1024
"""For ``connect(write_limit=…)``: what may wait in the library above that."""


class SocketWriter:
    """Writes binary messages in order. When more than ``room_bytes`` wait, the oldest go: what the caller says now is worth most.

    Order: ``begin`` once, then ``put``, ``stop`` once. A closed connection ends the writing in silence: whoever reads it tells.
    """

    def __init__(self, connection: ClientConnection, room_bytes: int) -> None:
        self._connection = connection
        self._room_bytes = room_bytes
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._something = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start writing. The task lives until ``stop``."""
        wire = self._connection.transport.get_extra_info("socket")
        if wire is not None:
            with contextlib.suppress(OSError):  # a limit that cannot be set leaves the kernel's own
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._task = asyncio.get_running_loop().create_task(self._write(), name="socket writer")

    def put(self, message: bytes) -> int:
        """Queue a message; gives how many bytes of older ones were dropped for it. The newest message is always kept."""
        self._waiting.append(message)
        self._waiting_bytes += len(message)
        before = self._waiting_bytes
        while self._waiting_bytes > self._room_bytes and len(self._waiting) > 1:
            self._take()
        self._something.set()
        return before - self._waiting_bytes

    async def stop(self) -> None:
        """Stop at once; what waits is dropped. Again is silent.

        Raises:
            Exception: writing had ended by something else than a closed connection (a defect).
        """
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._something.wait()
                while self._waiting:
                    await self._connection.send(self._take())
                self._something.clear()

    def _take(self) -> bytes:
        message = self._waiting.popleft()
        self._waiting_bytes -= len(message)
        return message
