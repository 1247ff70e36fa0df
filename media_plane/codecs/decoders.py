"""Picks the decoder of what a caller sends; whatever the codec, out come frames of PCM16 mono at 16 kHz.

Corrupt audio is counted and passed over while the call lives on; only a stream with no audio in it at all is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from media_plane.audio import EAR_RATE_HZ, AudioFormat, AudioFrame, Codec
from media_plane.codecs.g711 import mulaw_to_pcm
from media_plane.codecs.opus import OpusCorrupt, OpusDecoder
from media_plane.codecs.pcm import PcmReader
from media_plane.codecs.resample import Resampler
from media_plane.codecs.wav import WavReader
from media_plane.codecs.webm import WebmReader
from nexus.errors import ProtocolViolation

CALLER_CODECS: tuple[Codec, ...] = ("pcm_s16le", "opus", "webm_opus", "wav", "mulaw")
PCM_RATES_HZ = range(8_000, 48_001)
"""Rates of bare PCM and mu-law."""
BARREN_LIMIT_BYTES = 65_536
"""So much without any audio in it is not a stream of the codec that was promised."""
MESSAGE_LIMIT_MS = 30_000.0
"""More Opus audio than this out of one message is an attack by compression; the rest is dropped and counted as corrupt."""
CONCEALED_LIMIT = 5
"""So many lost packets in a row are concealed; after that the caller is simply silent."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one message held: frames of any rate, the Opus packets they came from, how many frames were corrupt."""

    frames: tuple[AudioFrame, ...]
    packets: tuple[bytes, ...] = ()
    corrupt: int = 0


class _Reader(Protocol):
    """One codec."""

    def read(self, message: bytes) -> Reading: ...


class CallerDecoder:
    """Decodes one caller's stream, message by message, cut anywhere where the codec allows it.

    After each ``feed``, ``packets`` holds the Opus packets of that message (empty for other codecs) and ``corrupt`` counts the
    undecodable frames of the whole call.
    """

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self._resampler = Resampler(EAR_RATE_HZ, EAR_RATE_HZ)
        self._barren_bytes = 0
        self.packets: tuple[bytes, ...] = ()
        self.corrupt = 0

    def feed(self, message: bytes) -> tuple[AudioFrame, ...]:
        """The audio of a message, PCM16 mono 16 kHz, possibly none.

        Raises:
            ProtocolViolation: ``audio_corrupt`` when nothing could be decoded for ``BARREN_LIMIT_BYTES``, ``codec_unsupported``.
        """
        reading = self._reader.read(message)
        self.packets = reading.packets
        self.corrupt += reading.corrupt
        self._barren_bytes = 0 if len(reading.frames) > reading.corrupt else self._barren_bytes + len(message)
        if self._barren_bytes > BARREN_LIMIT_BYTES:
            raise ProtocolViolation(
                "audio_corrupt", f"no audio could be decoded in {BARREN_LIMIT_BYTES} bytes: send the codec that session.start promised"
            )
        frames = (self._at_ear_rate(frame) for frame in reading.frames)
        return tuple(frame for frame in frames if frame.pcm)

    def _at_ear_rate(self, frame: AudioFrame) -> AudioFrame:
        if frame.sample_rate_hz != self._resampler.from_hz:
            self._resampler = Resampler(frame.sample_rate_hz, EAR_RATE_HZ)
        return self._resampler.feed(frame)


class _Pcm:
    def __init__(self, rate_hz: int) -> None:
        self._pcm = PcmReader(rate_hz)

    def read(self, message: bytes) -> Reading:
        frame = self._pcm.feed(message)
        return Reading((frame,) if frame.pcm else ())


@dataclass(frozen=True, slots=True)
class _Mulaw:
    rate_hz: int

    def read(self, message: bytes) -> Reading:
        return Reading((AudioFrame(mulaw_to_pcm(message), self.rate_hz),) if message else ())


@dataclass(frozen=True, slots=True)
class _Wav:
    wav: WavReader = field(default_factory=WavReader)

    def read(self, message: bytes) -> Reading:
        return Reading(self.wav.feed(message))


class _Opus:
    """Packets to frames: a broken packet is counted and concealed while the gap is short."""

    def __init__(self) -> None:
        self._decoder = OpusDecoder(EAR_RATE_HZ)
        self._lost_in_a_row = CONCEALED_LIMIT

    def read(self, message: bytes) -> Reading:
        return self.decode((message,))

    def decode(self, packets: Iterable[bytes]) -> Reading:
        frames: list[AudioFrame] = []
        good: list[bytes] = []
        corrupt, total_ms = 0, 0.0
        for packet in packets:
            if total_ms > MESSAGE_LIMIT_MS:
                corrupt += 1
                continue
            try:
                frames.append(self._decoder.decode(packet))
                good.append(packet)
                self._lost_in_a_row = 0
            except OpusCorrupt:
                corrupt += 1
                frames.append(self._concealed())
            total_ms += frames[-1].duration_ms
        return Reading(tuple(frames), tuple(good), corrupt)

    def _concealed(self) -> AudioFrame:
        self._lost_in_a_row += 1
        if self._lost_in_a_row > CONCEALED_LIMIT:
            return AudioFrame(b"", EAR_RATE_HZ)
        return self._decoder.conceal()


class _WebmOpus:
    def __init__(self) -> None:
        self._webm = WebmReader()
        self._opus = _Opus()

    def read(self, message: bytes) -> Reading:
        before = self._webm.faults
        reading = self._opus.decode(self._webm.feed(message))
        broken = self._webm.faults - before
        gap = (AudioFrame(b"", EAR_RATE_HZ),) * broken
        return Reading(reading.frames + gap, reading.packets, reading.corrupt + broken)


_READERS: Mapping[Codec, Callable[[int], _Reader]] = {
    "pcm_s16le": _Pcm,
    "mulaw": _Mulaw,
    "opus": lambda _: _Opus(),
    "webm_opus": lambda _: _WebmOpus(),
    "wav": lambda _: _Wav(),
}


def decoder_for(wanted: AudioFormat) -> CallerDecoder:
    """The decoder of a caller's format. The rate matters for bare PCM and mu-law only: the other codecs carry their own.

    Raises:
        ProtocolViolation: ``codec_unsupported``.
    """
    make = _READERS.get(wanted.codec)
    if make is None:
        raise ProtocolViolation("codec_unsupported", f"caller audio may be {', '.join(CALLER_CODECS)}; not {str(wanted.codec)[:40]}")
    if wanted.codec in ("pcm_s16le", "mulaw") and wanted.sample_rate_hz not in PCM_RATES_HZ:
        raise ProtocolViolation("codec_unsupported", f"{wanted.codec} may have 8000 to 48000 Hz, not {wanted.sample_rate_hz}")
    return CallerDecoder(make(wanted.sample_rate_hz))


_SIGNATURES: Mapping[bytes, Codec] = {
    b"\x1a\x45\xdf\xa3": "webm_opus",
    b"RIFF": "wav",
    b"OggS": "container",
    b"fLaC": "container",
    b"ID3\x03": "container",
    b"ID3\x04": "container",
}


def sniff(first_bytes: bytes) -> Codec | None:
    """The codec that a stream's first bytes prove; None for bare audio, unknown containers and fewer than four bytes."""
    return _SIGNATURES.get(bytes(first_bytes[:4]))
