"""The WebSocket to a sidecar: opened, let go of, and its faults in words that name the fix."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConcurrencyError, ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

from media_plane.engines.direct import Direct
from media_plane.engines.pcm_sidecar_wire import MAX_MESSAGE_BYTES
from media_plane.engines.socket_writer import WRITE_LIMIT_BYTES
from nexus.errors import UpstreamError

_NO_ADDRESS = "PCM_SIDECAR_WS_URL is no WebSocket address; write for example ws://localhost:9000/v1/audio-stream"
_log = logging.getLogger("nexus.pcm_sidecar")


async def connected(address: str, close_s: float) -> ClientConnection:
    """Connect; no deadline of its own. ``close_s``: patience with the closing handshake.

    No pings are sent: only a message shows that the model behind the socket lives.

    Raises:
        UpstreamError: ``engine_unreachable``; the message names the fix.
    """
    try:
        return await Direct(
            address,
            compression=None,
            proxy=None,
            open_timeout=None,
            ping_interval=None,
            close_timeout=close_s,
            max_size=MAX_MESSAGE_BYTES,
            write_limit=WRITE_LIMIT_BYTES,
        )
    except (InvalidURI, ValueError):
        raise UpstreamError("engine_unreachable", _NO_ADDRESS) from None  # the library's words repeat the address, secrets and all
    except (OSError, WebSocketException) as error:
        raise unusable(address, error) from error


def unusable(address: str, error: Exception) -> UpstreamError:
    """What the operator is told of a sidecar that cannot take a session; the details go to the log."""
    _log.warning("sidecar %s cannot be used: %s", _shown(address), error)
    return UpstreamError("engine_unreachable", _fix(error))


async def let_go(connection: ClientConnection, wait_s: float) -> bool:
    """Close, and cut the connection when that takes longer than ``wait_s``; cancellation cuts it at once.

    Returns whether the sidecar answered our goodbye (its own, unasked, is none).
    """
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s), asyncio.TaskGroup() as group:
                group.create_task(connection.close())
                group.create_task(_read_rest(connection))
    finally:
        connection.transport.abort()
    return connection.protocol.close_rcvd_then_sent is False


async def _read_rest(connection: ClientConnection) -> None:
    """Throw away what the sidecar still sends: its goodbye stands behind it."""
    with suppress(ConnectionClosed, ConcurrencyError):
        while True:
            await connection.recv()


def departure(closed: ConnectionClosed) -> str:
    """How a session ended that should not have ended."""
    if closed.sent is not None and not closed.rcvd_then_sent:
        return f"The sidecar broke the WebSocket protocol ({_ending(closed)}); see the limits in docs/pcm-sidecar.md"
    return f"The sidecar went away unasked ({_ending(closed)}); its own log says more"


def _fix(error: Exception) -> str:
    match error:
        case InvalidStatus():
            status = error.response.status_code
            return f"The sidecar refused the WebSocket with HTTP {status}; check the path in PCM_SIDECAR_WS_URL (/v1/audio-stream)"
        case ConnectionClosed():
            return f"The sidecar closed before session.ready ({_ending(error)}); its own log says more"
        case WebSocketException():
            return "What answers at PCM_SIDECAR_WS_URL speaks no WebSocket; check host, port and ws:// or wss://"
        case _:
            return "The sidecar cannot be reached; start it, or mend PCM_SIDECAR_WS_URL"


def _ending(closed: ConnectionClosed) -> str:
    """How a connection ended, for a person: our own complaint first, because the peer's close frame only answers it."""
    frame = closed.sent if closed.sent is not None and not closed.rcvd_then_sent else closed.rcvd
    return "the connection broke" if frame is None else f"code {frame.code}: {frame.reason[:100]!r}"


def _shown(address: str) -> str:
    """An address without user, password and query, which may hold secrets."""
    scheme, mark, rest = address.partition("?")[0].rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
