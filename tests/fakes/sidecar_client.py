"""A client of the PersonaPlex wire that hides nothing, on aiohttp and sphn: for tests of the double itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import sphn
from aiohttp import ClientSession, ClientWebSocketResponse, ClientWSTimeout, WSMessage, WSMsgType
from numpy.typing import NDArray

GOOD: Mapping[str, str] = {"text_prompt": "You work for Fine Cuts.", "voice_prompt": "NATF0.pt"}
_PATIENCE_S = 10.0


@dataclass(slots=True)
class Client:
    """One connection. ``close_code`` is known once the connection has ended (1006: cut)."""

    socket: ClientWebSocketResponse
    writer: sphn.OpusStreamWriter = field(default_factory=lambda: sphn.OpusStreamWriter(24_000))
    received: list[bytes] = field(default_factory=list)
    _reading: asyncio.Task[WSMessage] | None = None

    async def message(self) -> bytes | None:
        """The next binary message; None once the connection has ended."""
        message = await self._any()
        while message.type is WSMsgType.PONG:
            message = await self._any()
        if message.type is not WSMsgType.BINARY:
            return None
        self.received.append(message.data)
        return bytes(message.data)

    async def _any(self) -> WSMessage:
        reading, self._reading = self._next(), None
        async with asyncio.timeout(_PATIENCE_S):
            return await reading

    async def ping(self) -> bool:
        """Ping; whether the next thing that comes, within 150 ms, is the pong."""
        await self.socket.ping(b"?")
        return not await self.hears_nothing() and (await self._any()).type is WSMsgType.PONG

    async def shake(self) -> None:
        """Wait for the handshake and both headers."""
        for kind in (0, 1, 1):
            message = await self.message()
            assert message is not None and message[0] == kind, message

    async def headers(self) -> None:
        """Send ours."""
        for _ in range(2):
            await self.socket.send_bytes(b"\x01" + self.writer.read_bytes())

    async def speak(self, sound: NDArray[np.float32] | None = None) -> None:
        """Send one frame of 80 ms (silence when there is nothing to say)."""
        self.writer.append_pcm(np.zeros(1920, dtype=np.float32) if sound is None else sound)
        await self.socket.send_bytes(b"\x01" + self.writer.read_bytes())

    async def pages(self, count: int) -> list[bytes]:
        """The next audio pages, texts between them left in ``received``."""
        found: list[bytes] = []
        while len(found) < count:
            message = await self.message()
            assert message is not None, f"closed with {self.socket.close_code} after {len(found)} pages"
            if message[0] == 1:
                found.append(message[1:])
        return found

    async def until_closed(self) -> int | None:
        """Read on to the end; the close code."""
        while await self.message() is not None:
            pass
        return self.socket.close_code

    async def hears_nothing(self, for_s: float = 0.15) -> bool:
        """Whether nothing at all comes for a while."""
        # Waiting goes on behind: a cancelled receive makes aiohttp's client forget the code of the close.
        self._reading = self._next()
        done, _ = await asyncio.wait({self._reading}, timeout=for_s)
        return not done

    async def close(self) -> int | None:
        """Close, and wait half a second for the answer; the close code."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
            self.socket._close_code = None  # see hears_nothing
        await self.socket.close()
        return self.socket.close_code

    def _next(self) -> asyncio.Task[WSMessage]:
        return self._reading or asyncio.create_task(self.socket.receive())

    @property
    def text(self) -> str:
        """The text pieces so far."""
        return "".join(message[1:].decode() for message in self.received if message[0] == 2)


@asynccontextmanager
async def connected(url: str, query: Mapping[str, str] = GOOD) -> AsyncIterator[Client]:
    """A connection without anything sent on it yet."""
    async with (
        ClientSession() as session,
        session.ws_connect(url, params=query, autoping=False, timeout=ClientWSTimeout(ws_close=0.5)) as socket,
    ):
        yield Client(socket)


@asynccontextmanager
async def talking(url: str, query: Mapping[str, str] = GOOD) -> AsyncIterator[Client]:
    """A connection after the handshake, our headers sent."""
    async with connected(url, query) as client:
        await client.shake()
        await client.headers()
        yield client


def tone(frames: int = 1, *, hz: float = 220.0, level: float = 0.3) -> NDArray[np.float32]:
    """A sine of so many frames, 24 kHz."""
    at = np.arange(frames * 1920) / 24_000
    return (level * np.sin(2 * np.pi * hz * at)).astype(np.float32)


def sound_of(pages: list[bytes]) -> NDArray[np.float32]:
    """Audio pages (without the headers) decoded, 24 kHz; nothing is dropped for the pre-skip."""
    writer, reader = sphn.OpusStreamWriter(24_000), sphn.OpusStreamReader(24_000)
    wanted = len(pages) * 1920
    for header in (writer.read_bytes(), writer.read_bytes(), *pages):
        reader.append_bytes(header)
    found: list[NDArray[np.float32]] = []
    while sum(map(len, found)) < wanted:
        pcm = reader.read_pcm()
        assert pcm is not None, "the pages are not one stream"
        found.append(pcm)
    return np.concatenate(found)
