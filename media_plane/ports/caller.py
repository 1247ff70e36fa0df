"""The caller's side: an accepted socket, and a wire protocol over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from media_plane.audio import AudioFormat, AudioFrame
from media_plane.conversation.commands import Tell


class SocketClosed(Exception):
    """The peer is gone. ``clean`` tells a closing handshake from a lost connection."""

    def __init__(self, *, clean: bool) -> None:
        super().__init__("closed" if clean else "lost")
        self.clean = clean


class Socket(Protocol):
    """An accepted WebSocket, whatever serves it."""

    async def receive(self) -> bytes | str:
        """The next message. Raises SocketClosed."""
        ...

    async def send(self, message: bytes | str) -> None:
        """Write one message; waits while the peer's buffers are full. Raises SocketClosed."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close with a code (RFC 6455 section 7.4); silent when closed already."""
        ...


@dataclass(frozen=True, slots=True)
class ReceivedAudio:
    """Decoded caller audio, 16 kHz, and the original Opus packets where there were any."""

    frame: AudioFrame
    packets: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceivedText:
    text: str


@dataclass(frozen=True, slots=True)
class ReceivedPlayed:
    """The client has played this much of an item."""

    item_id: str
    played_ms: float


@dataclass(frozen=True, slots=True)
class ReceivedHangUp:
    pass


@dataclass(frozen=True, slots=True)
class ReceivedNothing:
    """A message that only shows that the caller is there (a ping, a header without audio)."""


Received = ReceivedAudio | ReceivedText | ReceivedPlayed | ReceivedHangUp | ReceivedNothing


class CallerTransport(Protocol):
    """The caller's side of one call: a wire protocol over a socket."""

    @property
    def output(self) -> AudioFormat:
        """What the caller is sent."""
        ...

    @property
    def corrupt_frames(self) -> int:
        """How many pieces of caller audio could not be decoded so far."""
        ...

    async def receive(self) -> tuple[Received, ...]:
        """What the next message holds. Raises SocketClosed, ProtocolViolation (the call ends)."""
        ...

    async def tell(self, message: Tell) -> None:
        """Send one message. Raises SocketClosed."""
        ...

    async def play(self, frame: AudioFrame) -> int:
        """Send agent audio (any PCM rate; encoded and resampled here); how many bytes went out. Raises SocketClosed."""
        ...

    async def close(self, reason: str, code: int) -> None:
        """Say how the call ended, then close."""
        ...
