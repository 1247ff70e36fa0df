"""Turns voice probabilities into facts: speech has started, paused, resumed, ended. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from media_plane.audio import FRAME_MS
from media_plane.speech.facts import CallerSpeech


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Durations of voice and silence. A pause is counted from the last frame with a voice."""

    start_ms: float = 80.0
    pause_ms: float = 200.0
    end_ms: float = 550.0
    resume_ms: float = 40.0
    dip_ms: float = 60.0
    """A beginning may have holes as long as this."""
    voice_on: float = 0.5
    voice_off: float = 0.35
    """Inside speech this much still counts as voice."""


class Endpointer:
    """The state machine of one caller's utterances, fed once for every 20 ms."""

    def __init__(self, settings: EndpointSettings | None = None) -> None:
        self._settings = settings or EndpointSettings()
        self._state: Literal["idle", "speaking", "paused"] = "idle"
        self._run_start_ms: float | None = None
        self._run_voiced_ms = 0.0
        self._voice_start_ms = 0.0
        self._voice_end_ms = 0.0
        self._last_voiced_ms = 0.0

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open."""
        return self._state != "idle"

    def hear(self, probability: float, at_ms: float, *, may_start: bool = True) -> CallerSpeech | None:
        """Take one 20 ms frame that ends at ``at_ms``; at most one fact comes of it.

        ``may_start=False`` holds a beginning back (somebody else has yet to agree that it is the caller's).
        """
        threshold = self._settings.voice_off if self._state == "speaking" else self._settings.voice_on
        self._count(probability >= threshold, at_ms)
        if self._state == "idle":
            return self._begin(at_ms) if may_start and self._run_voiced_ms >= self._settings.start_ms else None
        if self._state == "paused" and self._run_voiced_ms >= self._settings.resume_ms:
            self._state = "speaking"
            return CallerSpeech("resumed", self._voice_start_ms)
        return self._silence(at_ms)

    def _count(self, voiced: bool, at_ms: float) -> None:
        if voiced:
            if self._run_start_ms is None:
                self._run_start_ms, self._run_voiced_ms = at_ms - FRAME_MS, 0.0
            self._run_voiced_ms += FRAME_MS
            if self._state == "speaking" or self._run_voiced_ms >= self._settings.resume_ms:
                self._voice_end_ms = at_ms
            self._last_voiced_ms = at_ms
        elif self._run_start_ms is not None and at_ms - self._last_voiced_ms > self._settings.dip_ms:
            self._run_start_ms, self._run_voiced_ms = None, 0.0

    def _begin(self, at_ms: float) -> CallerSpeech:
        self._state = "speaking"
        self._voice_start_ms = self._run_start_ms if self._run_start_ms is not None else at_ms
        return CallerSpeech("started", self._voice_start_ms)

    def _silence(self, at_ms: float) -> CallerSpeech | None:
        silence_ms = at_ms - self._voice_end_ms
        if self._state == "speaking" and silence_ms >= self._settings.pause_ms:
            self._state = "paused"
            return CallerSpeech("paused", self._voice_start_ms, self._voice_end_ms)
        if self._state == "paused" and silence_ms >= self._settings.end_ms:
            self._state = "idle"
            self._run_start_ms, self._run_voiced_ms = None, 0.0
            return CallerSpeech("ended", self._voice_start_ms, self._voice_end_ms)
        return None
