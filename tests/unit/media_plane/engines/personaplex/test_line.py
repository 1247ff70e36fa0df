"""A whole line against recorded and hand-made servers: what it sends, in which order, and how it ends."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time

from websockets.asyncio.server import ServerConnection

from media_plane.audio import AudioFrame
from media_plane.codecs.ogg import OggReader, OggWriter
from media_plane.codecs.opus_packet import packet_samples_48k
from media_plane.conversation.commands import CallerAudio
from media_plane.engines.personaplex.connection import MESSAGE_LIMIT_BYTES
from media_plane.engines.personaplex.line import LineSettings
from media_plane.ports.speech_line import LineLost, ModelText
from nexus.clock import Clock
from tests.fakes.line_talk import BRIEF, LOUD, talk
from tests.fakes.personaplex_line import FAST, line_to, soon
from tests.fakes.personaplex_server import replayed, served
from tests.fakes.personaplex_tape import page, tape
from tests.fakes.webm_bytes import tone


def genuine_packets(name: str) -> tuple[CallerAudio, ...]:
    packets = OggReader().feed(b"".join(message[1:] for message in tape(name).client))
    return tuple(CallerAudio(AudioFrame(tone(80, 16_000), 16_000), (packet,)) for packet in packets)


async def test_the_recorded_session_comes_through_whole() -> None:
    async with served(replayed(tape("echo-10s"))) as address, talk(line_to(address), FAST) as talking:
        for audio in genuine_packets("echo-10s"):
            await talking.speak(80, audio)
        await talking.until(lambda: talking.heard_ms == 123 * 80)
        assert talking.words.startswith(" H")
        assert "audio_corrupt" not in talking.notices and talking.lost is None


async def test_a_close_with_1000_that_nobody_asked_for_is_a_loss() -> None:
    """The genuine server's answer to an exception of its model."""
    async with served(replayed(tape("model-exception"))) as address, talk(line_to(address), FAST) as talking:
        for audio in genuine_packets("model-exception"):
            await talking.speak(80, audio)
        lost = await talking.end()
        assert lost is not None and lost.code == "engine_lost" and "1000" in lost.message
        assert talking.heard_ms == 39 * 80


async def test_how_far_the_model_is_behind_is_told_with_every_piece_of_audio() -> None:
    """A figure of the process (``EngineLagMs``): what is owed and not yet given."""
    lags: list[float] = []
    async with served(replayed(tape("echo-10s"))) as address:
        line = line_to(address, settings=LineSettings(close_wait_s=0.3, on_lag=lags.append))
        async with talk(line, FAST) as talking:
            for audio in genuine_packets("echo-10s"):
                await talking.speak(80, audio)
            await talking.until(lambda: talking.heard_ms == 123 * 80)
    assert len(lags) == len(genuine_packets("echo-10s")) and min(lags) >= 0 < max(lags)


async def test_nothing_is_sent_before_the_handshake_and_then_the_headers_and_one_stream() -> None:
    received: list[bytes] = []
    begin, enough = asyncio.Event(), asyncio.Event()

    async def behave(connection: ServerConnection) -> None:
        await begin.wait()
        await connection.send(b"\x00")
        async for message in connection:
            received.append(message if isinstance(message, bytes) else message.encode())
            if len(received) == 8:
                enough.set()

    async with served(behave) as address:
        line = line_to(address)
        opening = asyncio.create_task(line.open(BRIEF))
        for _ in range(50):  # audio of a caller who cannot wait
            line.send(LOUD)
            await asyncio.sleep(0)
        begin.set()
        await opening
        assert line.facts.early_ms == 1_000
        for _ in range(6):
            line.send(LOUD)
            await asyncio.sleep(0)
        await soon(enough)
        await line.close()
    head, tags = (page(message[1:]) for message in received[:2])
    assert (head.flags, head.sequence, head.packets[0][:8]) == (2, 0, b"OpusHead")
    assert (tags.sequence, tags.packets[0][:8]) == (1, b"OpusTags")
    assert all(message[:1] == b"\x01" for message in received)
    reader = OggReader()
    assert sum(packet_samples_48k(packet) for message in received for packet in reader.feed(message[1:])) == 6 * 960
    assert reader.faults.missing_pages == 0


