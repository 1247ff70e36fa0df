"""How likely it is that somebody speaks, frame by frame.

**Source:** Silero VAD v6 (snakers4/silero-vad, MIT): at 16 kHz the model takes 64 samples of context and 512 new ones, keeps a state of
shape (2, 1, 128) and gives one probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from media_plane.audio import BYTES_PER_SAMPLE, EAR_RATE_HZ, AudioFrame

_HOP_BYTES = 512 * BYTES_PER_SAMPLE
_CONTEXT_SAMPLES = 64
_STATE_SHAPE = (2, 1, 128)


class VoiceDetector(Protocol):
    """Holds the state of one call's audio."""

    def probability(self, frame: AudioFrame) -> float:
        """0..1 that the newest audio holds a voice. PCM16 mono 16 kHz, any length, in order."""
        ...


class InferenceSession(Protocol):
    """The one method that we use of ``onnxruntime.InferenceSession``; safe to share among calls."""

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any]) -> Any: ...


class SileroDetector:
    """Silero VAD over a loaded model. Between hops of 32 ms the last probability stands."""

    def __init__(self, session: InferenceSession) -> None:
        self._session = session
        self._waiting = bytearray()
        self._context = np.zeros((1, _CONTEXT_SAMPLES), np.float32)
        self._state = np.zeros(_STATE_SHAPE, np.float32)
        self._rate = np.array(EAR_RATE_HZ, np.int64)
        self._latest = 0.0

    def probability(self, frame: AudioFrame) -> float:
        """See ``VoiceDetector``."""
        self._waiting += frame.pcm
        while len(self._waiting) >= _HOP_BYTES:
            hop = np.frombuffer(bytes(self._waiting[:_HOP_BYTES]), "<i2").astype(np.float32)[None, :] / 32_768.0
            del self._waiting[:_HOP_BYTES]
            heard = np.concatenate([self._context, hop], axis=1)
            self._context = hop[:, -_CONTEXT_SAMPLES:]
            probability, self._state = self._session.run(None, {"input": heard, "state": self._state, "sr": self._rate})
            self._latest = float(probability[0, 0])
        return self._latest


class ScriptedDetector:
    """Calls loud audio a voice: for tests and for a machine without the model. Any noise above ``threshold`` is a voice to it."""

    def __init__(self, threshold: int = 500) -> None:
        self._threshold = threshold

    def probability(self, frame: AudioFrame) -> float:
        """1.0 when the loudest sample reaches the threshold, else 0.0."""
        samples = np.frombuffer(frame.pcm, "<i2").astype(np.int32)
        return float(samples.size > 0 and int(np.abs(samples).max()) >= self._threshold)
