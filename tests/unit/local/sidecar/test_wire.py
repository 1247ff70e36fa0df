"""The double's wire is the genuine server's: what is sent, when, and how each session ends."""

from __future__ import annotations

import asyncio
import contextlib

import numpy as np
import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from local.sidecar.options import VOICES, SidecarOptions
from local.sidecar.server import Sidecar
from nexus.errors import ConfigurationError
from tests.fakes.personaplex_tape import page
from tests.fakes.sidecar_client import GOOD, Client, connected, sound_of, talking, tone

ECHO = SidecarOptions(mode="echo", setup_s=0.03)
SILENT = SidecarOptions(mode="silent", setup_s=0.03)


async def test_a_plain_get_is_refused_with_400_also_in_a_live_session() -> None:
    async with Sidecar(SILENT) as sidecar, ClientSession() as http:
        address = sidecar.url.replace("ws:", "http:")
        async with http.get(address) as answer:
            assert answer.status == 400
            assert "No WebSocket UPGRADE hdr" in await answer.text()
        async with talking(sidecar.url) as client:
            await client.speak()
            async with http.get(address) as answer:
                assert answer.status == 400
            await client.pages(1)
        assert len(sidecar.sessions) == 1, "a plain GET is no session"


@pytest.mark.parametrize("path", ["/", "/health", "/metrics", "/api", "/api/chat/"])
async def test_there_is_nothing_else_on_the_port(path: str) -> None:
    async with Sidecar(SILENT) as sidecar, ClientSession() as http:
        answer = await http.get(sidecar.url.replace("ws:", "http:").replace("/api/chat", path))
        assert answer.status == 404


async def test_the_handshake_is_one_zero_byte_and_both_headers_follow_before_any_caller_audio() -> None:
    async with Sidecar(SILENT) as sidecar, connected(sidecar.url) as client:
        assert await client.message() == b"\x00"
        head, tags = [page((await client.message() or b"")[1:]) for _ in range(2)]
        assert head.flags == 2 and head.packets[0][:8] == b"OpusHead" and len(head.packets[0]) == 19
        assert tags.flags == 0 and tags.packets[0][:8] == b"OpusTags"
        assert (head.serial, head.sequence, tags.sequence) == (42, 0, 1)


async def test_it_is_clocked_by_the_caller_one_page_for_each_80_ms_and_nothing_without_input() -> None:
    async with Sidecar(SILENT) as sidecar, talking(sidecar.url) as client:
        assert await client.hears_nothing()
    async with Sidecar(SILENT) as sidecar, talking(sidecar.url) as client:
        for number in range(1, 6):
            await client.speak()
            [got] = [page(data) for data in await client.pages(1)]
            assert (got.sequence, got.granule, got.serial) == (number + 1, number * 1920, 42)
            assert len(got.packets) == 1 and got.packets[0][0] & 3 == 3, "one packet of 80 ms: four frames of 20"
        assert sidecar.sessions[0].frames_in == sidecar.sessions[0].frames_out == 5


async def test_short_packets_in_any_cutting_of_the_byte_stream_are_put_together_to_frames() -> None:
    async with Sidecar(ECHO) as sidecar, talking(sidecar.url) as client:
        stream = b""
        for number in range(16):
            client.writer.append_pcm(tone(8)[number * 960 :][:960])
            stream += client.writer.read_bytes()
        for at in range(0, len(stream), 37):
            await client.socket.send_bytes(b"\x01" + stream[at : at + 37])
        assert len(await client.pages(8)) == 8
        assert await client.hears_nothing()


async def test_echo_says_what_it_heard_one_frame_later_with_text_pieces() -> None:
    async with Sidecar(ECHO) as sidecar, talking(sidecar.url) as client:
        loud = tone(4)
        for number in range(4):
            await client.speak(loud[number * 1920 : (number + 1) * 1920])
        for _ in range(3):
            await client.speak()
        sound = sound_of(await client.pages(7)).reshape(7, 1920)
        levels = np.sqrt((sound**2).mean(axis=1))
        assert levels[0] < 0.01 and (levels[2:5] > 0.1).all() and levels[6] < 0.02, levels
        assert client.text == sidecar.sessions[0].text == " I say"


async def test_a_clients_close_is_answered_with_1000_and_frees_the_lock() -> None:
    async with Sidecar(SILENT) as sidecar:
        async with talking(sidecar.url) as client:
            assert await client.close() == 1000
        async with talking(sidecar.url):
            assert [session.ended for session in sidecar.sessions] == ["closed", "open"]


async def test_headers_sent_before_the_handshake_are_lost_and_audio_then_ends_the_session() -> None:
    async with Sidecar(SILENT) as sidecar, connected(sidecar.url) as client:
        await client.headers()
        await client.shake()
        assert await client.hears_nothing()
        await client.speak()
        assert await client.until_closed() == 1000
        assert sidecar.sessions[0].ended == "deaf"


