"""The ASGI shell: serves callers' sockets beside an HTTP application on one port (the embedded mode)."""

from __future__ import annotations

import logging

from media_plane.ports.caller import SocketClosed
from media_plane.server.admission import Doorkeeper, Handshake
from media_plane.server.calls import CallServer
from media_plane.server.news import CallNews, NoNews
from media_plane.server.refusal import refusal
from media_plane.transports.asgi import AsgiReceive, AsgiSend, AsgiUpgrade, Scope
from media_plane.transports.handshake import chosen_subprotocol
from nexus.errors import NexusError

_log = logging.getLogger("nexus.door")


class AsgiDoor:
    """Handles ``websocket`` scopes."""

    def __init__(self, doorkeeper: Doorkeeper, calls: CallServer, news: CallNews | None = None) -> None:
        self._news = news or NoNews()
        self._doorkeeper = doorkeeper
        self._calls = calls

    async def __call__(self, scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
        upgrade = AsgiUpgrade(scope, receive, send)
        try:
            handshake = _handshake(upgrade)
            self._doorkeeper.knock(handshake)
            admission = await self._doorkeeper.admit(handshake)
        except NexusError as error:
            _log.info("socket refused: %s", error.code)
            self._news.refused(error.code)
            await upgrade.refuse(*refusal(error))
            return
        try:
            socket = await upgrade.accept(chosen_subprotocol(upgrade.subprotocols))
        except SocketClosed:
            await self._calls.never_connected(admission)
            return
        await self._calls.run_call(socket, admission)


def _handshake(upgrade: AsgiUpgrade) -> Handshake:
    return Handshake(
        path=upgrade.path,
        host=upgrade.header("host"),
        origin=upgrade.header("origin"),
        authorization=upgrade.header("authorization"),
        subprotocols=upgrade.subprotocols,
        customer_phone=upgrade.query("customer_phone"),
        output=upgrade.query("output"),
        peer=upgrade.peer,
        forwarded_for=upgrade.header("x-forwarded-for"),
    )
