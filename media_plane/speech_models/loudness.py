"""Evening out synthesised speech: silence trimmed, level set, pauses added; pure."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

TARGET_DBFS = -20.0
_PEAK_LIMIT = 0.89
_MOST_GAIN = 4.0
_SILENCE_DBFS = -50.0
_WINDOW_MS = 10
_LEAD_MS = 20
_TAIL_MS = 60


def trimmed(samples: Samples, rate_hz: int) -> Samples:
    """Without the silence around the speech but for 20 ms before and 60 ms after it; empty where nothing is audible."""
    window = rate_hz * _WINDOW_MS // 1000
    loud = np.flatnonzero(_window_dbfs(samples, window) > _SILENCE_DBFS)
    if not len(loud):
        return samples[:0]
    start = max(0, int(loud[0]) * window - rate_hz * _LEAD_MS // 1000)
    stop = min(len(samples), (int(loud[-1]) + 1) * window + rate_hz * _TAIL_MS // 1000)
    return samples[start:stop]


def levelled(samples: Samples, rate_hz: int) -> Samples:
    """The speech at -20 dBFS RMS (pauses not counted), never above -1 dBFS peak."""
    if not len(samples):
        return samples
    levels = _window_dbfs(samples, rate_hz * _WINDOW_MS // 1000)
    voiced = levels[levels > levels.max() - 30.0]
    rms_dbfs = 10.0 * math.log10(float(np.mean(10.0 ** (voiced / 10.0))))
    gain = min(10.0 ** ((TARGET_DBFS - rms_dbfs) / 20.0), _MOST_GAIN, _PEAK_LIMIT / max(1e-6, float(np.abs(samples).max())))
    return (samples * np.float32(gain)).astype(np.float32)


def pcm16(samples: Samples) -> bytes:
    """Samples in -1..1 as PCM16 little-endian, clipped."""
    return (np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()


def _window_dbfs(samples: Samples, window: int) -> NDArray[np.float64]:
    """RMS level of each whole window and of the rest; at least one value."""
    missing = -len(samples) % window or (window if not len(samples) else 0)
    square = np.pad(samples.astype(np.float64) ** 2, (0, missing)).reshape(-1, window).mean(axis=1)
    levels: NDArray[np.float64] = 10.0 * np.log10(np.maximum(square, 1e-12))
    return levels
