"""How long an Opus packet lasts, read from its first bytes without decoding it.

**Source:** RFC 6716 section 3.1 (the TOC byte) and section 3.2.5 (the count of frames).
"""

from __future__ import annotations

_SILK_SAMPLES = (480, 960, 1_920, 2_880)
_HYBRID_SAMPLES = (480, 960)
_CELT_SAMPLES = (120, 240, 480, 960)
FRAME_SAMPLES_48K = _SILK_SAMPLES * 3 + _HYBRID_SAMPLES * 2 + _CELT_SAMPLES * 4
"""Samples at 48 kHz of one frame, by the configuration number (the upper five bits of the first byte)."""
LONGEST_SAMPLES_48K = 5_760
"""No packet lasts longer than 120 ms."""
SAMPLES_PER_MS = 48


def packet_samples_48k(packet: bytes) -> int:
    """Samples at 48 kHz that the packet decodes to; 0 when it is no packet (empty, cut off, no frames, longer than 120 ms)."""
    if not packet:
        return 0
    samples = FRAME_SAMPLES_48K[packet[0] >> 3] * _frames(packet)
    return samples if samples <= LONGEST_SAMPLES_48K else 0


def _frames(packet: bytes) -> int:
    code = packet[0] & 0b11
    if code < 3:
        return 1 if code == 0 else 2
    return packet[1] & 0b11_1111 if len(packet) > 1 else 0
