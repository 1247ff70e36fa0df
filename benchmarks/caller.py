"""A caller that notes when each byte came: thinner than the soft phone, so that many of them cost little."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import cycle

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from local.client import ControlPlane


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
        self.started = asyncio.Event()

    async def listen(self) -> None:
        """Note what comes until the call ends."""
        try:
            async for message in self._connection:
                if isinstance(message, bytes):
                    self.audio_ms.append(now_ms())
                    if self.keeps_sound:
                        self.sound.append((self.audio_ms[-1], message))
                else:
                    self.messages.append((now_ms(), str(json.loads(message)["type"])))
                    self.started.set()
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

    def last_audio_before(self, at_ms: float) -> float | None:
        """When the last audio came before ``at_ms``."""
        return max((each for each in self.audio_ms if each <= at_ms), default=None)


@asynccontextmanager
async def calling(api: ControlPlane, tenant_id: str, codec: str = "pcm_s16le") -> AsyncIterator[Caller]:
    """A call that has started; hung up when the block is left."""
    order = await asyncio.to_thread(api.create_call, tenant_id, test=True)
    access = order["websocket"]
    protocols = [Subprotocol("nexus.v1"), Subprotocol(f"token.{access['ticket']}")]
    async with connect(access["url"], subprotocols=protocols, max_size=None, compression=None, proxy=None) as connection:
        caller = Caller(connection, str(order["call_id"]))
        listening = asyncio.create_task(caller.listen())
        try:
            await caller.send({"type": "session.start", "audio": {"input": {"codec": codec}}})
            async with asyncio.timeout(30):
                await caller.started.wait()
            yield caller
            await caller.send({"type": "session.end"})
            async with asyncio.timeout(10):
                await listening
        finally:
            listening.cancel()


def frames(pcm: bytes, size_bytes: int = 640) -> list[bytes]:
    """PCM16 cut to 20 ms at 16 kHz, the last one filled with silence."""
    return [pcm[at : at + size_bytes].ljust(size_bytes, b"\0") for at in range(0, len(pcm), size_bytes)]


def repeated(head: Iterable[bytes], body: Iterable[bytes], count: int) -> Iterator[bytes]:
    """``head``, then ``count`` pieces of ``body`` over and over."""
    yield from head
    endless = cycle(body)
    for _ in range(count):
        yield next(endless)
