"""Changes the rate of a stream of frames, holding back one or two milliseconds, by libswresample.

libswresample was picked over soxr, whose streaming mode holds back 20 to 110 ms.
"""

from __future__ import annotations

import av
import numpy as np

from media_plane.audio import AudioFrame


class Resampler:
    """PCM16 mono from ``from_hz`` to ``to_hz``, one stream in order. Nothing is done where the rates are equal."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self.from_hz = from_hz
        self.to_hz = to_hz
        self._swr = None if from_hz == to_hz else av.AudioResampler(format="s16", layout="mono", rate=to_hz)

    def feed(self, frame: AudioFrame) -> AudioFrame:
        """What has come out by now; the total never strays more than the filter's few milliseconds from the total that went in.

        Raises:
            ValueError: the frame has another rate than ``from_hz``.
        """
        if frame.sample_rate_hz != self.from_hz:
            raise ValueError(f"a resampler from {self.from_hz} Hz was fed {frame.sample_rate_hz} Hz")
        if self._swr is None or not frame.pcm:
            return AudioFrame(frame.pcm, self.to_hz)
        given = av.AudioFrame.from_ndarray(np.frombuffer(frame.pcm, "<i2")[None, :], format="s16", layout="mono")
        given.sample_rate = self.from_hz
        return self._joined(self._swr.resample(given))

    def flush(self) -> AudioFrame:
        """What the filter still holds; afterwards the stream is over."""
        return AudioFrame(b"", self.to_hz) if self._swr is None else self._joined(self._swr.resample(None))

    def _joined(self, frames: list[av.AudioFrame]) -> AudioFrame:
        return AudioFrame(b"".join(frame.to_ndarray().tobytes() for frame in frames), self.to_hz)
