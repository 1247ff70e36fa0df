"""Cuts frames of any length into frames of one fixed length."""

from __future__ import annotations

from media_plane.audio import FRAME_MS, AudioFrame, bytes_for_ms


class Framer:
    """Holds back less than one frame. PCM16 mono at ``sample_rate_hz``; frames of other rates are a programming error."""

    def __init__(self, sample_rate_hz: int, frame_ms: int = FRAME_MS) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._frame_bytes = bytes_for_ms(frame_ms, sample_rate_hz)
        self._rest = bytearray()

    def feed(self, frame: AudioFrame) -> tuple[AudioFrame, ...]:
        """Every whole frame there is now.

        Raises:
            ValueError: the frame has another rate.
        """
        if frame.sample_rate_hz != self.sample_rate_hz:
            raise ValueError(f"a framer for {self.sample_rate_hz} Hz was fed {frame.sample_rate_hz} Hz")
        size = self._frame_bytes
        if not self._rest and len(frame.pcm) == size:
            return (frame,)
        self._rest += frame.pcm
        whole = len(self._rest) // size * size
        cut = bytes(self._rest[:whole])
        del self._rest[:whole]
        return tuple(AudioFrame(cut[i : i + size], self.sample_rate_hz) for i in range(0, whole, size))

    def flush(self) -> AudioFrame | None:
        """The rest, filled up with silence; None when nothing is held."""
        if not self._rest:
            return None
        pcm = bytes(self._rest).ljust(self._frame_bytes, b"\0")
        self._rest.clear()
        return AudioFrame(pcm, self.sample_rate_hz)
