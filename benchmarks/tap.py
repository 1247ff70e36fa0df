"""A relay on loopback that notes which bytes passed when, and reads the WebSocket messages out of them afterwards.

It stands between the bridge and a PersonaPlex server, so that both sides are measured at one place and neither knows of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from benchmarks.caller import now_ms, until

_READ_BYTES = 1 << 16
_LINK_LIMIT_S = 10.0
_UPGRADE = b"upgrade: websocket"
_HEAD_END = b"\r\n\r\n"
_LONG_16, _LONG_64 = 126, 127
BINARY, CLOSE = 2, 8


@dataclass(frozen=True, slots=True)
class Passed:
    """Bytes as they came through."""

    at_ms: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """One WebSocket frame; ``at_ms`` is when its last byte passed."""

    at_ms: float
    kind: int
    payload: bytes


@dataclass(slots=True)
class Link:
    """One connection: what went to the model's server and what came back."""

    opened_ms: float
    to_model: list[Passed] = field(default_factory=list)
    from_model: list[Passed] = field(default_factory=list)

    @property
    def is_session(self) -> bool:
        """Whether a WebSocket was asked for; else it is a probe."""
        return bool(self.to_model) and _UPGRADE in self.to_model[0].data.lower()


class Tap:
    """Listens on ``port``; every connection gets one to ``target_port``. ``links`` grow while it runs."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.port = 0
        self.links: list[Link] = []

    def sessions(self) -> list[Link]:
        """The connections that are no probes."""
        return [link for link in self.links if link.is_session]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes both ways until either side ends."""
        link = Link(now_ms())
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        self.links.append(link)
        pumps = {
            asyncio.create_task(_pump(reader, there, link.to_model)),
            asyncio.create_task(_pump(there_reader, writer, link.from_model)),
        }
        _, left = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for each in (there, writer):
            each.close()
        for pump in left:
            pump.cancel()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: list[Passed]) -> None:
    try:
        while data := await reader.read(_READ_BYTES):
            writer.write(data)
            seen.append(Passed(now_ms(), data))
    except OSError:
        return


@asynccontextmanager
async def tapped(target_port: int) -> AsyncIterator[Tap]:
    """A running relay to a port of this machine."""
    tap = Tap(target_port)
    server = await asyncio.start_server(tap.serve, "127.0.0.1", 0)
    tap.port = server.sockets[0].getsockname()[1]
    try:
        yield tap
    finally:
        server.close()


async def newest_link(taps: Sequence[Tap], seen: list[int]) -> Link:
    """The session that was opened since ``seen`` (how many each tap had), which is brought up to date."""
    number = await until(lambda: next((n for n, tap in enumerate(taps) if len(tap.sessions()) > seen[n]), None), _LINK_LIMIT_S)
    sessions = taps[number].sessions()
    seen[number] = len(sessions)
    return sessions[-1]


def messages(passed: Sequence[Passed]) -> Iterator[Message]:
    """The WebSocket frames of one direction, HTTP head left out; what is not whole at the end is left out too.

    **Source:** RFC 6455 section 5.2.
    """
    buffer, upgraded = bytearray(), False
    for piece in passed:
        buffer += piece.data
        if not upgraded:
            _head, found, rest = bytes(buffer).partition(_HEAD_END)
            if not found:
                continue
            upgraded, buffer = True, bytearray(rest)
        while size := _frame_bytes(buffer):
            yield _message(piece.at_ms, bytes(buffer[:size]))
            del buffer[:size]


def _frame_bytes(buffer: bytearray) -> int:
    """Length of the frame at the start; 0 while it is not all there."""
    head = _head_bytes(buffer)
    if not head or len(buffer) < head:
        return 0
    size = head + _payload_bytes(buffer)
    return size if len(buffer) >= size else 0


def _head_bytes(buffer: bytes | bytearray) -> int:
    if len(buffer) < 2:
        return 0
    short = buffer[1] & 0x7F
    return 2 + (2 if short == _LONG_16 else 8 if short == _LONG_64 else 0) + (4 if buffer[1] & 0x80 else 0)


def _payload_bytes(buffer: bytes | bytearray) -> int:
    short = buffer[1] & 0x7F
    if short == _LONG_16:
        return int.from_bytes(buffer[2:4], "big")
    return int.from_bytes(buffer[2:10], "big") if short == _LONG_64 else short


def _message(at_ms: float, frame: bytes) -> Message:
    head, payload = frame[: _head_bytes(frame)], frame[_head_bytes(frame) :]
    if frame[1] & 0x80:
        mask = head[-4:]
        payload = bytes(byte ^ mask[at & 3] for at, byte in enumerate(payload))
    return Message(at_ms, frame[0] & 0x0F, payload)
