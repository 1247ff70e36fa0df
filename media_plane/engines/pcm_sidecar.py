"""A speech model behind a sidecar of a team's own: PCM16 both ways over one WebSocket, as docs/pcm-sidecar.md defines."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConcurrencyError, ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

from media_plane.audio import EAR_RATE_HZ, bytes_for_ms
from media_plane.conversation.commands import CallerAudio
from media_plane.engines.pcm_sidecar_wire import (
    MAX_MESSAGE_BYTES,
    VERSION,
    MuteWatch,
    SessionReady,
    SidecarError,
    SidecarReader,
    Unreadable,
    read_event,
    start_message,
)
from media_plane.engines.socket_writer import WRITE_LIMIT_BYTES, SocketWriter
from media_plane.ports import LineEvent, LineLost, LineNotice, ModelBrief
from nexus.clock import Clock
from nexus.errors import UpstreamError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PcmSidecarLimits:
    """``mute_ms``: fed for so long without a single message back, the sidecar is given up. ``waiting_ms``: caller audio that may wait
    to be written. ``dropped_ms``: so much caller audio dropped, the sidecar is given up. ``close_ms``: patience with its goodbye."""

    mute_ms: float = 5_000.0
    waiting_ms: float = 1_000.0
    dropped_ms: float = 3_000.0
    close_ms: float = 2_000.0


class PcmSidecarLine:
    """One session of a sidecar. ``address`` is its WebSocket (``ws://localhost:9000/v1/audio-stream``).

    Nothing is lost on the way in: whoever reads ``events`` slowly slows the sidecar. On the way out old audio is dropped first.
    """

    def __init__(self, address: str, limits: PcmSidecarLimits, clock: Clock) -> None:
        self._address = address
        self._limits = limits
        self._clock = clock
        self._reader = SidecarReader()
        self._mute = MuteWatch(limits.mute_ms)
        self._connection: ClientConnection | None = None
        self._writer: SocketWriter | None = None
        self._notices: list[LineEvent] = []
        self._lost: LineLost | None = None
        self._dropped_ms = 0.0
        self._closed = False
        self._confirmed = False

    @property
    def gives_transcripts(self) -> bool:
        """Whether the sidecar gives the caller's words (``ModelHeard``), so that no other ear is needed. Known after ``open``."""
        return self._reader.gives_transcripts

    @property
    def dropped_ms(self) -> float:
        """Caller audio that the sidecar did not take in time, milliseconds."""
        return self._dropped_ms

    async def open(self, brief: ModelBrief) -> None:
        """Connect, tell the brief and wait for ``session.ready``; no deadline of its own. Cancellation passes, ``close`` cleans up.

        Raises:
            UpstreamError: ``engine_unreachable``; the message names the fix.
        """
        try:
            connection = self._connection = await self._connect()
            await connection.send(start_message(brief))
            ready = await self._ready(connection)
        except (OSError, WebSocketException, ValueError) as error:
            _log.warning("sidecar %s cannot be used: %s", _shown(self._address), error)
            raise UpstreamError("engine_unreachable", _fix(error)) from error
        self._reader.begin(ready)
        self._writer = SocketWriter(connection, bytes_for_ms(self._limits.waiting_ms, EAR_RATE_HZ))
        self._writer.begin()

    async def _connect(self) -> ClientConnection:
        return await connect(
            self._address,
            compression=None,
            proxy=None,
            open_timeout=None,
            ping_interval=None,
            close_timeout=self._limits.close_ms / 1000.0 / self._clock.speed,
            max_size=MAX_MESSAGE_BYTES,
            write_limit=WRITE_LIMIT_BYTES,
        )

    async def _ready(self, connection: ClientConnection) -> SessionReady:
        while True:
            message = await connection.recv()
            try:
                event = read_event(message) if isinstance(message, str) else None
            except Unreadable as broken:
                self._notices += self._reader.broken(broken.code, broken.fault)
                continue
            if isinstance(event, SidecarError):
                raise UpstreamError("engine_unreachable", f"The sidecar refused the session ({event.words}); its own log says more")
            if isinstance(event, SessionReady):
                return _agreed(event)
            if isinstance(message, bytes):
                self._notices += self._reader.read(message)

    def send(self, audio: CallerAudio) -> None:
        """Take caller audio, 16 kHz. Never waits; beyond ``waiting_ms`` the oldest is dropped. Ignored when the line is not open."""
        if self._writer is None or self._lost is not None or self._closed:
            return
        if not audio.frame.pcm:
            return
        dropped_bytes = self._writer.put(audio.frame.pcm)
        if dropped_bytes:
            self._note_dropped(dropped_bytes)
        if self._mute.fed(self._clock.monotonic_ms()):
            self._lose("engine_mute", f"The sidecar was fed for {self._limits.mute_ms / 1000:g} s and sent nothing; look into its own log")

    def _note_dropped(self, dropped_bytes: int) -> None:
        if not self._dropped_ms:
            self._notices.append(LineNotice("engine_lagging", "The sidecar does not read; caller audio is dropped until it does"))
        self._dropped_ms += dropped_bytes / bytes_for_ms(1, EAR_RATE_HZ)
        if self._dropped_ms >= self._limits.dropped_ms:
            self._lose("engine_lagging", "The sidecar reads too slowly; it must take one second of audio in a second")

    def _lose(self, code: str, message: str) -> None:
        """Give the session up: the reader of ``events`` wakes and tells."""
        if self._lost is None:
            self._lost = LineLost(code, message)
            self._abort()

    async def events(self) -> AsyncIterator[LineEvent]:
        """What the sidecar gives, until ``close`` or a ``LineLost``."""
        while not self._closed:
            message = await self._next()
            if self._closed:
                return
            for event in (*self._taken_notices(), *self._meaning(message)):
                yield event
            if self._lost is not None:
                return

    async def _next(self) -> bytes | str | None:
        """The next message; None when there will be no more."""
        if self._connection is None or self._lost is not None:
            return None
        try:
            message = await self._connection.recv()
        except ConnectionClosed as closed:
            if self._lost is None:
                self._lost = LineLost("engine_lost", f"The sidecar went away unasked ({_ending(closed)}); its own log says more")
            return None
        except ConcurrencyError:  # close() is reading the rest
            return None
        self._mute.gave(self._clock.monotonic_ms())
        return message

    def _meaning(self, message: bytes | str | None) -> tuple[LineEvent, ...]:
        if message is not None:
            meant = self._reader.read(message)
            self._lost = next((event for event in meant if isinstance(event, LineLost)), self._lost)
            return meant
        return () if self._lost is None else (self._lost,)

    def _taken_notices(self) -> list[LineEvent]:
        notices, self._notices = self._notices, []
        return notices

    async def close(self) -> bool:
        """Say goodbye and let go, within ``close_ms``. True when the sidecar answered; False for a line that was lost or never open."""
        if self._closed:
            return self._confirmed
        self._closed = True
        connection, writer = self._connection, self._writer
        if connection is None:
            return False
        try:
            if self._lost is None:
                self._confirmed = await self._say_goodbye(connection, writer)
        finally:
            self._abort()
            if writer is not None:
                await writer.stop()
        return self._confirmed

    async def _say_goodbye(self, connection: ClientConnection, writer: SocketWriter | None) -> bool:
        if writer is not None:
            await writer.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.close_ms / 1000.0 / self._clock.speed), asyncio.TaskGroup() as group:
                group.create_task(connection.close())
                group.create_task(_read_rest(connection))
        return connection.protocol.close_rcvd is not None

    def _abort(self) -> None:
        if self._connection is not None:
            self._connection.transport.abort()