async def test_sending_never_waits_for_a_server_that_does_not_read() -> None:
    done = asyncio.Event()

    async def behave(connection: ServerConnection) -> None:
        await connection.send(b"\x00")
        connection.transport.pause_reading()
        await done.wait()

    slow = Clock()
    big = CallerAudio(AudioFrame(tone(40, 16_000), 16_000), (bytes([31 << 3 | 3, 2]) + bytes(2_400),))
    async with served(behave) as address:
        line = line_to(address, clock=slow)
        await line.open(BRIEF)
        begin = time.process_time()
        for _ in range(20_000):
            line.send(big)
        spent_s = time.process_time() - begin
        confirmed = await line.close()
        done.set()
    assert spent_s < 5
    assert line.facts.dropped_ms > 0.9 * 20_000 * 40, "faster than real time: nearly all of it"
    assert confirmed is False


async def test_a_flood_of_the_server_leaves_the_process_its_turns() -> None:
    """Messages that wait already are received without a pause; other calls must be served between them."""
    flood, last = bytes((0x82, 2, 2)) + b"a", bytes((0x82, 2, 2)) + b"z"

    async def behave(connection: ServerConnection) -> None:
        await connection.send(b"\x00")
        connection.transport.write(flood * 20_000 + last)
        await connection.wait_closed()

    turns = 0

    async def other_call() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with served(behave) as address, asyncio.timeout(20):
        line = line_to(address)
        await line.open(BRIEF)
        other = asyncio.create_task(other_call())
        async for event in line.events():
            if isinstance(event, ModelText) and event.text.endswith("z"):
                break
        other.cancel()
        await line.close()
    assert turns > 10_000


async def test_a_message_beyond_the_limit_ends_the_session() -> None:
    async def behave(connection: ServerConnection) -> None:
        await connection.send(b"\x00")
        await connection.recv()
        await connection.recv()
        await connection.send(b"\x01" + bytes(MESSAGE_LIMIT_BYTES))
        await connection.wait_closed()

    async with served(behave) as address, asyncio.timeout(10):
        line = line_to(address)
        await line.open(BRIEF)
        events = [event async for event in line.events()]
        await line.close()
    assert [type(event) for event in events] == [LineLost]


async def test_closing_is_answered_and_silent_the_second_time() -> None:
    closed_with: list[int | None] = []

    async def behave(connection: ServerConnection) -> None:
        await connection.send(b"\x00")
        await connection.wait_closed()
        closed_with.append(connection.close_code)

    async with served(behave) as address:
        line = line_to(address)
        await line.open(BRIEF)
        line.send(LOUD)
        assert await line.close() is True
        assert await line.close() is True
        assert [event async for event in line.events()] == []
        line.send(LOUD)
    assert closed_with == [1000]


async def test_a_line_that_was_never_opened_closes() -> None:
    assert await line_to("ws://127.0.0.1:9/api/chat").close() is False


async def test_closing_does_not_hang_behind_audio_that_nobody_reads() -> None:
    """The server's answer to the close stands behind hundreds of pages."""

    async def behave(connection: ServerConnection) -> None:
        await connection.send(b"\x00")
        writer = OggWriter(42)
        for data in (*writer.headers(), *(writer.page((b"\x0b" + bytes(80),)) for _ in range(1_000))):
            await connection.send(b"\x01" + data)
        await connection.wait_closed()

    async with served(behave) as address:
        line = line_to(address, settings=LineSettings(close_wait_s=2.0))
        await line.open(BRIEF)
        assert await line.close() is True


async def test_a_server_that_does_not_answer_the_close_is_cut_off_at_the_deadline() -> None:
    lost = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(_upgraded(request) + b"\x82\x01\x00")
        try:
            while await reader.read(4_096):
                pass
        except ConnectionResetError:
            lost.set()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        line = line_to(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/chat")
        await line.open(BRIEF)
        begin = time.monotonic()
        assert await line.close() is False
        assert 0.25 < time.monotonic() - begin < 1.5
        await soon(lost)  # a reset, not a polite end: the server's lock is free at once


async def test_cancelling_the_close_lets_it_go_on() -> None:
    gone = asyncio.Event()

    async def behave(connection: ServerConnection) -> None:
        await connection.send(b"\x00")
        await connection.wait_closed()
        gone.set()

    async with served(behave) as address:
        line = line_to(address)
        await line.open(BRIEF)
        closing = asyncio.create_task(line.close())
        await asyncio.sleep(0)
        closing.cancel()
        await soon(gone)


def _upgraded(request: bytes) -> bytes:
    key = next(line.split(b": ")[1] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324
    return b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
