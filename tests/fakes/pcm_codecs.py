"""Audio codecs for tests of the wire: PCM only, resampling by nearest neighbour, and a stream that can be corrupt."""

from __future__ import annotations

from media_plane.audio import EAR_RATE_HZ, AudioFormat, AudioFrame, Codec
from media_plane.transports.wire import AudioCodecs

CORRUPT = b"\xff\xff\xff\xff"
"""A message that the fake decoder cannot decode."""


def _resampled(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    samples = [pcm[at : at + 2] for at in range(0, len(pcm), 2)]
    return b"".join(samples[at * from_hz // to_hz] for at in range(len(samples) * to_hz // from_hz))


class FakeDecoder:
    def __init__(self, spoken: AudioFormat) -> None:
        self._spoken = spoken
        self._odd = b""
        self.packets: tuple[bytes, ...] = ()
        self.corrupt = 0

    def feed(self, message: bytes) -> tuple[AudioFrame, ...]:
        if message == CORRUPT:
            self.corrupt += 1
            return ()
        self.packets = (message,) if self._spoken.codec == "opus" else ()
        data = self._odd + message
        even = len(data) // 2 * 2
        self._odd = data[even:]
        return (AudioFrame(_resampled(data[:even], self._spoken.sample_rate_hz, EAR_RATE_HZ), EAR_RATE_HZ),)


class FakeEncoder:
    """Sends whole 20 ms frames and keeps the rest, as an Opus encoder does."""

    def __init__(self, wanted: AudioFormat) -> None:
        self._rate_hz = wanted.sample_rate_hz
        self._frame_bytes = wanted.sample_rate_hz // 50 * 2
        self._rest = b""

    def encode(self, frame: AudioFrame) -> tuple[bytes, ...]:
        data = self._rest + _resampled(frame.pcm, frame.sample_rate_hz, self._rate_hz)
        whole = len(data) // self._frame_bytes * self._frame_bytes
        self._rest = data[whole:]
        return tuple(data[at : at + self._frame_bytes] for at in range(0, whole, self._frame_bytes))

    def flush(self) -> tuple[bytes, ...]:
        rest, self._rest = self._rest, b""
        return (rest,) if rest else ()

    def reset(self) -> None:
        self._rest = b""


def fake_sniff(head: bytes) -> Codec | None:
    return "webm_opus" if head.startswith(b"\x1aE\xdf\xa3") else None


def pcm_codecs() -> AudioCodecs:
    return AudioCodecs(FakeDecoder, FakeEncoder, fake_sniff)
