"""The audio values: a format, a frame; samples, bytes and milliseconds of each other.

Everywhere inside the media plane audio is PCM, signed 16-bit little-endian, mono. Rates and durations are in the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BYTES_PER_SAMPLE = 2
FRAME_MS = 20
"""Length of the frames that the bridge moves, milliseconds."""
EAR_RATE_HZ = 16_000
"""Rate of caller audio inside the media plane (voice detection, speech-to-text)."""

Codec = Literal["pcm_s16le", "opus", "webm_opus", "wav", "mulaw", "container"]


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What a transport carries: the codec and the rate of the decoded audio, mono."""

    codec: Codec
    sample_rate_hz: int


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """PCM16 mono of any duration; ``len(pcm)`` is even."""

    pcm: bytes
    sample_rate_hz: int

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.pcm) // BYTES_PER_SAMPLE

    @property
    def duration_ms(self) -> float:
        """Length in milliseconds."""
        return self.samples * 1000.0 / self.sample_rate_hz


def bytes_for_ms(duration_ms: float, sample_rate_hz: int) -> int:
    """Bytes of PCM16 mono that last ``duration_ms``, rounded down to whole samples."""
    return int(duration_ms * sample_rate_hz / 1000.0) * BYTES_PER_SAMPLE


def silence(duration_ms: float, sample_rate_hz: int) -> AudioFrame:
    """A frame of digital silence."""
    return AudioFrame(bytes(bytes_for_ms(duration_ms, sample_rate_hz)), sample_rate_hz)
