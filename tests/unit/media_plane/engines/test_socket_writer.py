"""The bounded writer over a real loopback socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from media_plane.engines.socket_writer import WRITE_LIMIT_BYTES, SocketWriter


class Peer:
    """Reads only after ``reads`` is set."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.got: list[bytes] = []
        self.gone = asyncio.Event()

    async def __call__(self, connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await self.reads.wait()
        connection.transport.resume_reading()
        try:
            while True:
                self.got.append(bytes(await connection.recv(decode=False)))
        except ConnectionClosed:
            self.gone.set()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Peer, ClientConnection]]:
    peer = Peer()
    async with asyncio.timeout(10), serve(peer, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}/", compression=None, ping_interval=None, write_limit=WRITE_LIMIT_BYTES) as connection:
            yield peer, connection
            peer.reads.set()


async def test_messages_arrive_whole_and_in_order() -> None:
    async with connected() as (peer, connection):
        peer.reads.set()
        writer = SocketWriter(connection, 1_000_000)
        writer.begin()
        sent = [bytes([i]) * (i + 1) for i in range(100)]
        assert sum(writer.put(message) for message in sent) == 0
        while len(peer.got) < 100:  # noqa: ASYNC110 - the peer is another task on this loop
            await asyncio.sleep(0.001)
        await writer.stop()
        await connection.close()
        await peer.gone.wait()
        assert peer.got == sent


async def test_whoever_puts_never_waits_and_the_oldest_go_first() -> None:
    async with connected() as (peer, connection):
        writer = SocketWriter(connection, 10_000)
        writer.begin()
        dropped = 0
        count = 0
        while dropped < 100_000:  # the buffers of both kernels fill first
            dropped += writer.put(count.to_bytes(4, "big") * 250)
            count += 1
            await asyncio.sleep(0)
        peer.reads.set()
        while not peer.got or int.from_bytes(peer.got[-1][:4], "big") < count - 1:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await writer.stop()
        numbers = [int.from_bytes(message[:4], "big") for message in peer.got]
        assert numbers == sorted(set(numbers))
        assert len(numbers) == count - dropped // 1_000
        assert numbers[-10:] == list(range(count - 10, count)), "the newest are there"


async def test_a_message_larger_than_the_room_is_kept_alone() -> None:
    async with connected() as (peer, connection):
        writer = SocketWriter(connection, 10)
        assert writer.put(b"a" * 8) == 0
        assert writer.put(b"b" * 100) == 8
        writer.begin()
        peer.reads.set()
        while not peer.got:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await writer.stop()
        assert peer.got == [b"b" * 100]


async def test_a_closed_connection_ends_it_in_silence() -> None:
    async with connected() as (peer, connection):
        peer.reads.set()
        writer = SocketWriter(connection, 1_000)
        writer.begin()
        await connection.close()
        writer.put(b"late")
        await asyncio.sleep(0)
        await writer.stop()
        await writer.stop()
