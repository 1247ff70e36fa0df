"""Cuts the endless audio of a full-duplex model into utterances; silence between them goes nowhere; pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from media_plane.audio import AudioFrame
from media_plane.engines.duplex.words import Word as Word
from media_plane.engines.duplex.words import Words
from media_plane.framer import Framer
from media_plane.speech.level import FLOOR_DB, rms_db

_STEP_MS = 20


@dataclass(frozen=True, slots=True)
class Opened:
    """The model begins to speak."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Audio of the utterance, with its short pauses."""

    frame: AudioFrame


@dataclass(frozen=True, slots=True)
class Paused:
    """The model has been quiet for a moment; the utterance may go on."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """It goes on."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The utterance is over."""


Sound = Opened | Piece | Word | Paused | Resumed | Ended


@dataclass(frozen=True, slots=True)
class SegmentLimits:
    """Milliseconds and decibels.

    ``onset_ms``: how long sound lasts before it counts. ``preroll_ms`` before it belongs to it. ``tail_ms`` of quiet are still given,
    ``pause_ms`` of it are a pause, ``end_ms`` the end. Sound is what stands ``margin_db`` above the model's own noise, and above
    ``lowest_db``; it lasts until it is ``hysteresis_db`` below that. The noise is the quietest moment of the last ``noise_ms``.
    """

    onset_ms: int = 40
    preroll_ms: int = 100
    tail_ms: int = 200
    pause_ms: int = 240
    end_ms: int = 480
    margin_db: float = 12.0
    hysteresis_db: float = 6.0
    lowest_db: float = -50.0
    noise_ms: int = 3_000
    loudest_noise_db: float = -38.0
    starved_ms: float = 800.0


class _Level:
    """Whether a step is sound, measured against the noise of the last seconds."""

    def __init__(self, limits: SegmentLimits) -> None:
        self._limits = limits
        self._steps = limits.noise_ms // _STEP_MS
        self._at = 0
        self._rising: deque[tuple[int, float]] = deque()

    def is_sound(self, frame: AudioFrame, *, sounding: bool) -> bool:
        level_db = rms_db(frame)
        self._note(level_db)
        noise_db = min(self._rising[0][1], self._limits.loudest_noise_db)
        threshold_db = max(self._limits.lowest_db, noise_db + self._limits.margin_db)
        return level_db > threshold_db - (self._limits.hysteresis_db if sounding else 0.0)

    def _note(self, level_db: float) -> None:
        if not self._rising and level_db > self._limits.lowest_db:
            self._rising.append((0, FLOOR_DB))  # a call that begins in the middle of a word is no noise yet
        self._at += 1
        while self._rising and self._rising[-1][1] >= level_db:
            self._rising.pop()
        self._rising.append((self._at, level_db))
        while self._rising[0][0] <= self._at - self._steps:
            self._rising.popleft()


class Segmenter:
    """Frames and text of the model in, utterances out. Times are those of arrival; lengths are counted in audio."""

    def __init__(self, limits: SegmentLimits | None = None) -> None:
        self._limits = limits or SegmentLimits()
        self._words = Words()
        self._level = _Level(self._limits)
        self.reset()

    def reset(self) -> None:
        """Another session of the model, or what it said last is void: begin anew, without any ``Ended``."""
        self._framer: Framer | None = None
        self._words.forget()
        self._kept: deque[AudioFrame] = deque(maxlen=(self._limits.preroll_ms + self._limits.onset_ms) // _STEP_MS - 1)
        self._sound_ms = 0
        self._quiet_ms = 0
        self._last_ms = 0.0
        self.open = False
        """Whether the model speaks (short pauses included)."""

    def text(self, at_ms: float, text: str) -> list[Sound]:
        """Take a piece of text."""
        self._words.piece(at_ms, text)
        return [*self._words.take(at_ms)] if self.open else []

    def audio(self, at_ms: float, frame: AudioFrame) -> list[Sound]:
        """Take a frame of any length."""
        self._last_ms = at_ms
        if self._framer is None or self._framer.sample_rate_hz != frame.sample_rate_hz:
            self._framer = Framer(frame.sample_rate_hz, _STEP_MS)
        sounds: list[Sound] = []
        for step in self._framer.feed(frame):
            sounds += self._open_step(at_ms, step) if self.open else self._idle_step(step)
        if self.open:
            sounds = [*_until_piece(sounds), *self._words.take(at_ms), *_from_piece(sounds)]
        return _joined(sounds)

    def tick(self, at_ms: float) -> list[Sound]:
        """Time has passed: an utterance that gets no more audio ends."""
        if not self.open or at_ms - self._last_ms < self._limits.starved_ms:
            return []
        return self._end(at_ms)

    def _idle_step(self, step: AudioFrame) -> list[Sound]:
        sound = self._level.is_sound(step, sounding=False)
        self._sound_ms = self._sound_ms + _STEP_MS if sound else 0
        if self._sound_ms < self._limits.onset_ms:
            self._kept.append(step)
            return []
        self.open, self._quiet_ms = True, 0
        self._words.sound()
        return [Opened(), *self._give_kept(), Piece(step)]

    def _open_step(self, at_ms: float, step: AudioFrame) -> list[Sound]:
        limits = self._limits
        if self._level.is_sound(step, sounding=self._quiet_ms == 0):
            resumed: list[Sound] = [Resumed()] if self._quiet_ms >= limits.pause_ms else []
            self._quiet_ms = 0
            self._words.sound()
            return [*resumed, *self._give_kept(), Piece(step)]
        self._quiet_ms += _STEP_MS
        if self._quiet_ms <= limits.tail_ms:
            return [Piece(step)]
        self._kept.append(step)
        if self._quiet_ms >= limits.end_ms:
            return self._end(at_ms)
        return [Paused()] if self._quiet_ms - _STEP_MS < limits.pause_ms <= self._quiet_ms else []

    def _end(self, at_ms: float) -> list[Sound]:
        self.open, self._sound_ms = False, 0
        return [*self._words.fall_silent(at_ms), Ended()]

    def _give_kept(self) -> list[Sound]:
        kept = [Piece(step) for step in self._kept]
        self._kept.clear()
        return [*kept]


def _until_piece(sounds: list[Sound]) -> list[Sound]:
    first = next((i for i, sound in enumerate(sounds) if isinstance(sound, Piece)), len(sounds))
    return sounds[:first]


def _from_piece(sounds: list[Sound]) -> list[Sound]:
    return sounds[len(_until_piece(sounds)) :]


def _joined(sounds: list[Sound]) -> list[Sound]:
    """Neighbouring pieces as one."""
    joined: list[Sound] = []
    for sound in sounds:
        last = joined[-1] if joined else None
        if isinstance(sound, Piece) and isinstance(last, Piece):
            joined[-1] = Piece(AudioFrame(last.frame.pcm + sound.frame.pcm, sound.frame.sample_rate_hz))
        else:
            joined.append(sound)
    return joined
