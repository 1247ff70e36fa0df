"""G.711 mu-law to PCM16 and back, by table.

**Source:** ITU-T G.711 (11/1988), table 2a; bias 33 on the 14-bit scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BIAS = 132
_CLIP = 32_635


def _decoding_table() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int32) ^ 0xFF
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = (((mantissa << 3) + _BIAS) << exponent) - _BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


def _encoding_table() -> NDArray[np.uint8]:
    """The code of every 16-bit sample, by the sample read as unsigned."""
    sample = np.arange(65_536, dtype=np.int32).astype(np.uint16).view(np.int16).astype(np.int32)
    biased = np.minimum(np.abs(sample), _CLIP) + _BIAS
    exponent = np.floor(np.log2(biased)).astype(np.int32) - 7
    mantissa = (biased >> (exponent + 3)) & 15
    sign = np.where(sample < 0, 0x80, 0)
    code: NDArray[np.uint8] = ((sign | (exponent << 4) | mantissa) ^ 0xFF).astype(np.uint8)
    return code


_TO_PCM = _decoding_table()
_TO_CODE: NDArray[np.uint8] = _encoding_table()


def mulaw_to_pcm(codes: bytes) -> bytes:
    """PCM16 little-endian, one sample a code."""
    return _TO_PCM[np.frombuffer(codes, np.uint8)].tobytes()


def pcm_to_mulaw(pcm: bytes) -> bytes:
    """One code a PCM16 little-endian sample."""
    codes: NDArray[np.uint8] = _TO_CODE[np.frombuffer(pcm, "<u2")]
    return codes.tobytes()
