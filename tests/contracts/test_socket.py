"""The contract of ``media_plane.ports.caller.Socket``, over real loopback servers with a real client."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from media_plane.ports.caller import Socket, SocketClosed
from media_plane.transports.asgi import AsgiReceive, AsgiSend, AsgiUpgrade, Message, Scope
from media_plane.transports.messages import MAX_MESSAGE_BYTES
from media_plane.transports.websocket import WebSocket

DEADLINE_S = 10.0
Handler = Callable[[Socket], Awaitable[None]]


@asynccontextmanager
async def _by_websockets(handler: Handler) -> AsyncIterator[int]:
    async def accepted(connection: ServerConnection) -> None:
        await handler(WebSocket(connection))

    async with serve(accepted, "127.0.0.1", 0, max_size=MAX_MESSAGE_BYTES, close_timeout=1, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@asynccontextmanager
async def _by_asgi(handler: Handler) -> AsyncIterator[int]:
    async def app(scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
        assert scope["type"] == "websocket"
        await handler(await AsgiUpgrade(scope, receive, send).accept())

    async with uvicorn_port(app) as port:
        yield port


@asynccontextmanager
async def uvicorn_port(app: Callable[[Scope, AsgiReceive, AsgiSend], Awaitable[None]]) -> AsyncIterator[int]:
    config = uvicorn.Config(
        app, ws="websockets-sansio", ws_max_size=MAX_MESSAGE_BYTES, ws_per_message_deflate=False, lifespan="off", log_level="error"
    )
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    running = asyncio.create_task(server._serve([listening]))  # the public serve() also takes over the process's signals
    try:
        while not server.started:  # noqa: ASYNC110 - uvicorn gives no event to wait for
            await asyncio.sleep(0.005)
        yield listening.getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await asyncio.wait_for(running, DEADLINE_S)


SERVERS = {"websockets": _by_websockets, "asgi": _by_asgi}


@pytest.fixture(params=SERVERS)
def served(request: pytest.FixtureRequest) -> Callable[[Handler], contextlib.AbstractAsyncContextManager[int]]:
    return SERVERS[request.param]


Served = Callable[[Handler], contextlib.AbstractAsyncContextManager[int]]


def dial(port: int) -> connect:
    return connect(f"ws://127.0.0.1:{port}/", max_size=None, compression=None, ping_interval=None)


def vanish(client: ClientConnection) -> None:
    """Reset the TCP connection: no closing handshake, as when a phone loses its network."""
    wire = client.transport.get_extra_info("socket")
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.transport.abort()


async def how_it_closed(server_side: Socket) -> SocketClosed:
    with pytest.raises(SocketClosed) as caught:
        while True:
            await server_side.receive()
    return caught.value


class Ending:
    """Waits for the first SocketClosed that the server's side sees."""

    def __init__(self) -> None:
        self.seen: asyncio.Future[SocketClosed] = asyncio.get_running_loop().create_future()

    async def __call__(self, server_side: Socket) -> None:
        ending = await how_it_closed(server_side)
        if not self.seen.done():
            self.seen.set_result(ending)


async def test_text_and_binary_keep_their_kind_and_order(served: Served) -> None:
    async def echo(server_side: Socket) -> None:
        with contextlib.suppress(SocketClosed):
            while True:
                await server_side.send(await server_side.receive())

    messages: list[bytes | str] = ["one", b"\x00\x01", "zwei é", b"", "", bytes(MAX_MESSAGE_BYTES), "end"]
    async with served(echo) as port, dial(port) as client, asyncio.timeout(DEADLINE_S):
        for message in messages:
            await client.send(message)
        assert [await client.recv() for _ in messages] == messages


@pytest.mark.parametrize("code", [1000, 1001, 4000])
async def test_a_closing_handshake_of_the_peer_is_clean(served: Served, code: int) -> None:
    ending = Ending()
    async with served(ending) as port, dial(port) as client, asyncio.timeout(DEADLINE_S):
        await client.send("hello")
        await client.close(code)
        assert (await ending.seen).clean


async def test_a_lost_connection_is_not_clean(served: Served) -> None:
    ending = Ending()
    async with served(ending) as port, dial(port) as client, asyncio.timeout(DEADLINE_S):
        await client.send("hello")
        vanish(client)
        assert not (await ending.seen).clean


async def test_a_message_too_large_is_refused_with_1009_and_not_clean(served: Served) -> None:
    ending = Ending()
    async with served(ending) as port, dial(port) as client, asyncio.timeout(DEADLINE_S):
        with contextlib.suppress(ConnectionClosed):
            await client.send(bytes(1024 * 1024))
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1009
        assert not (await ending.seen).clean


