"""The relay changes nothing and reads back every message, and the steps are found where they are."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, WebSocketException

from benchmarks.caller import now_ms
from benchmarks.steps import CYCLE_MS, RISE, SILENT_MS, SOFT_MS, START, Heard, crossings, cycle, delays
from benchmarks.tap import BINARY, CLOSE, Passed, messages, newest_link, tapped
from media_plane.audio import AudioFrame

SIZES = (0, 1, 125, 126, 70_000)


async def test_what_passes_is_unchanged_and_noted_with_its_time() -> None:
    async def twice(connection: ServerConnection) -> None:
        async for message in connection:
            assert isinstance(message, bytes)
            await connection.send(message * 2)

    began = now_ms()
    async with serve(twice, "127.0.0.1", 0) as server, tapped(next(iter(server.sockets)).getsockname()[1]) as tap:
        async with connect(f"ws://127.0.0.1:{tap.port}/x?y=1", proxy=None, compression=None) as connection:
            for size in SIZES:
                await connection.send(b"\x01" * size)
                assert await connection.recv() == b"\x01" * (2 * size)
        (link,) = tap.links
    assert tap.sessions() == [link]
    there, back = list(messages(link.to_model)), list(messages(link.from_model))
    assert [len(each.payload) for each in there if each.kind == BINARY] == list(SIZES)
    assert [len(each.payload) for each in back if each.kind == BINARY] == [2 * size for size in SIZES]
    assert set(b"".join(each.payload for each in there if each.kind == BINARY)) == {1}, "the client's mask is taken off"
    assert there[-1].kind == CLOSE
    times = [each.at_ms for each in there]
    assert began <= link.opened_ms <= times[0] and times == sorted(times)


async def test_a_probe_is_no_session_and_the_newest_session_is_found() -> None:
    async with serve(lambda connection: connection.wait_closed(), "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with tapped(port) as first, tapped(port) as second:
            seen = [0, 0]
            for tap in (second, first, second):
                async with connect(f"ws://127.0.0.1:{tap.port}", proxy=None):
                    assert await newest_link([first, second], seen) is tap.sessions()[-1]
            reader, writer = await asyncio.open_connection("127.0.0.1", first.port)
            writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            assert await reader.read(5) == b"HTTP/"
            writer.close()
            assert (seen, len(first.links), len(first.sessions())) == ([1, 2], 2, 1)


async def test_a_server_that_is_not_there_refuses_through_the_relay() -> None:
    async with serve(lambda connection: connection.wait_closed(), "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
    async with tapped(port) as tap:
        with pytest.raises((OSError, WebSocketException, ConnectionClosed)):
            async with connect(f"ws://127.0.0.1:{tap.port}", proxy=None):
                pass
        assert tap.links == []


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 40))
def test_any_cutting_of_the_bytes_gives_the_same_messages(payloads: list[bytes], step: int) -> None:
    stream = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
    for payload in payloads:
        size = bytes((len(payload),)) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big")
        stream += b"\x82" + size + payload
    pieces = [Passed(float(at), stream[at : at + step]) for at in range(0, len(stream), step)]
    assert [each.payload for each in messages(pieces)] == payloads
    whole = [each.payload for each in messages(pieces[:-1])]
    assert whole == payloads[: len(whole)], "a message that is not all there is left out"


async def test_a_peer_that_vanishes_takes_the_other_side_with_it() -> None:
    gone = asyncio.Event()

    async def wait(connection: ServerConnection) -> None:
        await connection.wait_closed()
        gone.set()

    async with serve(wait, "127.0.0.1", 0) as server, tapped(next(iter(server.sockets)).getsockname()[1]) as tap:
        connection = await connect(f"ws://127.0.0.1:{tap.port}", proxy=None)
        connection.transport.abort()
        async with asyncio.timeout(5):
            await gone.wait()


def heard(pcm: bytes, sizes_ms: int, rate_hz: int) -> list[Heard]:
    size = sizes_ms * rate_hz // 1000 * 2
    return [Heard(1_000.0 + n * sizes_ms, AudioFrame(pcm[at : at + size], rate_hz)) for n, at in enumerate(range(0, len(pcm), size))]


@given(st.sampled_from((20, 60, 80)), st.sampled_from((16_000, 24_000)), st.integers(1, 4))
def test_steps_are_found_whatever_the_pieces(piece_ms: int, rate_hz: int, times: int) -> None:
    found = heard(cycle(rate_hz).pcm * times, piece_ms, rate_hz)
    for level, first_ms in ((START, SILENT_MS), (RISE, SILENT_MS + SOFT_MS)):
        at = [each.at_ms - 1_000.0 + each.into_ms for each in crossings(found, level)]
        assert at == pytest.approx([n * CYCLE_MS + first_ms for n in range(times)], abs=1.0)


def test_a_sound_that_only_goes_on_is_no_step() -> None:
    tone = cycle(16_000).pcm[SILENT_MS * 32 :]
    assert crossings(heard(tone * 3, 20, 16_000), START) == []
    assert [each.at_ms for each in crossings(heard(tone * 3, 20, 16_000), START, quiet_before=True)] == [1_000.0]


def test_delays_pair_each_sending_with_what_came_next() -> None:
    assert delays([0.0, 100.0, 5_000.0], [30.0, 90.0, 120.0]) == [30.0, 20.0]
    assert delays([10.0], [9.0]) == []
