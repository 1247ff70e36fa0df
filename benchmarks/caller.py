"""A caller that notes when each byte came: thinner than the soft phone, so that many of them cost little."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import cycle
from typing import TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from local.client import ControlPlane
from local.client.schemas import CreatedCall
from nexus.errors import NexusError

Found = TypeVar("Found")
_FREE_LIMIT_S = 30.0


def now_ms() -> float:
    """Milliseconds of the monotonic clock."""
    return time.monotonic() * 1000


class Caller:
    """One open call. ``audio_ms`` and ``messages`` tell when what came; ``sound`` holds the audio itself once ``keeps_sound`` is set."""

    def __init__(self, connection: ClientConnection, call_id: str = "") -> None:
        self._connection = connection
        self.call_id = call_id
        self.audio_ms: list[float] = []
        self.keeps_sound = False
        self.sound: list[tuple[float, bytes]] = []
        self.messages: list[tuple[float, str]] = []
        self.words: list[tuple[float, str]] = []
        """What the agent said, whenever more of it was told."""
        self.ready = asyncio.Event()
        """The agent hears the caller."""

    async def listen(self) -> None:
        """Note what comes until the call ends."""
        try:
            async for message in self._connection:
                if isinstance(message, bytes):
                    self.audio_ms.append(now_ms())
                    if self.keeps_sound:
                        self.sound.append((self.audio_ms[-1], message))
                else:
                    said = json.loads(message)
                    self.messages.append((now_ms(), str(said["type"])))
                    if said["type"] == "transcript" and said["role"] == "agent":
                        self.words.append((now_ms(), str(said["text"])))
                    if said.get("state") == "listening":
                        self.ready.set()
        except ConnectionClosed:
            return

    async def send(self, message: bytes | dict[str, object]) -> None:
        """Send audio or one JSON message."""
        await self._connection.send(message if isinstance(message, bytes) else json.dumps(message))

    async def type(self, text: str) -> None:
        """Type a line."""
        await self.send({"type": "input.text", "text": text})

    async def stream(self, pieces: Iterable[bytes], every_ms: float) -> list[float]:
        """Send one piece after the other in real time; when there are no more, gives the time at which each was sent."""
        due_ms = now_ms()
        sent_ms: list[float] = []
        try:
            for piece in pieces:
                sent_ms.append(now_ms())
                await self._connection.send(piece)
                due_ms += every_ms
                await asyncio.sleep(max(0.0, due_ms - now_ms()) / 1000)
        except ConnectionClosed:
            pass
        return sent_ms

    def first_after(self, kind: str, since_ms: float) -> float | None:
        """When the first message of this kind came after ``since_ms``."""
        return next((at_ms for at_ms, each in self.messages if each == kind and at_ms > since_ms), None)

    def first_audio_after(self, since_ms: float) -> float | None:
        """When the first audio came after ``since_ms``."""
        return next((each for each in self.audio_ms if each > since_ms), None)

    def last_audio_before(self, at_ms: float) -> float | None:
        """When the last audio came before ``at_ms``."""
        return max((each for each in self.audio_ms if each <= at_ms), default=None)


@asynccontextmanager
async def calling(api: ControlPlane, tenant_id: str, codec: str = "pcm_s16le") -> AsyncIterator[Caller]:
    """A call whose agent listens; hung up when the block is left."""
    order = await _order(api, tenant_id)
    access = order["websocket"]
    protocols = [Subprotocol("nexus.v1"), Subprotocol(f"token.{access['ticket']}")]
    async with await _socket(access["url"], protocols) as connection:
        caller = Caller(connection, str(order["id"]))
        listening = asyncio.create_task(caller.listen())
        try:
            await caller.send({"type": "session.start", "audio": {"input": {"codec": codec}}})
            async with asyncio.timeout(30):
                await caller.ready.wait()
            yield caller
            await caller.send({"type": "session.end"})
            async with asyncio.timeout(10):
                await listening
        finally:
            listening.cancel()


async def _order(api: ControlPlane, tenant_id: str) -> CreatedCall:
    """A reserved call; an engine that is not free yet is waited for."""
    async with asyncio.timeout(_FREE_LIMIT_S):
        while True:
            try:
                return await asyncio.to_thread(api.calls.create, tenant_id, test=True)
            except NexusError as error:
                if error.code != "no_engine_slot":
                    raise
            await asyncio.sleep(0.1)


async def _socket(url: str, protocols: list[Subprotocol]) -> ClientConnection:
    """The call's socket; a refusal for want of an engine leaves the ticket good."""
    async with asyncio.timeout(_FREE_LIMIT_S):
        while True:
            try:
                return await connect(url, subprotocols=protocols, max_size=None, compression=None, proxy=None)
            except InvalidStatus as error:
                if error.response.status_code != 503:
                    raise
            await asyncio.sleep(0.1)


async def until(found: Callable[[], Found | None], limit_s: float) -> Found:
    """The first answer that is not None, asked for every five milliseconds. Raises TimeoutError."""
    async with asyncio.timeout(limit_s):
        while True:
            value = found()
            if value is not None:
                return value
            await asyncio.sleep(0.005)


def frames(pcm: bytes, size_bytes: int = 640) -> list[bytes]:
    """PCM16 cut to 20 ms at 16 kHz, the last one filled with silence."""
    return [pcm[at : at + size_bytes].ljust(size_bytes, b"\0") for at in range(0, len(pcm), size_bytes)]


def repeated(head: Iterable[bytes], body: Iterable[bytes], count: int) -> Iterator[bytes]:
    """``head``, then ``count`` pieces of ``body`` over and over."""
    yield from head
    endless = cycle(body)
    for _ in range(count):
        yield next(endless)