async def _flip(client: Client) -> None:
    client.writer.append_pcm(tone())
    bad = bytearray(client.writer.read_bytes())
    bad[-1] ^= 0xFF
    await client.socket.send_bytes(b"\x01" + bytes(bad))
    await client.speak()


async def _second_beginning(client: Client) -> None:
    client.writer = type(client.writer)(24_000)
    await client.headers()
    await client.speak()


@pytest.mark.parametrize("breaking", [_flip, _second_beginning])
async def test_a_broken_ogg_stream_ends_the_session_with_1000(breaking: object) -> None:
    async with Sidecar(SILENT) as sidecar, talking(sidecar.url) as client:
        await client.speak()
        await client.pages(1)
        await breaking(client)  # type: ignore[operator]
        assert await client.until_closed() == 1000
        assert sidecar.sessions[0].ended == "deaf"


async def test_raw_opus_packets_without_ogg_leave_it_deaf_and_mute_without_a_word() -> None:
    async with Sidecar(SILENT) as sidecar, connected(sidecar.url) as client:
        await client.shake()
        for _ in range(5):
            await client.socket.send_bytes(b"\x01\x6b\x84" + bytes(60))
        assert await client.hears_nothing()
        assert sidecar.sessions[0].ended == "open"


async def test_other_kinds_text_frames_and_empty_messages_are_ignored() -> None:
    async with Sidecar(SILENT) as sidecar, talking(sidecar.url) as client:
        for kind in (3, 4, 5, 6, 200):
            await client.socket.send_bytes(bytes([kind, 1, 2]))
        await client.socket.send_str("hello")
        await client.socket.send_bytes(b"")
        await client.speak()
        assert len(await client.pages(1)) == 1
        assert sidecar.sessions[0].ignored == [3, 4, 5, 6, 200, -1, -1]


async def test_a_message_beyond_4_mib_closes_with_1009() -> None:
    async with Sidecar(SILENT) as sidecar, talking(sidecar.url) as client:
        reading = asyncio.create_task(client.until_closed())
        with contextlib.suppress(ConnectionError):  # the server no longer reads the rest
            await client.socket.send_bytes(bytes(4 * 2**20 + 1))
        assert await reading == 1009


@pytest.mark.parametrize(
    "query",
    [
        {"voice_prompt": "NATF0.pt"},
        {"text_prompt": "Hello."},
        {"text_prompt": "", "voice_prompt": "NATF0.pt"},
        {"text_prompt": "Hello.", "voice_prompt": "NATF9.pt"},
        {"text_prompt": "Hello.", "voice_prompt": "NATF0"},
        {"text_prompt": "Hello.", "voice_prompt": "../NATF0.pt"},
        {"text_prompt": "Hello.", "voice_prompt": "NATF0.pt", "seed": "7"},
    ],
)
async def test_a_wrong_parameter_is_upgraded_and_then_cut_without_a_close(query: dict[str, str]) -> None:
    async with Sidecar(SILENT) as sidecar:
        async with connected(sidecar.url, query) as client:
            assert await client.until_closed() == 1006
            assert client.received == []
        async with talking(sidecar.url):
            assert [session.ended for session in sidecar.sessions] == ["refused", "open"], "the next one is served"


async def test_what_the_web_client_sends_beside_is_harmless() -> None:
    query = {**GOOD, "text_temperature": "0.7", "audio_topk": "250", "pad_mult": "0", "text_seed": "1", "worker_auth_id": "x"}
    async with Sidecar(SILENT) as sidecar, talking(sidecar.url, query) as client:
        await client.speak()
        assert await client.pages(1)


async def test_the_request_line_may_have_seven_thousand_bytes_of_prompt_and_not_nine() -> None:
    async with Sidecar(SILENT) as sidecar:
        async with talking(sidecar.url, {**GOOD, "text_prompt": "y" * 7000}):
            assert len(sidecar.sessions[0].used_prompt) == 7000
        with pytest.raises(WSServerHandshakeError) as refused:
            async with connected(sidecar.url, {**GOOD, "text_prompt": "y" * 9000}):
                pass
        assert refused.value.status == 400


def test_there_are_eighteen_voices() -> None:
    assert len(VOICES) == 18
    assert {"NATF0.pt", "NATF3.pt", "NATM3.pt", "VARF4.pt", "VARM4.pt"} <= VOICES
    assert not {"NATF4.pt", "VARM5.pt"} & VOICES


async def test_a_taken_port_is_named() -> None:
    async with Sidecar(SILENT) as sidecar:
        port = int(sidecar.url.split(":")[2].split("/")[0])
        with pytest.raises(ConfigurationError, match=str(port)):
            await Sidecar(SidecarOptions(port=port)).start()
