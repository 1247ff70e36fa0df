"""Picks the encoder of what the agent says; whatever rate comes in, out go messages of 20 ms."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from media_plane.audio import AudioFormat, AudioFrame, Codec
from media_plane.codecs.g711 import pcm_to_mulaw
from media_plane.codecs.opus import OPUS_RATES_HZ, OpusEncoder
from media_plane.codecs.resample import Resampler
from media_plane.framer import Framer
from nexus.errors import ProtocolViolation

AGENT_CODECS: tuple[Codec, ...] = ("pcm_s16le", "opus", "mulaw")
PCM_RATES_HZ = range(8_000, 48_001)

_Encode = Callable[[AudioFrame], bytes]


class _Line:
    """Resampler, framer and codec for one rate of incoming audio."""

    def __init__(self, from_hz: int, to_hz: int, encode: _Encode) -> None:
        self.from_hz = from_hz
        self._resampler = Resampler(from_hz, to_hz)
        self._framer = Framer(to_hz)
        self._encode = encode

    def feed(self, frame: AudioFrame) -> tuple[bytes, ...]:
        return tuple(self._encode(each) for each in self._framer.feed(self._resampler.feed(frame)))

    def flush(self) -> tuple[bytes, ...]:
        whole = self._framer.feed(self._resampler.flush())
        rest = self._framer.flush()
        return tuple(self._encode(each) for each in (*whole, *([rest] if rest else [])))


class AgentEncoder:
    """Encodes one call's agent audio. Call ``flush`` where an item ends and ``reset`` where the caller interrupts."""

    def __init__(self, wanted: AudioFormat, make: Callable[[int], _Encode]) -> None:
        self._wanted = wanted
        self._make = make
        self._encode: _Encode | None = None
        self._encode_hz = 0
        self._line: _Line | None = None

    def encode(self, frame: AudioFrame) -> tuple[bytes, ...]:
        """The messages that are whole by now: each 20 ms. Takes any rate; less than 20 ms is held back."""
        messages: tuple[bytes, ...] = ()
        if self._line is None or self._line.from_hz != frame.sample_rate_hz:
            messages = self.flush()
            self._line = self._new_line(frame.sample_rate_hz)
        return messages + self._line.feed(frame)

    def flush(self) -> tuple[bytes, ...]:
        """What is held back, filled up with silence to 20 ms."""
        line, self._line = self._line, None
        return line.flush() if line else ()

    def reset(self) -> None:
        """Forget what is held back."""
        self._line = None

    def _new_line(self, from_hz: int) -> _Line:
        to_hz = self._rate_for(from_hz)
        if self._encode is None or self._encode_hz != to_hz:
            self._encode, self._encode_hz = self._make(to_hz), to_hz
        return _Line(from_hz, to_hz, self._encode)

    def _rate_for(self, from_hz: int) -> int:
        """Opus packets can be decoded at any rate, so they are made at the rate in which the audio comes, where libopus knows it."""
        return from_hz if self._wanted.codec == "opus" and from_hz in OPUS_RATES_HZ else self._wanted.sample_rate_hz


def _bare(_: int) -> _Encode:
    return lambda frame: frame.pcm


def _mulaw(_: int) -> _Encode:
    return lambda frame: pcm_to_mulaw(frame.pcm)


def _opus(rate_hz: int) -> _Encode:
    return OpusEncoder(rate_hz).encode


_ENCODINGS: Mapping[Codec, Callable[[int], _Encode]] = {"pcm_s16le": _bare, "opus": _opus, "mulaw": _mulaw}


def encoder_for(wanted: AudioFormat) -> AgentEncoder:
    """The encoder of what the caller is sent.

    Raises:
        ProtocolViolation: ``codec_unsupported``.
    """
    make = _ENCODINGS.get(wanted.codec)
    if make is None:
        raise ProtocolViolation("codec_unsupported", f"agent audio may be {', '.join(AGENT_CODECS)}; not {str(wanted.codec)[:40]}")
    rates = OPUS_RATES_HZ if wanted.codec == "opus" else PCM_RATES_HZ
    if wanted.sample_rate_hz not in rates:
        allowed = ", ".join(map(str, OPUS_RATES_HZ)) if wanted.codec == "opus" else "8000 to 48000"
        raise ProtocolViolation("codec_unsupported", f"{wanted.codec} may have {allowed} Hz, not {wanted.sample_rate_hz}")
    return AgentEncoder(wanted, make)
