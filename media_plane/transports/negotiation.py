"""Which audio formats are spoken on the wire, and what a client's wish becomes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from media_plane.audio import AudioFormat, Codec
from media_plane.transports.messages import WireFormat
from nexus.errors import ProtocolViolation

_PCM_RATES_HZ = (16_000, 8_000, 24_000, 48_000)
INPUT_RATES_HZ: Mapping[Codec, tuple[int, ...]] = MappingProxyType(
    {
        "pcm_s16le": _PCM_RATES_HZ,
        "opus": (48_000, 8_000, 12_000, 16_000, 24_000),
        "webm_opus": (48_000, 8_000, 12_000, 16_000, 24_000),
        "wav": (16_000, 8_000, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000),
        "mulaw": (8_000,),
        "container": (48_000,),
    }
)
"""Codecs a client may send, with their rates, the usual one first. In containers the header of the stream decides."""
OUTPUT_RATES_HZ: Mapping[Codec, tuple[int, ...]] = MappingProxyType({"pcm_s16le": _PCM_RATES_HZ, "opus": (24_000,), "mulaw": (8_000,)})
"""Codecs a client may be sent. No containers: WebM on the way back costs a tenth of a second and more."""


def input_format(wish: WireFormat) -> AudioFormat:
    """What the client will send. Raises ProtocolViolation ``codec_unsupported``."""
    return _agree("input", wish, INPUT_RATES_HZ)


def output_format(wish: WireFormat) -> AudioFormat:
    """What the client is sent. Raises ProtocolViolation ``codec_unsupported``."""
    return _agree("output", wish, OUTPUT_RATES_HZ)


def _agree(side: str, wish: WireFormat, spoken: Mapping[Codec, tuple[int, ...]]) -> AudioFormat:
    for codec, rates_hz in spoken.items():
        if codec == wish.codec and (wish.sample_rate is None or wish.sample_rate in rates_hz):
            return AudioFormat(codec, wish.sample_rate or rates_hz[0])
    offer = "; ".join(f"{codec} at {', '.join(map(str, sorted(rates)))} Hz" for codec, rates in spoken.items())
    raise ProtocolViolation("codec_unsupported", f"audio.{side}: this server speaks {offer}.")
