"""A connection of the websockets library as a ``Socket``."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConcurrencyError, ConnectionClosed

from media_plane.ports.caller import SocketClosed

SEND_BUFFER_BYTES = 16 * 1024
"""What the kernel is asked to hold for a caller who does not read (Linux doubles it); enough for 48 kHz PCM16 over 150 ms of distance."""
WRITE_LIMIT_BYTES = 4 * 1024
"""What may wait in the process above that."""
_REASON_BYTES = 123
"""**Source:** RFC 6455 section 5.5: a control frame has at most 125 bytes, two of them the code."""


def close_reason(text: str) -> str:
    """``text`` cut to what a close frame holds."""
    return text.encode()[:_REASON_BYTES].decode(errors="ignore")


class WebSocket:
    """An accepted connection of ``websockets.serve``. Give it ``max_size=MAX_MESSAGE_BYTES``: the library then closes with 1009."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        wire = connection.transport.get_extra_info("socket")
        if wire is not None:
            with contextlib.suppress(OSError):  # a limit that cannot be set leaves the kernel's own
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    async def receive(self) -> bytes | str:
        """The next message. Raises SocketClosed; clean when the peer began the closing handshake."""
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def send(self, message: bytes | str) -> None:
        """Write one message; waits while the buffers are full. Raises SocketClosed."""
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def close(self, code: int, reason: str) -> None:
        """Close; silent when closed already. What the peer sent before its own goodbye is read and thrown away: else the goodbye of a
        caller whose microphone is open would wait behind it until the library loses patience."""
        unread = asyncio.create_task(self._throw_away())
        try:
            await self._connection.close(code, close_reason(reason))
        finally:
            unread.cancel()
            await asyncio.wait([unread])

    async def _throw_away(self) -> None:
        with contextlib.suppress(ConnectionClosed, ConcurrencyError):  # closed; somebody else still reads
            while True:
                await self._connection.recv()


def _closed(error: ConnectionClosed) -> SocketClosed:
    return SocketClosed(clean=error.rcvd is not None and error.rcvd_then_sent is not False)
