"""A speech model behind a sidecar of a team's own: PCM16 both ways over one WebSocket, as docs/pcm-sidecar.md defines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from media_plane.audio import EAR_RATE_HZ, FRAME_MS, AudioFrame, bytes_for_ms, silence
from media_plane.conversation.commands import CallerAudio
from media_plane.engines.pcm_sidecar_connection import connected, departure, let_go, unusable
from media_plane.engines.pcm_sidecar_pacing import Pacing
from media_plane.engines.pcm_sidecar_wire import (
    VERSION,
    MuteWatch,
    SessionReady,
    SidecarError,
    SidecarReader,
    Unreadable,
    read_event,
    start_message,
)
from media_plane.engines.personaplex.pacing import InputClock, PacingSettings
from media_plane.engines.socket_writer import SocketWriter
from media_plane.ports.speech_line import LineDropped, LineEvent, LineLost, LineNotice, ModelBrief, ModelHeard
from media_plane.speech.level import rms_db
from nexus.clock import Clock
from nexus.errors import UpstreamError

_QUIET_DB = -45.0
"""Caller audio below this is silence: after a burst it is left out, for what the sidecar is ahead of the clock delays every answer."""


@dataclass(frozen=True, slots=True)
class PcmSidecarLimits:
    """``mute_ms``: fed for so long without a single message back, the sidecar is given up. ``waiting_ms``: caller audio that may wait
    to be written. ``dropped_ms``: so much of it dropped, the sidecar is given up. ``close_ms``: patience with its goodbye, in real time (a
    sidecar does not answer faster because a test's clock does)."""

    mute_ms: float = 5_000.0
    waiting_ms: float = 1_000.0
    dropped_ms: float = 3_000.0
    close_ms: float = 2_000.0


class PcmSidecarLine:
    """One session of a sidecar. ``address`` is its WebSocket (``ws://localhost:9000/v1/audio-stream``).

    Its output is brought into step with the caller's audio (``Pacing``); it may be a minute ahead, what comes beyond that is left out.
    Caller audio that the sidecar does not take waits for ``waiting_ms``, then the oldest is dropped.
    """

    def __init__(self, address: str, limits: PcmSidecarLimits, clock: Clock) -> None:
        self._address = address
        self._limits = limits
        self._clock = clock
        self._close_s = limits.close_ms / 1000.0
        self._wire = _Session(SidecarReader(), InputClock(PacingSettings()), Pacing(), MuteWatch(limits.mute_ms))
        self._connection: ClientConnection | None = None
        self._writer: SocketWriter | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._lost: LineLost | None = None
        self._stirred = asyncio.Event()
        self._dropped_ms = self._unread_ms = self._told_dropped_ms = 0.0
        self._told: set[str] = set()
        self._closed = False
        self._confirmed = False

    @property
    def gives_transcripts(self) -> bool:
        """Whether the sidecar gives the caller's words (``ModelHeard``), so that no other ear is needed. Known after ``open``."""
        return self._wire.reader.gives_transcripts

    @property
    def dropped_ms(self) -> float:
        """Caller audio that came too fast, or that the sidecar did not read in time, milliseconds."""
        return self._dropped_ms

    # --- open ----------------------------------------------------------------------------------------------------------------

    async def open(self, brief: ModelBrief) -> None:
        """Connect, tell the brief and wait for ``session.ready``; no deadline of its own. Cancellation passes, ``close`` cleans up.

        Raises:
            UpstreamError: ``engine_unreachable``; the message names the fix.
        """
        message = start_message(brief)
        connection = self._connection = await connected(self._address, self._close_s)
        if self._closed:
            connection.transport.abort()
            raise UpstreamError("engine_unreachable", "The line was closed while it was being opened")
        try:
            await connection.send(message)
            ready = await self._ready(connection)
        except ConnectionClosed as error:
            raise unusable(self._address, error) from error
        self._wire.reader.begin(ready)
        if ready.transcripts:
            self._wire.pacing.put(ModelHeard(""))
        self._writer = SocketWriter(connection, bytes_for_ms(self._limits.waiting_ms, EAR_RATE_HZ))
        self._writer.begin()
        loop = asyncio.get_running_loop()
        self._tasks = (loop.create_task(self._read(connection), name="sidecar"), loop.create_task(self._keep_time(), name="sidecar clock"))

    async def _ready(self, connection: ClientConnection) -> SessionReady:
        while True:
            message = await connection.recv()
            if isinstance(message, bytes):
                self._wire.take_in(message, self._clock.monotonic_ms())
                continue
            try:
                event = read_event(message)
            except Unreadable as broken:
                self._wire.broken(broken.code, broken.fault)
                continue
            if isinstance(event, SidecarError):
                raise UpstreamError("engine_unreachable", f"The sidecar refused the session ({event.words}); its own log says more")
            if isinstance(event, SessionReady):
                return _agreed(event)

    # --- in ------------------------------------------------------------------------------------------------------------------

    def send(self, audio: CallerAudio) -> None:
        """Take caller audio, 16 kHz. Never waits. What comes faster than real time is left out, silence first; of what the sidecar does
        not read in ``waiting_ms`` the oldest is dropped. Ignored while the line is not open."""
        at_ms = self._clock.monotonic_ms()
        if not self._tasks or self._lost is not None or self._closed or not audio.frame.pcm:
            return
        clock = self._wire.clock
        quiet = not clock.admits(at_ms, quiet=True) and rms_db(audio.frame) < _QUIET_DB
        if clock.admits(at_ms, quiet=quiet):
            self._feed(audio.frame, at_ms)
        elif quiet:
            self._dropped_ms += audio.frame.duration_ms
        else:
            self._note_dropped("audio_dropped", "Caller audio came faster than real time; what was too much was left out", audio.frame)

    async def _keep_time(self) -> None:
        """Where the caller's audio fails to come, silence stands in: the sidecar is clocked by it."""
        while self._lost is None:
            await self._clock.sleep_ms(FRAME_MS)
            at_ms = self._clock.monotonic_ms()
            self._tell_dropped()
            missing_ms = self._wire.clock.missing_ms(at_ms)
            if missing_ms >= FRAME_MS:
                self._feed(silence(missing_ms, EAR_RATE_HZ), at_ms)

    def _tell_dropped(self) -> None:
        """What was dropped since it was last told."""
        if self._dropped_ms > self._told_dropped_ms:
            self._wire.pacing.put(LineDropped(self._dropped_ms - self._told_dropped_ms))
            self._told_dropped_ms = self._dropped_ms
            self._stirred.set()

    def _feed(self, frame: AudioFrame, at_ms: float) -> None:
        if self._writer is None:
            return
        dropped_bytes = self._writer.put(frame.pcm)
        if dropped_bytes:
            dropped = AudioFrame(bytes(dropped_bytes), EAR_RATE_HZ)
            self._note_dropped("engine_lagging", "The sidecar does not read; caller audio is dropped until it does", dropped)
            self._unread_ms += dropped.duration_ms
        if self._unread_ms >= self._limits.dropped_ms:
            self._lose("engine_lagging", "The sidecar reads too slowly; it must take a second of audio in a second")
        if self._wire.fed(frame, at_ms):
            self._lose("engine_mute", f"The sidecar was fed for {self._limits.mute_ms / 1000:g} s and sent nothing; look into its own log")
        self._stirred.set()

    def _note_dropped(self, code: str, message: str, frame: AudioFrame) -> None:
        """Count it, and tell each reason once."""
        self._dropped_ms += frame.duration_ms
        if code not in self._told:
            self._told.add(code)
            self._wire.pacing.put(LineNotice(code, message))

    def _lose(self, code: str, message: str) -> None:
        """Give the session up; the first reason counts."""
        self._lost = self._lost or LineLost(code, message)
        self._stirred.set()

    # --- out -----------------------------------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[LineEvent]:
        """What the sidecar gives, until ``close`` or a ``LineLost``. For one reader."""
        while not self._closed and self._tasks:
            self._stirred.clear()
            lost = self._lost
            for event in self._wire.pacing.take():
                yield event
            if lost is not None:
                yield lost
                return
            await self._stirred.wait()

    async def _read(self, connection: ClientConnection) -> None:
        """Read the sidecar until it is gone or gives up."""
        try:
            while self._lost is None:
                self._wire.take_in(await connection.recv(), self._clock.monotonic_ms())
                self._lost = self._lost or self._wire.lost
                self._stirred.set()
        except ConnectionClosed as closed:
            self._lose("engine_lost", departure(closed))
        finally:
            self._lose("engine_lost", "The line to the sidecar broke; the log names the fault")

    # --- close ---------------------------------------------------------------------------------------------------------------

    async def close(self) -> bool:
        """Say goodbye and let go, within ``close_ms``. True when the sidecar answered; False for a line that was lost or never open."""
        if self._closed:
            return self._confirmed
        self._closed = True
        self._stirred.set()
        was_lost = self._lost is not None
        try:
            await self._stop()
            if self._connection is not None and not was_lost:
                self._confirmed = await let_go(self._connection, self._close_s)
        finally:
            if self._connection is not None:
                self._connection.transport.abort()
        return self._confirmed

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._writer is not None:
            await self._writer.stop()
        for task in self._tasks:
            if not task.cancelled():
                task.result()


@dataclass(slots=True)
class _Session:
    """What is known of one session between its socket and its events."""

    reader: SidecarReader
    clock: InputClock
    pacing: Pacing
    mute: MuteWatch
    lost: LineLost | None = None

    def fed(self, frame: AudioFrame, at_ms: float) -> bool:
        """Caller audio went in; True when the sidecar has been mute for too long."""
        self.clock.give(frame.duration_ms, at_ms)
        self.pacing.fed(frame)
        return self.mute.fed(at_ms)

    def take_in(self, message: bytes | str, at_ms: float) -> None:
        """A message came."""
        self.mute.gave(at_ms)
        for event in self.reader.read(message):
            if isinstance(event, LineLost):
                self.lost = event
            elif not self.pacing.put(event):
                self.broken("message_too_large", "its speech ran more than a minute ahead, and the rest was left out")

    def broken(self, code: str, fault: str) -> None:
        """The sidecar did what it should not."""
        for event in self.reader.broken(code, fault):
            self.pacing.put(event)


def _agreed(ready: SessionReady) -> SessionReady:
    if ready.version != VERSION:
        fault = f"The sidecar speaks version {ready.version} of the contract; version {VERSION} is wanted (docs/pcm-sidecar.md)"
        raise UpstreamError("engine_unreachable", fault)
    return ready
