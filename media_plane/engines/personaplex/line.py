"""A speech line to one PersonaPlex server process: the shell around stream, clock and wire."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from media_plane.audio import EAR_RATE_HZ, FRAME_MS, silence
from media_plane.conversation.commands import CallerAudio
from media_plane.engines.personaplex.caller_stream import CallerStream, audio_ms
from media_plane.engines.personaplex.connection import close_code, connected, let_go, listens
from media_plane.engines.personaplex.delivery import Delivery
from media_plane.engines.personaplex.model_stream import MODEL_FRAME_MS, ModelStream
from media_plane.engines.personaplex.pacing import Debt, InputClock, PacingSettings
from media_plane.engines.personaplex.prompt import compose
from media_plane.engines.personaplex.voices import choose_model_voice
from media_plane.engines.personaplex.wire import audio_message, chat_url
from media_plane.ports.speech_line import LineDropped, LineEvent, LineLost, LineNotice, ModelAudio, ModelBrief
from media_plane.speech.level import rms_db
from nexus.clock import Clock
from nexus.errors import UpstreamError

QUIET_DB = -45.0
"""Caller audio below this is silence: it may be left out when the model is behind."""
WAITING_LIMIT_MS = 2_000.0
"""Audio that the connection does not take: beyond it the oldest is dropped."""
HELD_NOTICE_MS = 400.0
"""A model that is late once is no fault yet; so much silence left out is."""
_SERIAL = 0x4E455855
_log = logging.getLogger("nexus.personaplex")


@dataclass(frozen=True, slots=True)
class LineSettings:
    """``mute_s``: the model owes audio and gives none; ``lag_limit_s``: how far it may fall behind. In seconds of the line's clock but for
    ``close_wait_s``, which is real time: a server does not answer faster because a test's clock does."""

    prompt_bytes: int = 3_000
    lag_limit_s: float = 3.0
    mute_s: float = 5.0
    close_wait_s: float = 2.0
    on_lag: Callable[[float], None] = lambda _: None
    """Told with every piece of audio how far the model is behind, milliseconds."""


@dataclass(slots=True)
class LineFacts:
    """What became of the caller's audio, milliseconds."""

    early_ms: float = 0.0
    """Came before the model listened, or after the end: never sent."""
    dropped_ms: float = 0.0
    """Came faster than real time, or could not be sent in time."""
    held_ms: float = 0.0
    """Silence that was left out so that the model could catch up."""
    filled_ms: float = 0.0
    """Silence that stood in where nothing came."""


