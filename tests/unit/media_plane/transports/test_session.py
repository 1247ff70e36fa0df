"""The caller's transport: a codec over a socket."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from media_plane.audio import AudioFrame
from media_plane.conversation.commands import TellAudio, TellState
from media_plane.ports.caller import ReceivedText, SocketClosed
from media_plane.transports.browser import CallFacts, NexusV1
from media_plane.transports.session import WireTransport
from media_plane.transports.simple_door import SimpleDoor
from nexus.errors import ProtocolViolation
from tests.fakes.pcm_codecs import pcm_codecs

START = '{"type": "session.start"}'


class FakeSocket:
    """A peer that sends a script; ``reads`` may be cleared to make it stop reading."""

    def __init__(self, *script: bytes | str) -> None:
        self._script = list(script)
        self.sent: list[bytes | str] = []
        self.closed: tuple[int, str] | None = None
        self.reads = asyncio.Event()
        self.reads.set()
        self.idle = False

    async def receive(self) -> bytes | str:
        if self._script:
            return self._script.pop(0)
        if self.idle:
            await asyncio.Event().wait()
        raise SocketClosed(clean=True)

    async def send(self, message: bytes | str) -> None:
        await self.reads.wait()
        if self.closed:
            raise SocketClosed(clean=True)
        self.sent.append(message)

    async def close(self, code: int, reason: str) -> None:
        self.closed = self.closed or (code, reason)

    def types(self) -> list[str]:
        return [json.loads(message)["type"] if isinstance(message, str) else "audio" for message in self.sent]


def browser(socket: FakeSocket) -> WireTransport:
    return WireTransport(socket, NexusV1(CallFacts("call_01", "t1", 600, 30), pcm_codecs()))


async def opened(*script: bytes | str) -> tuple[FakeSocket, WireTransport]:
    socket = FakeSocket(START, *script)
    transport = browser(socket)
    await transport.open()
    return socket, transport


async def test_it_opens_when_the_client_has_said_what_it_sends() -> None:
    socket = FakeSocket('{"type": "ping"}', START, '{"type": "input.text", "text": "hi"}')
    transport = browser(socket)
    await transport.open()
    assert socket.types() == ["pong", "session.started"]
    assert transport.output.sample_rate_hz == 16_000
    assert await transport.receive() == (ReceivedText("hi"),)
    with pytest.raises(SocketClosed):
        await transport.receive()


async def test_a_client_that_says_nothing_is_not_waited_for_for_ever() -> None:
    socket = FakeSocket()
    socket.idle = True
    with pytest.raises(ProtocolViolation, match="session_start_expected"):
        await browser(socket).open(timeout_s=0.01)


async def test_a_client_that_hangs_up_before_it_began_is_gone() -> None:
    socket = FakeSocket('{"type": "session.end"}')
    socket.idle = True
    with pytest.raises(SocketClosed) as caught:
        await browser(socket).open()
    assert caught.value.clean


async def test_what_ends_the_call_is_told_first() -> None:
    socket = FakeSocket('{"type": "session.start", "audio": {"input": {"codec": "mp3"}}}')
    with pytest.raises(ProtocolViolation, match="codec_unsupported"):
        await browser(socket).open()
    assert json.loads(socket.sent[-1])["code"] == "codec_unsupported"


async def test_the_simple_door_is_open_at_once_and_greets() -> None:
    socket = FakeSocket("hello")
    codec = SimpleDoor("call_01", "t1", pcm_codecs())
    transport = WireTransport(socket, codec)
    await transport.open(codec.connected())
    assert socket.types() == ["connected"]
    assert await transport.receive() == (ReceivedText("hello"),)


async def test_play_says_how_many_bytes_went_out() -> None:
    socket, transport = await opened()
    assert await transport.play(AudioFrame(bytes(640 * 3 + 10), 16_000)) == 640 * 3
    assert await transport.play(AudioFrame(bytes(10), 16_000)) == 0
    await transport.tell(TellAudio("end", "a1"))
    assert socket.types() == ["session.started", "audio", "audio", "audio", "audio", "audio.end"]


async def test_messages_keep_their_order_while_the_caller_does_not_read() -> None:
    socket, transport = await opened()
    socket.reads.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(transport.play(AudioFrame(bytes(1280), 16_000)))
        for _ in range(5):
            tasks.create_task(transport.tell(TellState("listening")))
        for _ in range(10):
            await asyncio.sleep(0)
        assert socket.types() == ["session.started"]
        socket.reads.set()
    assert socket.types() == ["session.started", "audio", "audio", *["state"] * 5]
    seqs: list[Any] = [json.loads(message)["seq"] for message in socket.sent if isinstance(message, str)]
    assert seqs == list(range(1, 7))


async def test_the_farewell_comes_before_the_close() -> None:
    socket, transport = await opened()
    await transport.close("caller_hangup", 1000)
    assert json.loads(socket.sent[-1]) == {"type": "session.ended", "seq": 2, "end_reason": "caller_hangup"}
    assert socket.closed == (1000, "caller_hangup")
    await transport.close("caller_hangup", 1000)


async def test_a_caller_who_does_not_read_is_closed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media_plane.transports.session.FAREWELL_TIMEOUT_S", 0.01)
    socket, transport = await opened()
    socket.reads.clear()
    await transport.close("idle_socket", 1000)
    assert socket.closed == (1000, "idle_socket")
