"""The audio of one caller utterance: what came just before it, all of it, cut where it is quiet when it grows too long; pure."""

from __future__ import annotations

import numpy as np

from media_plane.audio import BYTES_PER_SAMPLE, EAR_RATE_HZ, AudioFrame, bytes_for_ms

_SEARCH_MS = 4000
_WINDOW_MS = 100


class UtteranceBuffer:
    """Caller audio at 16 kHz.

    Args:
        preroll_ms: how much audio from before ``begin`` belongs to the utterance (the detector notices speech late).
        longest_ms: of a piece; a longer utterance is given in pieces.
    """

    def __init__(self, *, preroll_ms: float, longest_ms: float) -> None:
        self._preroll_bytes = bytes_for_ms(preroll_ms, EAR_RATE_HZ)
        self._longest_bytes = bytes_for_ms(longest_ms, EAR_RATE_HZ)
        self._audio = bytearray()
        self.open = False

    def begin(self) -> None:
        """Speech has begun: everything from the pre-roll on is kept."""
        self.open = True

    def append(self, frame: AudioFrame) -> AudioFrame | None:
        """Add audio; a finished piece when the utterance has grown too long."""
        self._audio += frame.pcm
        if not self.open:
            del self._audio[: max(0, len(self._audio) - self._preroll_bytes)]
            return None
        if len(self._audio) < self._longest_bytes:
            return None
        cut = quietest_place(bytes(self._audio))
        piece = AudioFrame(bytes(self._audio[:cut]), EAR_RATE_HZ)
        del self._audio[:cut]
        return piece

    def snapshot(self) -> AudioFrame:
        """The utterance so far, without pieces given before."""
        return AudioFrame(bytes(self._audio), EAR_RATE_HZ)

    def end(self) -> AudioFrame:
        """The utterance (its last piece); the end of it is the next one's pre-roll."""
        audio = self.snapshot()
        self.open = False
        del self._audio[: max(0, len(self._audio) - self._preroll_bytes)]
        return audio


def quietest_place(pcm: bytes) -> int:
    """Where to cut: the byte offset of the middle of the quietest 100 ms among the last 4 s."""
    window = EAR_RATE_HZ * _WINDOW_MS // 1000
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    begin = max(0, len(samples) - EAR_RATE_HZ * _SEARCH_MS // 1000)
    count = (len(samples) - begin) // window
    if count == 0:
        return len(pcm)
    energy = np.square(samples[begin : begin + count * window]).reshape(count, window).sum(axis=1)
    return (begin + int(energy.argmin()) * window + window // 2) * BYTES_PER_SAMPLE
