"""A recording as a listener's player decodes it."""

from __future__ import annotations

import io

import av
import numpy as np
from numpy.typing import NDArray

RATE_HZ = 48_000


def decoded(data: bytes) -> NDArray[np.float64]:
    """The channels, each at 48 kHz, full scale 1.0."""
    with av.open(io.BytesIO(data), "r") as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(frames, axis=1).astype(np.float64)


def level_db(samples: NDArray[np.float64]) -> float:
    """RMS, dBFS."""
    return float(20 * np.log10(np.sqrt(np.mean(np.square(samples))) + 1e-9))
