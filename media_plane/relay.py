"""Passes a caller's socket to the media process that holds its slot, inside the private network, as if the caller had reached it at once.

Nothing is kept here: a message is read when the one before it has been written, so a slow reader at either end holds back the other by
the kernel's small buffers alone, and what an interrupted agent still had to say is no longer on its way than without the relay.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from media_plane.ports.caller import Socket, SocketClosed
from media_plane.transports.messages import MAX_MESSAGE_BYTES
from media_plane.transports.websocket import SEND_BUFFER_BYTES, WRITE_LIMIT_BYTES, close_reason
from nexus.errors import CLOSE_CODE, UpstreamError

RELAYED_BY = "X-Nexus-Relayed-By"
"""Names the process that relays. What bears it is relayed by nobody again."""
_OPEN_S = 3.0
_CLOSE_S = 3.0
_PING_S = 20.0
_QUEUED_MESSAGES = 4
_SENDABLE = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
"""**Source:** RFC 6455 section 7.4.1 and IANA's registry: the codes below 3000 that a close frame may bear."""
_log = logging.getLogger("nexus.relay")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A call whose slot another process holds. ``url``: that process, inside the private network."""

    call_id: str
    tenant_id: str
    url: str
    ticket: str
    subprotocols: tuple[str, ...]
    relayed_by: str


@dataclass(frozen=True, slots=True)
class GivenRefusal:
    """What the other process answered in place of the upgrade, to be given through."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """An open socket to the process that carries the call."""

    elsewhere: Elsewhere
    connection: ClientConnection

    async def drop(self) -> None:
        """The caller never came through: cut the line."""
        await _cut(self.connection)


async def open_line(elsewhere: Elsewhere) -> Line | GivenRefusal:
    """Open the caller's call in the process that holds it; the ticket is burnt there. Cancelled, it leaves nothing behind.

    Raises:
        UpstreamError: ``relay_failed``: that process cannot be reached within three seconds.
    """
    try:
        connection = await connect(
            f"{elsewhere.url.rstrip('/')}/v1/calls/{elsewhere.call_id}",
            subprotocols=[Subprotocol(one) for one in elsewhere.subprotocols] or None,
            additional_headers={"Authorization": f"Bearer {elsewhere.ticket}", RELAYED_BY: elsewhere.relayed_by},
            user_agent_header=None,
            compression=None,
            proxy=None,
            open_timeout=_OPEN_S,
            close_timeout=_CLOSE_S,
            ping_interval=_PING_S,
            ping_timeout=_PING_S,
            max_size=MAX_MESSAGE_BYTES,
            max_queue=_QUEUED_MESSAGES,
            write_limit=WRITE_LIMIT_BYTES,
        )
    except InvalidStatus as error:
        return _given(error)
    except (OSError, TimeoutError, WebSocketException, ValueError) as error:
        _log.warning("the process of a call cannot be reached at %s: %s", elsewhere.url, error)
        raise UpstreamError("relay_failed", "The media process that holds this call cannot be reached; ask POST /calls again.") from error
    _keep_small(connection)
    return Line(elsewhere, connection)


async def pass_through(line: Line, caller: Socket) -> None:
    """Pass messages both ways until one side closes; then the other is closed in the same way.

    Cancelled (this process must go), it closes the caller as ``draining`` and cuts the other side, which thus has lost its caller and not
    been hung up on.
    """
    ways = [
        asyncio.create_task(_from_caller(caller, line.connection), name="relay: from the caller"),
        asyncio.create_task(_to_caller(line.connection, caller), name="relay: to the caller"),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        await asyncio.gather(_cut(line.connection), _closed(caller, CLOSE_CODE["draining"], "draining"))
        raise
    finally:
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)
    await _end(line.connection, caller, ways)


async def _from_caller(caller: Socket, connection: ClientConnection) -> SocketClosed | ConnectionClosed:
    try:
        while True:
            message = await caller.receive()
            await connection.send(message)
    except (SocketClosed, ConnectionClosed) as error:
        return error


async def _to_caller(connection: ClientConnection, caller: Socket) -> SocketClosed | ConnectionClosed:
    try:
        while True:
            message = await connection.recv()
            await caller.send(message)
    except (SocketClosed, ConnectionClosed) as error:
        return error


async def _end(connection: ClientConnection, caller: Socket, ways: list[asyncio.Task[SocketClosed | ConnectionClosed]]) -> None:
    """Tell each side how the other went."""
    endings = [way.result() for way in ways if not way.cancelled()]
    gone = next((ending for ending in endings if isinstance(ending, ConnectionClosed)), None)
    if gone is not None:
        code, reason = _farewell(gone)
        await _closed(caller, code, reason)
        return
    if any(isinstance(ending, SocketClosed) and ending.clean for ending in endings):
        await _hung_up(connection, 1000)
    else:  # a caller who was lost is lost to the other process too
        await _cut(connection)


def _farewell(gone: ConnectionClosed) -> tuple[int, str]:
    """The code and reason with which the other process closed; ``relay_failed`` when it went without a word."""
    if gone.rcvd is None:
        return CLOSE_CODE["relay_failed"], "relay_failed"
    code = gone.rcvd.code
    return (code if code in _SENDABLE or code >= 3000 else 1000), gone.rcvd.reason


async def _closed(caller: Socket, code: int, reason: str) -> None:
    with contextlib.suppress(SocketClosed, TimeoutError):
        async with asyncio.timeout(_CLOSE_S):
            await caller.close(code, reason)


async def _hung_up(connection: ClientConnection, code: int) -> None:
    """Close in good order; what the other process still sends is thrown away."""
    unread = asyncio.create_task(_throw_away(connection))
    try:
        await connection.close(code, close_reason(""))
    finally:
        unread.cancel()
        await asyncio.wait([unread])


async def _throw_away(connection: ClientConnection) -> None:
    with contextlib.suppress(WebSocketException):  # closed, or somebody else still reads
        while True:
            await connection.recv()


async def _cut(connection: ClientConnection) -> None:
    connection.transport.abort()
    await connection.wait_closed()


def _keep_small(connection: ClientConnection) -> None:
    """Little may wait on the way, in both directions: what waits is heard after a barge-in."""
    wire = connection.transport.get_extra_info("socket")
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        with contextlib.suppress(OSError, AttributeError):  # a limit that cannot be set leaves the kernel's own
            wire.setsockopt(socket.SOL_SOCKET, option, SEND_BUFFER_BYTES)


def _given(error: InvalidStatus) -> GivenRefusal:
    answer = error.response
    kept = ("content-type", "cache-control", "retry-after")
    headers = {name: answer.headers[name] for name in kept if name in answer.headers}
    return GivenRefusal(answer.status_code, bytes(answer.body or b""), headers)
