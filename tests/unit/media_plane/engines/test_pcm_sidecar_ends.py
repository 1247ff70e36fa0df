"""How a PCM sidecar line ends: lost, cut off, or closed and confirmed."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from media_plane.engines.pcm_sidecar import PcmSidecarLimits
from media_plane.engines.pcm_sidecar_wire import MAX_MESSAGE_BYTES
from media_plane.ports.speech_line import LineNotice
from nexus.errors import UpstreamError
from tests.fakes.pcm_line import (
    BRIEF,
    DEADLINE_S,
    FRAME,
    LOUD,
    line_to,
    lost_by,
    opened,
    spoken,
    told,
    until_lost,
)
from tests.fakes.pcm_sidecar_server import Side, sidecar_server


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4000])
async def test_any_close_that_was_not_asked_for_is_a_loss(code: int) -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.hear(640)
        await side.give(LOUD)
        await side.connection.close(code, "bye")

    last, before = await lost_by(script)
    assert last.code == "engine_lost"
    assert f"{code}: 'bye'" in last.message
    assert spoken(before) == LOUD


async def test_a_reset_connection_is_a_loss() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.hear(640)
        wire = side.connection.transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        side.connection.transport.abort()

    last, _ = await lost_by(script)
    assert (last.code, "broke" in last.message) == ("engine_lost", True)


async def test_a_message_beyond_the_limit_is_a_loss_that_names_the_limit() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.give(bytes(MAX_MESSAGE_BYTES))
        await side.give(bytes(MAX_MESSAGE_BYTES + 1))
        await side.listen()

    last, _ = await lost_by(script)
    assert last.code == "engine_lost"
    assert "1009" in last.message


async def test_fed_and_mute_is_a_loss_even_if_the_library_answers_pings() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.listen()

    last, _ = await lost_by(script, PcmSidecarLimits(mute_ms=2_000))
    assert last.code == "engine_mute"


async def test_keepalive_is_enough_to_be_alive() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        for heard in range(1, 13):
            await side.hear(heard * 32_000)
            await side.tell("keepalive")
        await side.tell("error", message="end")

    last, _ = await lost_by(script, PcmSidecarLimits(mute_ms=8_000))
    assert last.code == "engine_lost", "twelve seconds of nothing but keepalive"


async def test_a_server_that_stops_reading_loses_old_audio_first_and_then_the_call() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        while True:
            await side.tell("keepalive")  # alive by its own account, but deaf
            await asyncio.sleep(0.005)

    last, before = await lost_by(script, PcmSidecarLimits(dropped_ms=1_000), buffer_bytes=4_096)
    assert last.code == "engine_lagging"
    assert [event.code for event in told(before) if isinstance(event, LineNotice)] == ["engine_lagging"]


async def test_close_is_confirmed_by_the_server_and_ends_the_events_in_silence() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.listen()

    async with opened(script) as (line, server):
        reading = asyncio.create_task(until_lost(line))
        line.send(FRAME)
        await asyncio.sleep(0)
        assert await line.close() is True
        assert told(await reading) == []
        await server.over.wait()
        assert server.sides[0].connection.close_code == 1000
        assert await line.close() is True, "again is silent"
        line.send(FRAME)
        assert [event async for event in line.events()] == []


async def test_close_is_confirmed_although_nobody_read_what_was_sent() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        for _ in range(400):
            await side.tell("keepalive")
            await side.give(LOUD)
        await side.listen()

    async with opened(script) as (line, _):
        assert await line.close() is True


async def test_close_does_not_wait_longer_than_its_deadline_for_a_dead_server() -> None:
    hanging = asyncio.Event()

    async def script(side: Side) -> None:
        await side.accept()
        await side.hear(640)
        side.connection.transport.pause_reading()
        await hanging.wait()

    async with opened(script, PcmSidecarLimits(close_ms=200), buffer_bytes=4_096) as (line, _):
        for _ in range(200):
            line.send(FRAME)
            await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        assert await line.close() is False
        assert asyncio.get_running_loop().time() - began < 2.0
        hanging.set()


async def test_closed_while_it_opens_it_is_not_open() -> None:
    async def script(side: Side) -> None:
        await side.take_start()
        await side.listen()

    async with asyncio.timeout(DEADLINE_S), sidecar_server(script) as server:
        for yields in (0, 200):  # before it is connected, and while session.ready is waited for
            line = line_to(server.url)
            opening = asyncio.create_task(line.open(BRIEF))
            while yields and not server.sides:  # noqa: ASYNC110 - the server's side is another task on this loop
                await asyncio.sleep(0.001)
            await asyncio.sleep(0)
            await line.close()
            with pytest.raises(UpstreamError):
                await opening
            await server.over.wait()
            server.over.clear()
            server.sides.clear()


async def test_close_of_a_line_that_was_never_opened() -> None:
    assert await line_to("ws://127.0.0.1:1/").close() is False


async def test_a_cancelled_close_lets_the_connection_go() -> None:
    gone = asyncio.Event()

    async def script(side: Side) -> None:
        await side.accept()
        side.connection.transport.pause_reading()
        await gone.wait()

    async with opened(script, PcmSidecarLimits(close_ms=60_000)) as (line, server):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await line.close()
        server.sides[0].connection.transport.resume_reading()
        await server.sides[0].connection.wait_closed()
        gone.set()
