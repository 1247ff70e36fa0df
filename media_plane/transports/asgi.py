"""A raw ASGI websocket scope as a ``Socket``. **Source:** the ASGI HTTP and WebSocket specification, version 2.5."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from media_plane.ports.caller import SocketClosed
from media_plane.transports.handshake import offered_subprotocols
from media_plane.transports.websocket import close_reason

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
AsgiReceive = Callable[[], Awaitable[Message]]
AsgiSend = Callable[[Message], Awaitable[None]]
_PEER_CODES = frozenset({1000, 1001, 1005})
"""Codes below 3000 with which a peer ends a call in good order. **Source:** RFC 6455 section 7.4.1."""


class AsgiUpgrade:
    """A WebSocket handshake that is neither accepted nor refused yet."""

    def __init__(self, scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send

    @property
    def path(self) -> str:
        path: str = self._scope["path"]
        return path

    def header(self, name: str) -> str:
        """A header's value, several joined by a comma; empty without."""
        wanted = name.lower().encode("latin-1")
        headers: list[tuple[bytes, bytes]] = self._scope["headers"]
        return ", ".join(value.decode("latin-1") for key, value in headers if key.lower() == wanted)

    @property
    def peer(self) -> str:
        """The address at the other end; empty where the server does not know it."""
        client = self._scope.get("client")
        return str(client[0]) if client else ""

    def query(self, name: str) -> str:
        """The first value of a query parameter, decoded; empty without."""
        values = parse_qs(self._scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        value: str = values.get(name, [""])[0]
        return value

    @property
    def subprotocols(self) -> tuple[str, ...]:
        """What the client offers."""
        return tuple(self._scope.get("subprotocols") or offered_subprotocols([self.header("sec-websocket-protocol")]))

    async def accept(self, subprotocol: str | None = None) -> AsgiSocket:
        """Complete the handshake. Raises SocketClosed."""
        await self._connect()
        await _send(self._send, {"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
        return AsgiSocket(self._receive, self._send)

    async def refuse(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Answer with an HTTP response instead of the upgrade; where the server cannot, it answers 403."""
        try:
            await self._connect()
            if "websocket.http.response" not in (self._scope.get("extensions") or {}):
                await _send(self._send, {"type": "websocket.close", "code": 1008, "reason": ""})
                return
            pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
            await _send(self._send, {"type": "websocket.http.response.start", "status": status, "headers": pairs})
            await _send(self._send, {"type": "websocket.http.response.body", "body": body})
        except SocketClosed:
            return  # nobody is left to be told

    async def _connect(self) -> None:
        message = await self._receive()
        if message["type"] != "websocket.connect":
            raise SocketClosed(clean=False)


class AsgiSocket:
    """An accepted ASGI websocket. The server's own limits give backpressure; set its largest message to ``MAX_MESSAGE_BYTES``."""

    def __init__(self, receive: AsgiReceive, send: AsgiSend) -> None:
        self._receive = receive
        self._send = send
        self._closed: SocketClosed | None = None

    async def receive(self) -> bytes | str:
        """The next message. Raises SocketClosed; clean when the peer closed with a code."""
        if self._closed is not None:
            raise SocketClosed(clean=self._closed.clean)
        message = await self._receive()
        if message["type"] == "websocket.receive":
            data: bytes | None = message.get("bytes")
            return data if data is not None else str(message.get("text") or "")
        self._closed = SocketClosed(clean=_is_clean(message))
        raise SocketClosed(clean=self._closed.clean)

    async def send(self, message: bytes | str) -> None:
        """Write one message; waits while the buffers are full. Raises SocketClosed."""
        if self._closed is not None:
            raise SocketClosed(clean=self._closed.clean)
        key = "bytes" if isinstance(message, bytes) else "text"
        await _send(self._send, {"type": "websocket.send", key: message})

    async def close(self, code: int, reason: str) -> None:
        """Close; silent when closed already."""
        if self._closed is not None:
            return
        self._closed = SocketClosed(clean=True)
        try:
            await _send(self._send, {"type": "websocket.close", "code": code, "reason": close_reason(reason)})
        except SocketClosed:
            return


def _is_clean(disconnect: Message) -> bool:
    """Whether the peer sent a close frame. uvicorn reports a lost connection as 1005 too, but then without a ``reason``."""
    code = int(disconnect.get("code") or 1005)
    if code == 1005:
        return "reason" in disconnect
    return code in _PEER_CODES or code >= 3000


async def _send(send: AsgiSend, message: Message) -> None:
    """Give a message to the server. **Source:** ASGI: a send after the disconnect raises a subclass of OSError."""
    try:
        await send(message)
    except OSError as error:
        raise SocketClosed(clean=False) from error
