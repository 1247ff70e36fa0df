"""What lies between a caller and the process that carries the call: little, and its end is told to both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from media_plane.ports.caller import SocketClosed
from media_plane.relay import Elsewhere, Line, open_line, pass_through
from nexus.errors import UpstreamError

FRAME = bytes(1920)
CALL = "call_1"


class HeldCaller:
    """A caller who reads nothing and says nothing."""

    def __init__(self) -> None:
        self.closed: tuple[int, str] | None = None

    async def receive(self) -> bytes | str:
        await asyncio.Event().wait()
        raise SocketClosed(clean=False)

    async def send(self, message: bytes | str) -> None:
        await asyncio.Event().wait()

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


@asynccontextmanager
async def line_to(handle: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[Line]:
    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        line = await open_line(Elsewhere(CALL, "barber", f"ws://127.0.0.1:{port}", "ticket", (), "proc_1"))
        assert isinstance(line, Line)
        try:
            yield line
        finally:
            await line.drop()


async def test_a_caller_who_does_not_read_holds_back_the_other_process() -> None:
    sent = 0

    async def flood(connection: ServerConnection) -> None:
        nonlocal sent
        with pytest.raises(ConnectionClosed):
            while True:
                await connection.send(FRAME)
                sent += 1

    caller = HeldCaller()
    async with line_to(flood) as line:
        passing = asyncio.create_task(pass_through(line, caller))
        before = -1
        while sent != before:  # until nothing moves any more
            before = sent
            await asyncio.sleep(0.1)  # the kernel says to nobody that its buffers are full
        assert 0 < sent * len(FRAME) < 8_000_000, "bounded, by the kernel's buffers of a sender that asks for no limit"
        passing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await passing
    assert caller.closed == (1001, "draining")


@pytest.mark.parametrize(("code", "told"), [(1000, 1000), (1013, 1013), (4415, 4415)])
async def test_the_callers_socket_is_closed_as_the_call_was(code: int, told: int) -> None:
    async def leave(connection: ServerConnection) -> None:
        await connection.close(code, "because")

    caller = HeldCaller()
    async with line_to(leave) as line:
        await pass_through(line, caller)
    assert caller.closed == (told, "because")


async def test_a_process_that_goes_without_a_word_is_a_failed_relay() -> None:
    async def vanish(connection: ServerConnection) -> None:
        connection.transport.abort()

    caller = HeldCaller()
    async with line_to(vanish) as line:
        await pass_through(line, caller)
    assert caller.closed == (1011, "relay_failed")


@pytest.mark.parametrize("url", ["ws://127.0.0.1:9", "not a url", "http://127.0.0.1:9"])
async def test_who_cannot_be_reached_is_told_as_such(url: str) -> None:
    with pytest.raises(UpstreamError) as failed:
        await open_line(Elsewhere(CALL, "barber", url, "ticket", ("nexus.v1",), "proc_1"))
    assert failed.value.code == "relay_failed" and failed.value.retryable
