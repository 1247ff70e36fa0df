"""How loud audio is: RMS in dBFS, and the loudest of the last moments."""

from __future__ import annotations

from collections import deque

import numpy as np

from media_plane.audio import AudioFrame

FLOOR_DB = -100.0
"""Level of digital silence, dBFS."""
_FULL_SCALE = 32_768.0


def rms_db(frame: AudioFrame) -> float:
    """RMS level of a frame in dBFS (0 is a full-scale square wave), not below ``FLOOR_DB``."""
    samples = np.frombuffer(frame.pcm, dtype="<i2").astype(np.float32)
    if not samples.size:
        return FLOOR_DB
    power = float(np.dot(samples, samples)) / samples.size
    return max(FLOOR_DB, 10.0 * float(np.log10(max(power, 1e-9) / _FULL_SCALE**2)))


class LevelWindow:
    """The loudest level noted in the last ``window_ms``. Times never step back."""

    def __init__(self, window_ms: float) -> None:
        self._window_ms = window_ms
        self._falling: deque[tuple[float, float]] = deque()

    def note(self, until_ms: float, level_db: float) -> None:
        """Something of this level sounds until ``until_ms``."""
        while self._falling and self._falling[-1][1] <= level_db:
            self._falling.pop()
        self._falling.append((until_ms, level_db))

    def loudest_db(self, at_ms: float) -> float | None:
        """The loudest level of the window that ends at ``at_ms``, or None when nothing sounded in it."""
        while self._falling and self._falling[0][0] < at_ms - self._window_ms:
            self._falling.popleft()
        return self._falling[0][1] if self._falling else None


class Loudness:
    """The RMS level of everything added so far."""

    def __init__(self) -> None:
        self._squares = 0.0
        self._samples = 0

    def add(self, frame: AudioFrame) -> None:
        """Count a frame in. PCM16 mono, any rate."""
        samples = np.frombuffer(frame.pcm, dtype="<i2").astype(np.float32)
        self._squares += float(np.dot(samples, samples))
        self._samples += samples.size

    @property
    def rms_db(self) -> float | None:
        """dBFS, not below ``FLOOR_DB``; None while nothing was added."""
        if not self._samples:
            return None
        return max(FLOOR_DB, 10.0 * float(np.log10(max(self._squares / self._samples, 1e-9) / _FULL_SCALE**2)))
