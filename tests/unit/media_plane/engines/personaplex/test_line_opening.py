"""A PersonaPlex line opens, or says what answered instead of the model's server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection

from media_plane.engines.personaplex.line import PersonaPlexLine
from media_plane.ports.speech_line import ModelBrief
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError, UpstreamError
from tests.fakes.line_talk import BRIEF, talk
from tests.fakes.personaplex_line import FAST, line_to, soon
from tests.fakes.personaplex_server import Seen, forever, served


async def test_the_request_holds_prompt_and_voice_and_offers_no_compression() -> None:
    seen = Seen()

    async def behave(connection: ServerConnection) -> None:
        await connection.send(b"\x00")
        await forever(connection)

    config = TenantConfig.model_validate(
        {"tenant_id": "fine_cuts", "system_prompt": "Be Ann & be kind: 100%.", "voice_settings": {"voice_id": "../../evil_female"}}
    )
    async with served(behave, seen) as address, talk(line_to(address), FAST, ModelBrief("call_1", 1, config)):
        pass
    assert seen.queries[0]["text_prompt"].startswith("Be Ann & be kind: 100%. ")
    assert seen.queries[0]["voice_prompt"] == "NATF1.pt"
    assert set(seen.queries[0]) == {"text_prompt", "voice_prompt"}
    assert "sec-websocket-extensions" not in seen.headers[0]


async def test_a_prompt_that_was_cut_is_told_once() -> None:
    async def behave(connection: ServerConnection) -> None:
        await connection.send(b"\x00")
        await forever(connection)

    long = ModelBrief("call_1", 1, TenantConfig(tenant_id="fine_cuts", system_prompt="Be kind. " * 900))
    async with served(behave) as address, talk(line_to(address), FAST, long) as talking:
        await talking.until(lambda: talking.notices == ["prompt_cut"])


async def test_where_nobody_listens_the_fix_is_named() -> None:
    async with served(forever) as address:
        pass
    line = line_to(address)
    with pytest.raises(UpstreamError, match=r"cannot be reached; start it, or mend PERSONAPLEX_WS_URL") as fault:
        await line.open(BRIEF)
    assert fault.value.code == "engine_unreachable"
    assert await line.close() is False


async def test_an_address_of_another_kind_of_server_is_told_apart() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(UpstreamError, match=r"HTTP 404; the path must be /api/chat"):
            await line_to(f"ws://127.0.0.1:{port}/chat").open(BRIEF)


async def test_a_redirect_is_not_followed_to_a_process_of_somebody_else() -> None:
    elsewhere = Seen()

    async with served(forever, elsewhere) as other:

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {other}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server, asyncio.timeout(5):
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(UpstreamError, match="HTTP 302"):
                await line_to(f"ws://127.0.0.1:{port}/api/chat").open(BRIEF)
    assert elsewhere.queries == []


async def test_a_server_that_speaks_something_else_is_told_apart() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x15\x03\x01\x00\x02\x02\x0a\r\n\r\n")  # a TLS alert
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(UpstreamError, match="wss://"):
            await line_to(f"ws://127.0.0.1:{port}/api/chat").open(BRIEF)


@pytest.mark.parametrize("first", [b"\x01OggS", b"\x02Hi", "hello", b""])
async def test_a_first_message_that_is_not_the_handshake_is_refused(first: bytes | str) -> None:
    async def behave(connection: ServerConnection) -> None:
        await connection.send(first)
        await connection.wait_closed()

    async with served(behave) as address:
        line = line_to(address)
        with pytest.raises(UpstreamError, match="something else than the handshake"):
            await line.open(BRIEF)
        assert await line.close() is True


async def test_moshis_longer_handshake_is_taken() -> None:
    async def behave(connection: ServerConnection) -> None:
        await connection.send(b"\x00" + bytes(8))
        await connection.wait_closed()

    async with served(behave) as address:
        line = line_to(address)
        await line.open(BRIEF)
        assert await line.close() is True


@pytest.mark.parametrize(("code", "told"), [(1000, "1000"), (1011, "1011"), (None, "1006")])
async def test_a_close_before_the_handshake_names_what_to_look_at(code: int | None, told: str) -> None:
    async def behave(connection: ServerConnection) -> None:
        if code is None:
            connection.transport.abort()
        else:
            await connection.close(code)

    async with served(behave) as address:
        line = line_to(address)
        with pytest.raises(UpstreamError, match=rf"code {told}.*voice"):
            await line.open(BRIEF)
        await line.close()


async def test_a_wrong_address_is_a_fault_of_the_settings() -> None:
    line = line_to("http://127.0.0.1:8998/api/chat")
    with pytest.raises(ConfigurationError, match="PERSONAPLEX_WS_URL"):
        await line.open(BRIEF)
    assert await line.close() is False


@asynccontextmanager
async def mute() -> AsyncIterator[tuple[PersonaPlexLine, asyncio.Event]]:
    """A line to a server that never says a word, and what is set when its connection is gone."""
    gone = asyncio.Event()

    async def behave(connection: ServerConnection) -> None:
        await connection.wait_closed()
        gone.set()

    async with served(behave) as address:
        yield line_to(address), gone


async def test_opening_that_is_given_up_leaves_no_connection() -> None:
    async with mute() as (line, gone):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await line.open(BRIEF)
        await line.close()
        await soon(gone)


async def test_closing_before_the_connection_stands_lets_none_stand() -> None:
    async with mute() as (line, gone):
        opening = asyncio.create_task(line.open(BRIEF))
        await asyncio.sleep(0)
        assert await line.close() is False
        with pytest.raises(UpstreamError, match="closed while it was being opened"):
            await opening
        await soon(gone)
