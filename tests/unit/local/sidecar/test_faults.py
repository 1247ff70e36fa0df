"""Each fault of the double, set before the start or while a session runs, and what is left of the server afterwards."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlencode

import pytest
from aiohttp import ClientConnectionError, ClientSession

from local.sidecar.options import Faults, SidecarOptions
from local.sidecar.server import Sidecar, sidecars
from nexus.clock import Clock
from tests.fakes.personaplex_tape import page
from tests.fakes.sidecar_client import GOOD, connected, talking


def _double(**faults: object) -> Sidecar:
    return Sidecar(SidecarOptions(mode="silent", setup_s=0.02, faults=Faults(**faults)))  # type: ignore[arg-type]


async def test_a_failing_model_closes_with_1000_unasked_and_the_next_session_works() -> None:
    async with _double(fail_after_frames=3) as sidecar:
        async with talking(sidecar.url) as client:
            for _ in range(5):
                await client.speak()
            assert len(await client.pages(3)) == 3
            assert await client.until_closed() == 1000
            assert sidecar.sessions[0].ended == "failed"
        sidecar.faults.fail_after_frames = None
        async with talking(sidecar.url) as client:
            for _ in range(5):
                await client.speak()
            assert len(await client.pages(5)) == 5


async def test_a_fault_set_in_a_living_session_shows_at_the_next_frame() -> None:
    async with _double() as sidecar, talking(sidecar.url) as client:
        await client.speak()
        await client.pages(1)
        sidecar.faults.fail_after_frames = 0
        await client.speak()
        assert await client.until_closed() == 1000


async def test_a_hanging_model_gives_nothing_more_but_the_socket_lives() -> None:
    async with _double(hang_after_frames=2) as sidecar, talking(sidecar.url) as client:
        for _ in range(6):
            await client.speak()
        await client.pages(2)
        assert await client.ping()
        assert await client.hears_nothing()
        assert await client.close() == 1000


async def test_a_dropped_session_is_a_reset_and_the_server_takes_the_next() -> None:
    async with _double(drop_after_frames=2) as sidecar:
        async with talking(sidecar.url) as client:
            for _ in range(3):
                await client.speak()
            assert await client.until_closed() == 1006
        await sidecar.idle()
        assert sidecar.sessions[0].ended == "dropped"
        sidecar.faults.drop_after_frames = None
        async with talking(sidecar.url):
            pass


async def test_a_mute_model_hears_and_says_nothing_and_goes_on_without_a_gap_in_the_pages() -> None:
    async with _double() as sidecar, talking(sidecar.url) as client:
        await client.speak()
        await client.pages(1)
        sidecar.faults.mute = True
        await client.speak()
        assert await client.hears_nothing()
        sidecar.faults.mute = False
        await client.speak()
        [data] = await client.pages(1)
        assert page(data).sequence == 3
        assert (sidecar.sessions[0].frames_in, sidecar.sessions[0].frames_out) == (3, 2)


async def test_a_slow_model_falls_behind_and_drops_nothing() -> None:
    async with _double(slow_ms=30) as sidecar, talking(sidecar.url) as client:
        began = time.monotonic()
        for _ in range(8):
            await client.speak()
        assert len(await client.pages(8)) == 8
        assert time.monotonic() - began >= 8 * 0.030
        assert sidecar.sessions[0].frames_in == 8


async def test_a_burst_is_worked_off_as_fast_as_the_model_can() -> None:
    async with _double() as sidecar, talking(sidecar.url) as client:
        for _ in range(50):
            await client.speak()
        assert len(await client.pages(50)) == 50


async def test_a_corrupt_page_comes_in_its_place_between_good_ones() -> None:
    async with _double() as good, _double(corrupt_page=2) as bad:
        came = []
        for sidecar in (good, bad):
            async with talking(sidecar.url) as client:
                for _ in range(3):
                    await client.speak()
                came.append(await client.pages(3))
    assert came[0][0] == came[1][0] and came[0][2] == came[1][2]
    assert came[0][1] != came[1][1] and came[0][1][:-1] == came[1][1][:-1], "one byte differs, the checksum does not"


async def test_a_refused_handshake_is_upgraded_and_cut() -> None:
    async with _double(refuse_handshake=True) as sidecar, connected(sidecar.url) as client:
        assert await client.until_closed() == 1006
        assert sidecar.sessions[0].ended == "refused"


async def test_a_set_up_that_never_ends_answers_pings_and_notices_a_close() -> None:
    async with _double(never_handshake=True) as sidecar:
        async with connected(sidecar.url) as client:
            assert await client.ping()
            assert await client.hears_nothing()
            assert await client.close() == 1000
        await sidecar.idle()
        assert sidecar.sessions[0].ended == "closed"
        assert sidecar.sessions[0].handshake_at_ms is None
        sidecar.faults.never_handshake = False
        async with talking(sidecar.url):
            pass


async def test_a_half_open_server_reads_nothing_and_answers_no_close() -> None:
    async with _double(half_open_after_frames=1) as sidecar, talking(sidecar.url) as client:
        await client.speak()
        await client.speak()
        await client.pages(1)
        assert await client.hears_nothing(), "the second frame was its last"
        assert not await client.ping()
        began = time.monotonic()
        assert await client.close() == 1006 and time.monotonic() - began > 0.4, "no closing handshake came"


async def test_a_cut_is_a_tcp_reset_and_not_an_end_of_the_stream() -> None:
    sidecar = _double(never_handshake=True)
    await sidecar.start()
    host, port = sidecar.url.removeprefix("ws://").split("/")[0].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    query = urlencode(GOOD)
    writer.write(
        f"GET /api/chat?{query} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    await sidecar.stop()
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    writer.close()


async def test_stopping_cuts_everybody_and_starting_again_takes_the_same_port() -> None:
    sidecar = _double()
    url = await sidecar.start()
    async with talking(url) as client:
        await sidecar.stop()
        assert await client.until_closed() == 1006
        assert sidecar.sessions[0].ended == "stopped"
    with pytest.raises(ClientConnectionError):
        async with ClientSession() as session, session.ws_connect(url, params=GOOD):
            pass
    assert await sidecar.start() == url
    async with talking(url):
        pass
    await sidecar.stop()
    await sidecar.stop()


async def test_several_doubles_have_faults_of_their_own() -> None:
    async with sidecars(SidecarOptions(mode="silent", setup_s=0), 2) as (one, two):
        one.faults.refuse_handshake = True
        async with connected(one.url) as client, talking(two.url):
            assert await client.until_closed() == 1006


async def test_the_set_up_takes_its_time_on_the_clock_it_was_given() -> None:
    clock = Clock(speed=20)
    async with Sidecar(SidecarOptions(mode="silent", setup_s=4), clock=clock) as sidecar, talking(sidecar.url):
        [session] = sidecar.sessions
        assert session.handshake_at_ms is not None
        assert 4000 <= session.handshake_at_ms - session.connected_at_ms < 8000
