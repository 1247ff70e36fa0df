"""A real loopback WebSocket server whose sessions a test writes as a coroutine."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Script = Callable[["Side"], Awaitable[None]]


@dataclass
class Side:
    """The server's side of one session."""

    connection: ServerConnection
    start: dict[str, Any] = field(default_factory=dict)
    fed: bytearray = field(default_factory=bytearray)

    async def accept(self, **fields: Any) -> None:
        """Take session.start and answer session.ready."""
        await self.take_start()
        await self.tell("session.ready", version=1, **fields)

    async def take_start(self) -> None:
        self.start = json.loads(await self.connection.recv())

    async def tell(self, type: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"type": type, **fields}))

    async def give(self, pcm: bytes) -> None:
        await self.connection.send(pcm)

    async def hear(self, size_bytes: int) -> bytes:
        """Wait until so much caller audio has come in all."""
        while len(self.fed) < size_bytes:
            message = await self.connection.recv()
            assert isinstance(message, bytes)
            self.fed += message
        return bytes(self.fed)

    async def listen(self) -> None:
        """Read until the client goes."""
        with suppress(ConnectionClosed):
            while True:
                self.fed += await self.connection.recv()  # type: ignore[arg-type]


@dataclass
class SidecarServer:
    """``sides`` in order of connection; ``over`` is set after each session."""

    url: str = ""
    sides: list[Side] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def sidecar_server(script: Script, *, buffer_bytes: int | None = None) -> AsyncIterator[SidecarServer]:
    """Serve sessions by ``script``. ``buffer_bytes``: what the kernel holds for a server that does not read."""
    server = SidecarServer()

    async def handle(connection: ServerConnection) -> None:
        side = Side(connection)
        server.sides.append(side)
        try:
            with suppress(ConnectionClosed):
                await script(side)
        finally:
            server.over.set()

    listening = socket.create_server(("127.0.0.1", 0))
    if buffer_bytes is not None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    async with serve(handle, sock=listening, max_size=None, compression=None, close_timeout=1, ping_interval=None):
        server.url = f"ws://127.0.0.1:{listening.getsockname()[1]}/v1/audio-stream"
        yield server
