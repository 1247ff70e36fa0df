"""Hand-made servers for a PersonaPlex client: one that follows a script of a test, one that plays a recorded session back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.fakes.personaplex_tape import Tape

Behaviour = Callable[[ServerConnection], Awaitable[None]]


@dataclass
class Seen:
    """What a server saw: each connection's query and headers."""

    queries: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@asynccontextmanager
async def served(behave: Behaviour, seen: Seen | None = None) -> AsyncIterator[str]:
    """A server that does ``behave`` with each connection; its address."""

    async def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        if seen is not None:
            seen.queries.append(dict(parse_qsl(urlsplit(connection.request.path).query)))
            seen.headers.append({name.lower(): value for name, value in connection.request.headers.raw_items()})
        try:
            await behave(connection)
        except ConnectionClosed:
            return

    async with serve(handle, "127.0.0.1", 0, close_timeout=0.2) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/api/chat"


def replayed(tape: Tape) -> Behaviour:
    """The server half of a recording: what it sent after each page of the client, now sent after each page of whoever is there."""

    async def behave(connection: ServerConnection) -> None:
        waiting = list(tape.server)
        for _ in range(3):  # the handshake and both headers come unasked
            await connection.send(waiting.pop(0))
        headers = 2
        async for message in connection:
            assert isinstance(message, bytes) and message[:1] == b"\x01"
            for _ in range(message.count(b"OggS")):
                if headers:
                    headers -= 1
                    continue
                while waiting:  # words, then the page that they belong to
                    sent = waiting.pop(0)
                    await connection.send(sent)
                    if sent[:1] == b"\x01":
                        break
                if not waiting and tape.close_code:
                    await connection.close(tape.close_code)
                    return

    return behave


async def forever(connection: ServerConnection) -> None:
    """Never do anything again."""
    await connection.wait_closed()