async def _read_rest(connection: ClientConnection) -> None:
    """Throw away what the sidecar still sends: its goodbye stands behind it."""
    with suppress(ConnectionClosed, ConcurrencyError):
        while True:
            await connection.recv()


def _agreed(ready: SessionReady) -> SessionReady:
    if ready.version != VERSION:
        fault = f"The sidecar speaks version {ready.version} of the contract; version {VERSION} is wanted (docs/pcm-sidecar.md)"
        raise UpstreamError("engine_unreachable", fault)
    return ready


def _fix(error: Exception) -> str:
    match error:
        case InvalidURI() | ValueError():
            return "PCM_SIDECAR_WS_URL is no WebSocket address; write for example ws://localhost:9000/v1/audio-stream"
        case InvalidStatus():
            status = error.response.status_code
            return f"The sidecar refused the WebSocket with HTTP {status}; check the path in PCM_SIDECAR_WS_URL (/v1/audio-stream)"
        case ConnectionClosed():
            return f"The sidecar closed before session.ready ({_ending(error)}); its own log says more"
        case WebSocketException():
            return "What answers at PCM_SIDECAR_WS_URL speaks no WebSocket; check host, port and ws:// or wss://"
        case _:
            return "The sidecar cannot be reached; start it, or mend PCM_SIDECAR_WS_URL"


def _ending(closed: ConnectionClosed) -> str:
    """How a connection ended, for a person: our own complaint first, because the peer's close frame only answers it."""
    if closed.sent is not None and not closed.rcvd_then_sent:
        return f"code {closed.sent.code}: {closed.sent.reason[:100]!r}"
    if closed.rcvd is not None:
        return f"code {closed.rcvd.code}: {closed.rcvd.reason[:100]!r}"
    return "the connection broke"


def _shown(address: str) -> str:
    """An address without user, password and query, which may hold secrets."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