class PersonaPlexLine:
    """Implements ``SpeechLine`` on NVIDIA's wire.

    ``send`` never waits: audio goes through a queue of at most ``WAITING_LIMIT_MS`` to a task of its own, and what the model gives waits
    in a ``Delivery``. All tasks end with ``close``.
    """

    def __init__(self, address: str, settings: LineSettings, clock: Clock) -> None:
        self._address = address
        self._settings = settings
        self._clock = clock
        self.facts = LineFacts()
        limits = PacingSettings(lag_limit_ms=settings.lag_limit_s * 1000.0, mute_ms=settings.mute_s * 1000.0)
        self._input = InputClock(limits)
        self._debt = Debt(limits)
        self._stream = CallerStream(_SERIAL)
        self._waiting: deque[CallerAudio] = deque()
        self._waiting_ms = 0.0
        self._wake = asyncio.Event()
        self._delivery = Delivery()
        self._told: set[str] = set()
        self._told_dropped_ms = 0.0
        self._connection: ClientConnection | None = None
        self._owner: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[bool] | None = None
        self._listening = False

    # --- the port ------------------------------------------------------------------------------------------------------------

    async def open(self, brief: ModelBrief) -> None:
        """Connect, wait until the model listens, and open the stream to it.

        Raises:
            UpstreamError: ``engine_unreachable``, with what to mend.
            ConfigurationError: ``setting_invalid``: the address is no WebSocket's.
        """
        url = self._url(brief)
        connection = self._connection = await connected(url)
        if self._closing is not None:
            await let_go(connection, 0.0)
            raise UpstreamError("engine_unreachable", "The line was closed while it was being opened.")
        await listens(connection, url)
        try:
            for page in self._stream.headers():
                await connection.send(audio_message(page))
        except ConnectionClosed as error:
            raise UpstreamError("engine_unreachable", "The PersonaPlex server closed as soon as it listened; see its log.") from error
        self._listening = True
        self._owner = asyncio.get_running_loop().create_task(self._live(connection), name="personaplex")

    def send(self, audio: CallerAudio) -> None:
        """Take caller audio; what comes too early, too fast or too late is dropped and counted."""
        if not self._listening:
            self.facts.early_ms += audio_ms(audio)
            return
        self._take(audio)

    def events(self) -> AsyncIterator[LineEvent]:
        """What the model gives, until ``close`` or ``LineLost``."""
        return self._delivery.events()

    async def close(self) -> bool:
        """Give the server its session back. True when it has answered; at most ``close_wait_s``."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close(), name="personaplex close")
        return await asyncio.shield(self._closing)

    # --- from the caller -----------------------------------------------------------------------------------------------------

    def _take(self, audio: CallerAudio) -> None:
        at_ms = self._clock.monotonic_ms()
        duration_ms = audio_ms(audio)
        matters = self._debt.holding or not self._input.admits(at_ms, quiet=True)
        quiet = matters and rms_db(audio.frame) < QUIET_DB
        if quiet and self._debt.holding:
            self._input.give(duration_ms, at_ms)
            self.facts.held_ms += duration_ms
            if self.facts.held_ms > HELD_NOTICE_MS:
                self._tell_once("engine_lagging", "The model falls behind the caller; silence is left out so that it catches up.")
        elif not self._input.admits(at_ms, quiet=quiet):
            self.facts.dropped_ms += duration_ms
            if not quiet:
                self._tell_once("audio_dropped", "Caller audio came faster than real time; what was too much was left out.")
        else:
            self._input.give(duration_ms, at_ms)
            self._queue(audio, duration_ms, at_ms)

    def _queue(self, audio: CallerAudio, duration_ms: float, at_ms: float) -> None:
        self._waiting.append(audio)
        self._waiting_ms += duration_ms
        self._debt.send(duration_ms, at_ms)
        while self._waiting_ms > WAITING_LIMIT_MS and len(self._waiting) > 1:
            stale_ms = audio_ms(self._waiting.popleft())
            self._waiting_ms -= stale_ms
            self._debt.send(-stale_ms, at_ms)
            self.facts.dropped_ms += stale_ms
        self._settings.on_lag(self._debt.owed_ms)
        self._wake.set()

    def _tell_once(self, code: str, message: str) -> None:
        if code not in self._told:
            self._told.add(code)
            self._delivery.put(LineNotice(code, message))

    # --- the tasks -----------------------------------------------------------------------------------------------------------

    async def _live(self, connection: ClientConnection) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                helpers = (group.create_task(self._write(connection)), group.create_task(self._keep_time()))
                await self._read(connection)
                for helper in helpers:
                    helper.cancel()
        except BaseExceptionGroup as faults:
            # A supervised border: whatever broke on one line must reach its call as an event, never the process.
            _log.error("personaplex line broke", exc_info=faults)
            self._lose(LineLost("engine_lost", "The line to the speech model broke; the log names the fault."))

    async def _read(self, connection: ClientConnection) -> None:
        """Until the connection ends; also while ``close`` waits, so that the server's answer is not stuck behind audio."""
        model = ModelStream()
        try:
            while True:
                message = await connection.recv()
                for event in model.feed(message):
                    if isinstance(event, ModelAudio):
                        self._debt.receive(event.frame.duration_ms, self._clock.monotonic_ms())
                    self._delivery.put(event)
                await asyncio.sleep(0)  # what waits already is received without a pause: a flood must not hold up the other calls
        except ConnectionClosed as error:
            self._lose(
                LineLost("engine_lost", f"The PersonaPlex server ended the session by itself (code {close_code(error)}); see its log.")
            )

    async def _write(self, connection: ClientConnection) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                ogg = b"".join(map(self._stream.pages, self._waiting))
                self._waiting.clear()
                self._waiting_ms = 0.0
                if ogg:
                    await connection.send(audio_message(ogg))
        except ConnectionClosed:
            return  # the reader tells how it ended

    async def _keep_time(self) -> None:
        while self._listening:
            await self._clock.sleep_ms(MODEL_FRAME_MS)
            at_ms = self._clock.monotonic_ms()
            for _ in range(int(self._input.missing_ms(at_ms) // FRAME_MS)):
                self.facts.filled_ms += FRAME_MS
                self._take(CallerAudio(silence(FRAME_MS, EAR_RATE_HZ)))
            self._tell_dropped()
            if loss := self._debt.verdict(at_ms):
                self._lose(loss)

    def _tell_dropped(self) -> None:
        """What was dropped since it was last told."""
        dropped_ms = self.facts.early_ms + self.facts.dropped_ms
        if dropped_ms > self._told_dropped_ms:
            self._delivery.put(LineDropped(dropped_ms - self._told_dropped_ms))
            self._told_dropped_ms = dropped_ms

    def _lose(self, loss: LineLost) -> None:
        self._listening = False
        self._tell_dropped()
        self._delivery.lose(loss)

    # --- the ends ------------------------------------------------------------------------------------------------------------

    def _url(self, brief: ModelBrief) -> str:
        prompt = compose(brief, self._settings.prompt_bytes)
        if prompt.persona_cut:
            _log.warning("the system prompt of %s is too long for the speech model; its end is left out", brief.config.tenant_id)
            self._tell_once("prompt_cut", "The system prompt is longer than the speech model takes; its end was left out.")
        voice = choose_model_voice(brief.config.voice_settings.voice_id)
        if not voice.exact:
            _log.info("no PersonaPlex voice is known as %r; %s speaks", brief.config.voice_settings.voice_id, voice.name)
        return chat_url(self._address, prompt=prompt.text, voice_file=voice.file)

    async def _close(self) -> bool:
        self._listening = False
        self._delivery.close()
        if self._connection is None:
            return False
        confirmed = await let_go(self._connection, self._settings.close_wait_s)
        if self._owner is not None:
            self._owner.cancel()
            await asyncio.wait([self._owner])
        _log.info("personaplex line closed: confirmed %s, %s, undelivered %.0f ms", confirmed, self.facts, self._delivery.dropped_ms)
        return confirmed
