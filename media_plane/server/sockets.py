"""The production shell: callers' sockets by the websockets library, with health on the same port.

``/health/live`` (``/livez``) answers while the process runs, ``/health/ready`` (``/readyz``) only while it takes calls, and says why not.
"""

from __future__ import annotations

import asyncio
import http
import logging
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from media_plane.relay import RELAYED_BY, Elsewhere, GivenRefusal, Line, open_line
from media_plane.server.admission import Admission, Doorkeeper, Handshake
from media_plane.server.calls import CallServer
from media_plane.server.health import Health
from media_plane.server.news import CallNews, NoNews
from media_plane.server.refusal import refusal
from media_plane.transports.handshake import chosen_subprotocol, offered_subprotocols
from media_plane.transports.messages import MAX_MESSAGE_BYTES, PROTOCOL
from media_plane.transports.websocket import WRITE_LIMIT_BYTES, WebSocket
from nexus.errors import NexusError

_log = logging.getLogger("nexus.door")
_PING_S = 20.0
_PROBES = {"/health/live": False, "/livez": False, "/health/ready": True, "/readyz": True}
"""Whether each asks for readiness."""


class SocketDoor:
    """Listens, admits, runs. A handshake counts as present from its first byte that is understood, so that nothing ends under it."""

    def __init__(self, doorkeeper: Doorkeeper, calls: CallServer, health: Health, news: CallNews | None = None) -> None:
        self._news = news or NoNews()
        self._doorkeeper = doorkeeper
        self._calls = calls
        self._health = health
        self._admitted: dict[ServerConnection, Admission] = {}
        self._relayed: dict[ServerConnection, Line] = {}

    async def listen(self, host: str, port: int) -> Server:
        """Begin to serve; port 0 takes a free one. Raises OSError when the port is taken."""
        return await serve(
            self._run,
            host,
            port,
            process_request=self._process_request,
            select_subprotocol=_select,
            max_size=MAX_MESSAGE_BYTES,
            ping_interval=_PING_S,
            ping_timeout=_PING_S,
            write_limit=WRITE_LIMIT_BYTES,
            compression=None,
        )

    async def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        path = urlsplit(request.path).path
        if path in _PROBES:
            return self._probe(ready=_PROBES[path])
        self._calls.occupancy.knocks(connection)
        refused: Response | None = None
        try:
            refused = await self._let_in(connection, _handshake(connection, request))
        except NexusError as error:
            _log.info("socket refused: %s", error.code)
            self._news.refused(error.code)
            refused = _refused(*refusal(error))
        finally:
            if connection not in self._admitted and connection not in self._relayed:
                self._calls.occupancy.comes_in_or_leaves(connection)
        return refused

    async def _let_in(self, connection: ServerConnection, handshake: Handshake) -> Response | None:
        """None: the upgrade may follow. Raises NexusError."""
        self._doorkeeper.knock(handshake)
        elsewhere = await self._doorkeeper.elsewhere(handshake)
        if elsewhere is not None:
            return await self._relay(connection, elsewhere)
        self._admitted[connection] = await self._doorkeeper.admit(handshake)
        return None

    async def _relay(self, connection: ServerConnection, elsewhere: Elsewhere) -> Response | None:
        """Open the call where it belongs, before the caller is upgraded. Raises UpstreamError."""
        line = await open_line(elsewhere)
        if isinstance(line, GivenRefusal):
            return _refused(line.status, line.body, dict(line.headers))
        self._relayed[connection] = line
        return None

    def _probe(self, *, ready: bool) -> Response:
        fine, body = self._health.answer(ready=ready)
        status = http.HTTPStatus.OK if fine else http.HTTPStatus.SERVICE_UNAVAILABLE
        return Response(status, status.phrase, _headers({"content-type": "application/json"}, body), body)

    async def _run(self, connection: ServerConnection) -> None:
        line = self._relayed.pop(connection, None)
        # from here to the call's own first step nothing else runs, so that the caller is never out of sight
        self._calls.occupancy.comes_in_or_leaves(connection)
        if line is not None:
            await self._calls.run_relayed(WebSocket(connection), line)
            return
        await self._calls.run_call(WebSocket(connection), self._admitted.pop(connection))

    async def forget_refused(self) -> None:
        """Every second, end the calls whose handshake was admitted and then failed; runs until cancelled."""
        while True:
            await asyncio.sleep(1)
            for connection, admission in [*self._admitted.items()]:
                if connection.state.name == "CLOSED":
                    del self._admitted[connection]
                    await self._calls.never_connected(admission)
                    self._calls.occupancy.comes_in_or_leaves(connection)
            for connection, line in [*self._relayed.items()]:
                if connection.state.name == "CLOSED":
                    del self._relayed[connection]
                    await line.drop()
                    self._calls.occupancy.comes_in_or_leaves(connection)


def _select(_connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return Subprotocol(PROTOCOL) if chosen_subprotocol(offered) else None


def _refused(status: int, body: bytes, headers: dict[str, str]) -> Response:
    return Response(status, http.HTTPStatus(status).phrase, _headers(headers, body), body)


def _headers(fields: dict[str, str], body: bytes) -> Headers:
    return Headers({**fields, "content-length": str(len(body)), "connection": "close"})


def _handshake(connection: ServerConnection, request: Request) -> Handshake:
    peer = connection.remote_address
    query = parse_qs(urlsplit(request.path).query, keep_blank_values=True)

    def header(name: str) -> str:
        return ", ".join(request.headers.get_all(name))

    return Handshake(
        path=urlsplit(request.path).path,
        host=header("host"),
        origin=header("origin"),
        authorization=header("authorization"),
        subprotocols=offered_subprotocols(request.headers.get_all("sec-websocket-protocol")),
        customer_phone=query.get("customer_phone", [""])[0],
        output=query.get("output", [""])[0],
        relayed_by=header(RELAYED_BY),
        peer=str(peer[0]) if peer else "",
        forwarded_for=header("x-forwarded-for"),
    )
