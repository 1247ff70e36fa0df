"""The WebSocket to one PersonaPlex server: opened, let go of, and its faults in our words."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from media_plane.engines.direct import Direct
from media_plane.engines.personaplex.wire import is_handshake
from nexus.errors import UpstreamError

MESSAGE_LIMIT_BYTES = 128 * 1024
"""Two of Ogg's longest pages. The server sends a page of 80 ms at a time; a longer message would hold up every call of this process."""
_WAITING_MESSAGES = 64
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""**Source:** socket(7), SO_LINGER: on, for zero seconds."""


async def connected(url: str) -> ClientConnection:
    """Connect; the server accepts at once, also when it is taken. No pings are sent: a server that is taken or sets a session up does
    not answer them, and one in a session gives audio all the time.

    Raises:
        UpstreamError: ``engine_unreachable``.
    """
    try:
        return await Direct(
            url,
            compression=None,
            proxy=None,
            open_timeout=None,
            ping_interval=None,
            close_timeout=None,
            max_size=MESSAGE_LIMIT_BYTES,
            max_queue=_WAITING_MESSAGES,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        raise _unreachable(url, f"refused the session with HTTP {status}; the path must be /api/chat") from error
    except InvalidHandshake as error:
        raise _unreachable(url, "does not speak WebSocket; a server started with --ssl is reached by wss://") from error
    except OSError as error:
        raise _unreachable(url, "cannot be reached; start it, or mend PERSONAPLEX_WS_URL") from error


async def listens(connection: ClientConnection, url: str) -> None:
    """Wait for the handshake: the model has read its prompt and listens. Nothing may be sent before it: the server throws it away.

    Raises:
        UpstreamError: ``engine_unreachable``: the server went away, or said something else first.
    """
    try:
        first = await connection.recv()
    except ConnectionClosed as error:
        fix = "its log says why: mostly the voice's file is missing in its voice folder, or its GPU is out of memory"
        raise _unreachable(url, f"dropped the session (code {close_code(error)}) before it listened; {fix}") from error
    if not is_handshake(first):
        raise _unreachable(url, "began with something else than the handshake; it is no PersonaPlex server, or serves two sessions")


async def let_go(connection: ClientConnection, wait_s: float) -> bool:
    """Close, and cut the connection when the server has not answered in ``wait_s``: it would hold its only session for ever.

    Cancellation cuts it at once. Returns whether the server answered, or had closed properly itself.
    """
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await connection.close()
    finally:
        _cut(connection)
    return connection.protocol.close_rcvd is not None


def close_code(error: ConnectionClosed) -> int:
    """The code in the server's close frame; 1006 when none came (RFC 6455 section 7.1.5)."""
    return error.rcvd.code if error.rcvd else 1006


def _cut(connection: ClientConnection) -> None:
    """Reset the TCP connection, so that the server notices at once. Nothing where it is closed already."""
    if connection.transport.is_closing():
        return
    with contextlib.suppress(OSError):  # gone in this moment
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    connection.transport.abort()


def _unreachable(url: str, what: str) -> UpstreamError:
    parts = urlsplit(url)
    return UpstreamError("engine_unreachable", f"The PersonaPlex server at {parts.hostname}:{parts.port} {what}.")
