"""Bare PCM16 as it comes off a socket, cut anywhere: also in the middle of a sample."""

from __future__ import annotations

from media_plane.audio import BYTES_PER_SAMPLE, AudioFrame


class PcmReader:
    """Gives whole samples and keeps an odd byte for the next message. PCM16 little-endian mono."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._odd = b""

    def feed(self, message: bytes) -> AudioFrame:
        """The whole samples of what came, possibly none."""
        if not self._odd and len(message) % BYTES_PER_SAMPLE == 0:
            return AudioFrame(bytes(message), self._sample_rate_hz)
        data = self._odd + message
        whole = len(data) // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE
        self._odd = data[whole:]
        return AudioFrame(data[:whole], self._sample_rate_hz)
