"""Tells the caller's voice from the agent's own, leaking back, while the agent is heard. Pure.

No voice detector can tell the two apart, so the level decides: the microphone must be louder than what the agent's echo can be, which
is the agent's loudest moment of the last 320 ms plus the gain of the echo path (learned during the call) plus a margin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from media_plane.audio import FRAME_MS, AudioFrame
from media_plane.speech.facts import BargeInDetected
from media_plane.speech.level import rms_db

Sensitivity = Literal["low", "medium", "high"]

FIRST_GAIN_DB = -15.0
"""What the echo path is taken for before anything was learned: a loudspeaker near an open microphone."""
GAIN_RANGE_DB = (-40.0, -14.0)
_QUIET_AGENT_DB = -45.0
"""Below this the agent's audio teaches nothing about the echo path."""
_LEARN_MS = 500.0
_RISE_DB = 6.0
"""Louder than the learned echo by more than this is the caller, not the echo path."""
_FALL_DB = 3.0
"""So much is forgotten of a louder echo in half a second: an agent that pauses is no proof of a silent room."""
_DIP_MS = 60.0
_REARM_MS = 300.0
_OPEN_MARGIN_DB = 3.0


@dataclass(frozen=True, slots=True)
class BargeInSettings:
    """How much voice, how sure and how loud."""

    speech_ms: float
    voice_on: float
    margin_db: float


SETTINGS: Mapping[Sensitivity, BargeInSettings] = {
    "high": BargeInSettings(speech_ms=80.0, voice_on=0.5, margin_db=7.0),
    "medium": BargeInSettings(speech_ms=120.0, voice_on=0.6, margin_db=9.0),
    "low": BargeInSettings(speech_ms=340.0, voice_on=0.7, margin_db=12.0),
}


class EchoGate:
    """Whether the microphone is louder than the agent's echo can be; learns the echo path's gain, dB."""

    def __init__(self, margin_db: float) -> None:
        self._margin_db = margin_db
        self._loudest_db = -200.0
        self._learned_ms = 0.0
        self.gain_db = FIRST_GAIN_DB

    def passes(self, mic_db: float, agent_level_db: float | None, *, is_open: bool = False) -> bool:
        """``is_open``: the caller has the floor already, so less loudness is asked of the rest of the utterance."""
        if agent_level_db is None:
            return True
        ratio_db = mic_db - agent_level_db
        if agent_level_db > _QUIET_AGENT_DB:
            self._learn(ratio_db)
        return ratio_db > self.gain_db + (_OPEN_MARGIN_DB if is_open else self._margin_db)

    def _learn(self, ratio_db: float) -> None:
        """The loudest of half a second is what the echo path can do: up to it at once, down to it in small steps."""
        if ratio_db > self.gain_db + _RISE_DB:
            return
        self._loudest_db = max(self._loudest_db, ratio_db)
        self._learned_ms += FRAME_MS
        if self._learned_ms < _LEARN_MS:
            return
        step_db = self._loudest_db - self.gain_db
        low, high = GAIN_RANGE_DB
        self.gain_db = min(high, max(low, self.gain_db + max(step_db, -_FALL_DB)))
        self._loudest_db, self._learned_ms = -200.0, 0.0


class BargeInDetector:
    """Confirms barge-ins of one call, each once: afterwards the voice must pause, or the agent begin anew."""

    def __init__(self, sensitivity: Sensitivity = "medium") -> None:
        self._settings = SETTINGS[sensitivity]
        self._gate = EchoGate(self._settings.margin_db)
        self._onset_ms: float | None = None
        self._voiced_ms = 0.0
        self._last_voiced_ms = 0.0
        self._detected = False

    def is_caller(self, mic_frame: AudioFrame, agent_level_db: float | None, *, is_open: bool = False) -> bool:
        """Whether the frame is louder than any echo. Call once for each frame: the gate learns from it."""
        return self._gate.passes(rms_db(mic_frame), agent_level_db, is_open=is_open)

    def agent_began(self) -> None:
        """The agent is heard again: a voice that goes on interrupts it anew."""
        self._detected = False

    def hear(self, mic_frame: AudioFrame, probability: float, agent_level_db: float | None, at_ms: float) -> BargeInDetected | None:
        """Take a 20 ms frame, 16 kHz, that ends at ``at_ms`` while the agent is heard; ``agent_level_db``: see ``Playout.level_db``."""
        return self.count(probability, at_ms, is_caller=self.is_caller(mic_frame, agent_level_db))

    def count(self, probability: float, at_ms: float, *, is_caller: bool) -> BargeInDetected | None:
        """``hear`` with the gate's verdict given."""
        if is_caller and probability >= self._settings.voice_on:
            if self._onset_ms is None:
                self._onset_ms, self._voiced_ms = at_ms - FRAME_MS, 0.0
            self._voiced_ms += FRAME_MS
            self._last_voiced_ms = at_ms
        else:
            self._forget(at_ms - self._last_voiced_ms)
        if self._detected or self._onset_ms is None or self._voiced_ms < self._settings.speech_ms:
            return None
        self._detected = True
        return BargeInDetected(self._onset_ms)

    def _forget(self, silence_ms: float) -> None:
        if silence_ms > _DIP_MS:
            self._onset_ms, self._voiced_ms = None, 0.0
        if silence_ms > _REARM_MS:
            self._detected = False
