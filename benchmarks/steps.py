"""Sound made of silence, a soft and a loud tone, and where its steps come out again: marks that survive a codec. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from media_plane.audio import AudioFrame

SILENT_MS, SOFT_MS, LOUD_MS = 500, 300, 300
CYCLE_MS = SILENT_MS + SOFT_MS + LOUD_MS
SOFT_LEVEL, LOUD_LEVEL = 0.05, 0.5
_TONE_HZ = 500
_CALM_MS = 150.0
START, RISE = 0.02, 0.25
"""Levels between silence and soft, and between soft and loud: full scale is 1."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Sound and when its message came."""

    at_ms: float
    frame: AudioFrame


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where a level was passed: in the message of ``at_ms``, so many milliseconds from its beginning."""

    at_ms: float
    into_ms: float


def cycle(sample_rate_hz: int) -> AudioFrame:
    """Silence, soft, loud; then it may begin again. Steps fall on multiples of 20 ms."""
    parts = []
    for duration_ms, level in ((SILENT_MS, 0.0), (SOFT_MS, SOFT_LEVEL), (LOUD_MS, LOUD_LEVEL)):
        at = np.arange(duration_ms * sample_rate_hz // 1000) / sample_rate_hz
        parts.append(level * np.cos(2 * np.pi * _TONE_HZ * at))
    return AudioFrame((np.concatenate(parts) * 32767).astype("<i2").tobytes(), sample_rate_hz)


def crossings(heard: Iterable[Heard], level: float, *, quiet_before: bool = False) -> list[Crossing]:
    """Each first sample at or above ``level`` after at least 150 ms below it. ``quiet_before``: nothing was heard before the first
    message, as where silence is not sent."""
    found: list[Crossing] = []
    calm_ms = _CALM_MS if quiet_before else 0.0
    for piece in heard:
        samples = np.abs(np.frombuffer(piece.frame.pcm, dtype="<i2").astype(np.float64)) / 32768
        last = -1
        for at in np.flatnonzero(samples >= level).tolist():
            calm_ms += (at - last - 1) * 1000 / piece.frame.sample_rate_hz
            if calm_ms >= _CALM_MS:
                found.append(Crossing(piece.at_ms, at * 1000 / piece.frame.sample_rate_hz))
            calm_ms, last = 0.0, at
        calm_ms += (len(samples) - last - 1) * 1000 / piece.frame.sample_rate_hz
    return found


def delays(sent: Sequence[float], came: Sequence[float], limit_ms: float = 1_000.0) -> list[float]:
    """From each sending to the first arrival that is not before it; pairs further apart than ``limit_ms`` are no pairs."""
    found = []
    arrivals = sorted(came)
    for start in sent:
        end = next((each for each in arrivals if each >= start), None)
        if end is not None and end - start <= limit_ms:
            found.append(end - start)
    return found
