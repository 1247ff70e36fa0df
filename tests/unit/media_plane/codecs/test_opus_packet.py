"""The first bytes of a packet tell how long libopus makes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_plane.codecs.opus import OpusCorrupt, OpusDecoder
from media_plane.codecs.opus_packet import packet_samples_48k
from tests.fakes.webm_bytes import opus_packets, tone


def test_packets_of_ours_last_20_ms() -> None:
    assert {packet_samples_48k(packet) for packet in opus_packets(tone(200, 16_000))} == {960}


@pytest.mark.parametrize(
    ("toc", "duration_ms"),
    [(0, 10), (1, 20), (2, 40), (3, 60), (11, 60), (12, 10), (13, 20), (15, 20), (16, 2.5), (17, 5), (18, 10), (19, 20), (31, 20)],
)
def test_the_table_of_configurations(toc: int, duration_ms: float) -> None:
    samples = duration_ms * 48
    assert packet_samples_48k(bytes([toc << 3])) == samples
    assert packet_samples_48k(bytes([toc << 3 | 4, 1])) == samples, "stereo lasts no longer"
    assert packet_samples_48k(bytes([toc << 3 | 1, 0])) == packet_samples_48k(bytes([toc << 3 | 2, 0])) == 2 * samples
    assert packet_samples_48k(bytes([toc << 3 | 3, 0b1100_0000 | 2])) == 2 * samples, "only six bits are the count"


@pytest.mark.parametrize("packet", [b"", b"\x03", b"\x03\x00", b"\x1b\x03"], ids=["empty", "cut off", "no frames", "180 ms"])
def test_what_is_no_packet_has_no_length(packet: bytes) -> None:
    assert packet_samples_48k(packet) == 0


@given(st.binary(max_size=60))
def test_libopus_says_the_same(packet: bytes) -> None:
    decoder = OpusDecoder(48_000)
    try:
        samples = decoder.decode(packet).samples
    except OpusCorrupt:
        return
    assert samples == packet_samples_48k(packet)
