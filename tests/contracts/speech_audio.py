"""Bringing audio to the ear's rate and counting word errors, for the tests with real speech models."""

from __future__ import annotations

import re

import av
import numpy as np

from media_plane.audio import EAR_RATE_HZ, AudioFrame
from media_plane.speech_models.spoken import spoken


def at_ear_rate(frame: AudioFrame) -> AudioFrame:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=EAR_RATE_HZ)
    whole = av.AudioFrame.from_ndarray(np.frombuffer(frame.pcm, dtype="<i2")[None, :], format="s16", layout="mono")
    whole.sample_rate = frame.sample_rate_hz
    parts = [*resampler.resample(whole), *resampler.resample(None)]
    return AudioFrame(b"".join(bytes(part.planes[0])[: part.samples * 2] for part in parts), EAR_RATE_HZ)


def bare(text: str) -> list[str]:
    """Words as spoken, so that "10:30" and "ten thirty" are equal."""
    out = re.sub(r"\d+(?:-\d+){2,}", lambda match: match[0].replace("-", ""), text).replace("Barber Shop", "Barbershop")
    return re.findall(r"[a-z']+", spoken(out).lower())


def word_errors(said: str, heard: str) -> int:
    """Levenshtein distance in words."""
    want, got = bare(said), bare(heard)
    row = list(range(len(got) + 1))
    for i, word in enumerate(want, 1):
        before, row = row, [i]
        for j, other in enumerate(got, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1]
