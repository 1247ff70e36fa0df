"""What comes in from the caller's microphone: dated, counted, given to the engine and to the ear."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from media_plane.audio import EAR_RATE_HZ, FRAME_MS, AudioFrame, silence
from media_plane.bridge.tape import NoTape, Tape
from media_plane.conversation.commands import CallerAudio
from media_plane.conversation.events import BargeInDetected, CallerSpeech
from media_plane.playout import Playout
from media_plane.speech.ear import Ear
from media_plane.speech.level import Loudness, rms_db

GAP_MS = 300.0
"""So long nothing may come before silence stands in for it."""
_LONG_GAP_MS = 2_000.0
_AHEAD_MS = 300.0
"""Speech that comes while a model has been given so much more than time has passed is for ears alone."""
_AHEAD_QUIET_MS = 100.0
"""The same for silence: by leaving it out the model comes back into step."""
_QUIET_DB = -45.0


class EngineInbox(Protocol):
    """Where caller audio goes (``EngineLine``)."""

    def send(self, value: CallerAudio) -> None: ...


class Hearing:
    """One call's caller audio, 16 kHz. Times are milliseconds since connection.

    Audio is dated by the end of what has come, never in the future: a burst is heard now. Where a microphone falls silent on the wire,
    silence stands in, so that no utterance stays open for ever and an engine that is clocked by caller audio goes on.

    Ears are given everything. What comes after silence stood in for it would make such an engine's time run twice, so beyond ``_AHEAD_MS``
    it is marked as late; what a model is given lasts as long as the call, give or take 400 ms for messages of up to 100 ms.
    """

    def __init__(
        self,
        line: EngineInbox,
        ear: Ear,
        playout: Playout,
        feed: Callable[[CallerSpeech | BargeInDetected], None],
        tape: Tape | None = None,
    ) -> None:
        self._tape = tape or NoTape()
        self._line = line
        self._ear = ear
        self._playout = playout
        self._feed = feed
        self._until_ms: float | None = None
        self._model_until_ms: float | None = None
        self._loudness = Loudness()
        self.duration_ms = 0.0
        self.bytes = 0

    def begin(self, now_ms: float) -> None:
        """An engine listens: from now on silence stands in also for a microphone that has never started."""
        if self._until_ms is None:
            self._until_ms = self._model_until_ms = now_ms

    @property
    def rms_db(self) -> float | None:
        """The level of everything heard, dBFS; None before anything was."""
        return None if self._loudness.rms_db is None else round(self._loudness.rms_db, 1)

    def hear(self, frame: AudioFrame, packets: tuple[bytes, ...], now_ms: float) -> None:
        """Take what has just come."""
        self.fill_gap(now_ms)
        self.bytes += len(frame.pcm)
        self.duration_ms += frame.duration_ms
        self._loudness.add(frame)
        self._take(frame, packets, now_ms, quiet=rms_db(frame) < _QUIET_DB)
        self._tape.caller(frame, self._until_ms - frame.duration_ms if self._until_ms is not None else now_ms)

    def fill_gap(self, now_ms: float) -> None:
        """Let silence stand in for what should have come by now; call it often."""
        for frame in self._missing(now_ms):
            self._take(frame, (), now_ms, quiet=True)

    def _missing(self, now_ms: float) -> Iterator[AudioFrame]:
        if self._until_ms is None or now_ms - self._until_ms <= GAP_MS:
            return
        if now_ms - self._until_ms > _LONG_GAP_MS:
            self._until_ms = now_ms - _LONG_GAP_MS
        while now_ms - self._until_ms > FRAME_MS:
            yield silence(FRAME_MS, EAR_RATE_HZ)

    def _take(self, frame: AudioFrame, packets: tuple[bytes, ...], now_ms: float, *, quiet: bool) -> None:
        begin_ms = now_ms - frame.duration_ms if self._until_ms is None else self._until_ms
        # a client that sends a second at a time is silent for a second in between, and no silence stands in for that
        self._until_ms = min(begin_ms, now_ms) + frame.duration_ms
        self._line.send(CallerAudio(frame, packets, late=self._is_late(frame, now_ms, quiet=quiet)))
        heard_ms = min(self._until_ms, now_ms)
        audible, level_db = self._playout.audible(now_ms), self._playout.level_db(now_ms)
        for fact in self._ear.hear(frame, heard_ms, agent_audible=audible, agent_level_db=level_db):
            self._feed(fact)

    def _is_late(self, frame: AudioFrame, now_ms: float, *, quiet: bool) -> bool:
        """Whether a model has been given its time already; if not, it is given this."""
        begin_ms = now_ms - frame.duration_ms if self._model_until_ms is None else max(self._model_until_ms, now_ms - _LONG_GAP_MS)
        if begin_ms - now_ms >= (_AHEAD_QUIET_MS if quiet else _AHEAD_MS):
            return True
        self._model_until_ms = begin_ms + frame.duration_ms
        return False
