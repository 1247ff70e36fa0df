"""A PCM sidecar line opens, or says why not: real loopback servers that keep the contract, stretch it and break it."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback

import pytest

from media_plane.audio import AudioFrame, silence
from media_plane.conversation.commands import CallerAudio
from media_plane.ports.speech_line import LineNotice, ModelHeard
from media_plane.streams import closing
from nexus.errors import UpstreamError
from tests.fakes.pcm_line import (
    BRIEF,
    DEADLINE_S,
    FRAME,
    LOUD,
    line_to,
    opened,
    spoken,
    told,
    until_spoken,
)
from tests.fakes.pcm_sidecar_server import Script, Side, sidecar_server


async def test_the_first_message_tells_the_brief_and_audio_flows_after_ready() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.hear(1_280)
        await side.give(LOUD)
        await side.listen()

    async with opened(script) as (line, server):
        said = b"\x01\x02" * 320 + b"\x03\x04" * 77
        line.send(CallerAudio(AudioFrame(said[:640], 16_000)))
        line.send(CallerAudio(AudioFrame(said[640:], 16_000)))
        assert spoken(await until_spoken(line, len(LOUD))) == LOUD
        start = server.sides[0].start
        assert bytes(server.sides[0].fed).startswith(said)
        assert (start["type"], start["version"], start["call_id"], start["generation"]) == ("session.start", 1, "call_1", 1)
        assert start["system_prompt"] == "You are Ada."
        assert start["audio"] == {"codec": "pcm_s16le", "sample_rate": 16_000, "channels": 1}


@pytest.mark.parametrize("promised", [True, False, None])
async def test_who_transcribes_is_known_after_open(promised: bool | None) -> None:
    async def script(side: Side) -> None:
        await side.accept(**({} if promised is None else {"transcripts": promised}))
        await side.listen()

    async with opened(script) as (line, _):
        assert line.gives_transcripts is bool(promised)
        line.send(CallerAudio(silence(500, 16_000)))
        async with closing(line.events()) as events:
            first = await anext(events)
        assert (first == ModelHeard("")) is bool(promised), "a promise comes before everything else"


async def refusal(script: Script) -> UpstreamError:
    async with asyncio.timeout(DEADLINE_S), sidecar_server(script) as server:
        return await refusal_at(server.url)


async def refusal_at(url: str) -> UpstreamError:
    line = line_to(url)
    with pytest.raises(UpstreamError) as caught:
        await line.open(BRIEF)
    assert caught.value.code == "engine_unreachable"
    assert [event async for event in line.events()] == []
    line.send(FRAME)
    await line.close()
    return caught.value


async def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "start it" in (await refusal_at(f"ws://127.0.0.1:{port}/v1/audio-stream")).public_message


@pytest.mark.parametrize("address", ["", "localhost:9000", "http://localhost:9000/v1/audio-stream", "ws://localhost:99999/", "ws://[::1/"])
async def test_what_is_no_address_says_how_one_looks(address: str) -> None:
    assert "ws://localhost:9000/v1/audio-stream" in (await refusal_at(address)).public_message


async def test_what_is_no_websocket_is_told_apart() -> None:
    async def silly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(silly, "127.0.0.1", 0) as server:
        error = await refusal_at(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert "speaks no WebSocket" in error.public_message


async def test_a_wrong_path_is_named() -> None:
    async def not_found(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(not_found, "127.0.0.1", 0) as server:
        error = await refusal_at(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert "404" in error.public_message
    assert "/v1/audio-stream" in error.public_message


async def test_a_refusal_carries_the_sidecars_words_on_one_short_line() -> None:
    async def script(side: Side) -> None:
        await side.take_start()
        await side.tell("error", code="no_gpu", message="all\ntaken\x1b[31m" + "!" * 1_000)
        await side.listen()

    message = (await refusal(script)).public_message
    assert "no_gpu: all" in message
    assert message.isprintable()
    assert len(message) < 400


async def test_a_close_before_ready_is_told_with_its_code() -> None:
    async def script(side: Side) -> None:
        await side.take_start()
        await side.connection.close(1013, "come back later")

    assert "1013: 'come back later'" in (await refusal(script)).public_message


async def test_a_redirect_is_not_followed() -> None:
    async def never(side: Side) -> None:
        raise AssertionError("the caller was led elsewhere")

    async with sidecar_server(never) as other, asyncio.timeout(DEADLINE_S):

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            line = line_to(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/audio-stream")
            with pytest.raises(UpstreamError, match="307"):
                await line.open(BRIEF)
            await line.close()


async def test_another_version_is_refused() -> None:
    async def script(side: Side) -> None:
        await side.take_start()
        await side.tell("session.ready", version=2)
        await side.listen()

    assert "version 2" in (await refusal(script)).public_message


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_secrets_of_the_address_are_neither_told_nor_logged(caplog: pytest.LogCaptureFixture, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with caplog.at_level(logging.DEBUG):
        error = await refusal_at(f"{scheme}://ada:hunter2@127.0.0.1:{port}/v1/audio-stream?token=s3cret")
    shown = caplog.text + "".join(traceback.format_exception(error))
    assert not any(secret in shown for secret in ("hunter2", "s3cret"))
    assert scheme == "http" or f"ws://127.0.0.1:{port}/v1/audio-stream" in caplog.text


async def test_what_is_not_understood_before_ready_is_survived_and_told() -> None:
    async def script(side: Side) -> None:
        await side.take_start()
        await side.give(LOUD)
        await side.connection.send("{not json")
        await side.tell("hello", from_="a later version")
        await side.tell("session.ready")
        await side.give(LOUD * 2)
        await side.listen()

    async with opened(script) as (line, _):
        seen = await until_spoken(line, len(LOUD) * 2)
        assert spoken(seen) == LOUD * 2, "audio before session.ready is left out"
        assert [event.code for event in told(seen) if isinstance(event, LineNotice)] == ["message_invalid", "message_not_json"]


async def test_a_cancelled_open_leaves_no_connection() -> None:
    async def script(side: Side) -> None:
        await side.take_start()
        await side.listen()

    async with asyncio.timeout(DEADLINE_S), sidecar_server(script) as server:
        line = line_to(server.url)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await line.open(BRIEF)
        await line.close()
        await server.over.wait()
