"""A wire codec over a socket: the caller's transport of one call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from media_plane.audio import AudioFormat, AudioFrame
from media_plane.conversation.commands import Tell
from media_plane.ports.caller import Received, ReceivedHangUp, Socket, SocketClosed
from media_plane.transports.wire import WireCodec
from nexus.errors import ProtocolViolation

OPEN_TIMEOUT_S = 10.0
"""How long a connected client may take to say what audio it sends."""
FAREWELL_TIMEOUT_S = 2.0
"""How long the last message may wait for a client that does not read."""


class WireTransport:
    """``CallerTransport`` by a codec and a socket.

    Writes are serialised: messages go out whole, and in the order of their ``seq``. A write waits while the caller does not read, so
    whoever plays audio must decide what to forget meanwhile.
    """

    def __init__(self, socket: Socket, codec: WireCodec) -> None:
        self._socket = socket
        self._codec = codec
        self._writing = asyncio.Lock()

    @property
    def output(self) -> AudioFormat:
        """What the caller is sent. Only after ``open``."""
        return self._codec.output

    @property
    def corrupt_frames(self) -> int:
        """How many pieces of caller audio could not be decoded so far."""
        return self._codec.corrupt_frames

    async def open(self, greeting: Iterable[str] = (), *, timeout_s: float = OPEN_TIMEOUT_S) -> None:
        """Send ``greeting``, then wait until audio may flow. Cancelling leaves the socket open.

        Raises:
            SocketClosed: the client went away.
            ProtocolViolation: ``session_start_expected`` after ``timeout_s``, ``codec_unsupported`` and the like; the client has been told.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._write(greeting)
                while not self._codec.is_open:
                    if ReceivedHangUp() in await self.receive():
                        raise SocketClosed(clean=True)
        except TimeoutError as error:
            raise ProtocolViolation("session_start_expected", f"No session.start came within {timeout_s:g} s; send it first.") from error

    async def receive(self) -> tuple[Received, ...]:
        """What the next message holds; answers what must be answered at once.

        Raises:
            SocketClosed: the client went away.
            ProtocolViolation: the call must end; the client has been told.
        """
        message = await self._socket.receive()
        try:
            incoming = self._codec.receive(message)
        except ProtocolViolation as violation:
            await self._write((self._codec.error(violation.code, violation.public_message, retryable=False),))
            raise
        if incoming.replies:
            await self._write(incoming.replies)
        return incoming.received

    async def tell(self, message: Tell) -> None:
        """Send one message. Raises SocketClosed."""
        async with self._writing:
            for piece in self._codec.tell(message):
                await self._socket.send(piece)

    async def play(self, frame: AudioFrame) -> int:
        """Send agent audio; waits while the caller's buffers are full. How many bytes went out. Raises SocketClosed."""
        sent_bytes = 0
        async with self._writing:
            for piece in self._codec.play(frame):
                await self._socket.send(piece)
                sent_bytes += len(piece)
        return sent_bytes

    async def close(self, reason: str, code: int) -> None:
        """Say how the call ended, where the caller still listens, then close."""
        try:
            async with asyncio.timeout(FAREWELL_TIMEOUT_S):
                await self._write(self._codec.ended(reason))
        except (SocketClosed, TimeoutError):
            pass  # the farewell is a courtesy: the record says how the call ended
        await self._socket.close(code, reason)

    async def _write(self, pieces: Iterable[bytes | str]) -> None:
        async with self._writing:
            for piece in pieces:
                await self._socket.send(piece)