@pytest.mark.parametrize(("code", "reason"), [(1000, "caller_hangup"), (4401, "ticket_used"), (1011, "")])
async def test_the_peer_sees_code_and_reason(served: Served, code: int, reason: str) -> None:
    async def refuse(server_side: Socket) -> None:
        await server_side.close(code, reason)
        await server_side.close(1011, "again is silent")

    async with served(refuse) as port, dial(port) as client, asyncio.timeout(DEADLINE_S):
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert (client.close_code, client.close_reason) == (code, reason)


async def test_a_long_reason_is_cut_to_what_a_close_frame_holds(served: Served) -> None:
    async def refuse(server_side: Socket) -> None:
        await server_side.close(1011, "é" * 200)

    async with served(refuse) as port, dial(port) as client, asyncio.timeout(DEADLINE_S):
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_reason == "é" * 61


async def test_after_the_end_both_directions_raise_and_close_is_silent(served: Served) -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def handler(server_side: Socket) -> None:
        try:
            await how_it_closed(server_side)
            await how_it_closed(server_side)
            with pytest.raises(SocketClosed):
                await server_side.send(b"late")
            await server_side.close(1000, "")
        except BaseException as error:
            done.set_exception(error)
            raise
        done.set_result(None)

    async with served(handler) as port, dial(port) as client, asyncio.timeout(DEADLINE_S):
        await client.close()
        await done


async def test_send_waits_while_the_peer_does_not_read_and_ends_when_it_vanishes(served: Served) -> None:
    sent_bytes = 0
    progressed = asyncio.Event()
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def flood(server_side: Socket) -> None:
        nonlocal sent_bytes
        try:
            while True:
                await server_side.send(bytes(16_384))
                sent_bytes += 16_384
                progressed.set()
        except SocketClosed:
            ended.set_result(sent_bytes)

    async with served(flood) as port, asyncio.timeout(DEADLINE_S):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        upgrade = f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        await asyncio.get_running_loop().sock_sendall(raw, f"{upgrade}Sec-WebSocket-Version: 13\r\n\r\n".encode())
        with contextlib.suppress(TimeoutError):
            while True:  # until nothing more goes out for a while: the buffers are full
                progressed.clear()
                await asyncio.wait_for(progressed.wait(), 0.3)
        stalled_at = sent_bytes
        assert stalled_at < 8 * 1024 * 1024
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
        assert await ended == stalled_at


async def test_an_asgi_refusal_is_an_http_answer_before_the_upgrade() -> None:
    async def app(scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
        upgrade = AsgiUpgrade(scope, receive, send)
        assert upgrade.query("customer_phone") == " 123"
        assert upgrade.subprotocols == ("nexus.v1", "token.a.b")
        assert upgrade.header("Authorization") == "Bearer x"
        await upgrade.refuse(429, b'{"code": "no"}', {"Retry-After": "5"})

    async with uvicorn_port(app) as port, asyncio.timeout(DEADLINE_S):
        with pytest.raises(InvalidStatus) as caught:
            await connect(
                f"ws://127.0.0.1:{port}/?customer_phone=+123",
                subprotocols=[Subprotocol("nexus.v1"), Subprotocol("token.a.b")],
                additional_headers={"Authorization": "Bearer x"},
            )
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "5"
    assert caught.value.response.body == b'{"code": "no"}'


async def test_a_server_without_http_answers_closes_instead() -> None:
    sent: list[str] = []

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message["type"])

    await AsgiUpgrade({"type": "websocket", "path": "/", "headers": []}, receive, send).refuse(404, b"", {})
    assert sent == ["websocket.close"]


async def test_a_caller_whose_microphone_stays_open_is_let_go_at_once(served: Served) -> None:
    """What nobody reads any more stands in front of the caller's goodbye."""
    took_s: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def handler(server_side: Socket) -> None:
        await server_side.receive()
        await asyncio.sleep(0.3)  # the call is over, its parts are being closed; nobody reads
        began = asyncio.get_running_loop().time()
        await server_side.close(1000, "over")
        took_s.set_result(asyncio.get_running_loop().time() - began)

    async with served(handler) as port, dial(port) as client:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await client.send(bytes(64_000))
                await asyncio.sleep(0.005)
        assert await asyncio.wait_for(took_s, DEADLINE_S) < 0.5
        await asyncio.wait_for(client.wait_closed(), 0.5)
