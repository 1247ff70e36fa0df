"""The WebM reader gives the same packets for any cutting, survives corruption and stays small."""

from __future__ import annotations

import contextlib
import io
import struct
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.codecs.lacing import BlockFault, packets_of_block
from media_plane.codecs.opus import OpusDecoder
from media_plane.codecs.webm import WebmReader
from nexus.errors import ProtocolViolation
from tests.fakes.webm_bytes import GOLDEN, block_group, cluster, element, header, likeness, opus_packets, simple_block, speech, stream

PACKETS = [bytes([0x0B, i, i ^ 0x55]) * (i % 7 + 1) for i in range(40)]


def chromium_chunks() -> list[bytes]:
    data = (GOLDEN / "audio" / "chromium156_mediarecorder_20ms.chunks").read_bytes()
    chunks, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        chunks.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return chunks


def read_all(data: bytes) -> tuple[bytes, ...]:
    return WebmReader().feed(data)


def test_chromiums_own_chunks_are_read_from_the_first_byte() -> None:
    chunks = chromium_chunks()
    assert len(chunks[0]) == 1
    reader, decoder = WebmReader(), OpusDecoder(16_000)
    packets = [packet for chunk in chunks for packet in reader.feed(chunk)]
    assert reader.faults == 0
    pcm = b"".join(decoder.decode(packet).pcm for packet in packets)
    assert len(pcm) == len(packets) * 60 * 32
    assert 4_200 <= len(packets) * 60 <= 4_700
    samples = np.frombuffer(pcm, "<i2")
    assert 500 < np.abs(samples).max() < 32_767


def test_chromiums_chunks_end_one_byte_inside_an_element() -> None:
    begun = [chunk[-1:] in (b"\xa3", b"\x1f") for chunk in chromium_chunks()[1:]]
    assert sum(begun) > 0.9 * len(begun), "a Cluster or SimpleBlock begins in nearly every chunk's last byte: the reader must bear it"


def test_ffmpegs_muxer_is_read() -> None:
    pcm, out = speech(), io.BytesIO()
    with av.open(out, "w", format="webm", options={"live": "1"}) as container:
        track = container.add_stream("libopus", rate=16_000)
        track.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2")[None, :], format="s16", layout="mono")
        frame.sample_rate = 16_000
        for packet in [*track.encode(frame), *track.encode(None)]:
            container.mux(packet)
    reader, decoder = WebmReader(), OpusDecoder(16_000)
    decoded = b"".join(decoder.decode(packet).pcm for packet in reader.feed(out.getvalue()))
    assert reader.faults == 0
    assert likeness(pcm, decoded) > 0.95


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, len(stream(PACKETS))), max_size=30))
def test_any_cutting_gives_the_same_packets(cuts: list[int]) -> None:
    data, reader = stream(PACKETS), WebmReader()
    edges = [0, *sorted(cuts), len(data)]
    assert [packet for a, b in pairwise(edges) for packet in reader.feed(data[a:b])] == PACKETS


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_cutting_of_a_broken_stream_gives_the_same_packets(data: st.DataObject) -> None:
    broken = bytearray(stream(PACKETS))
    for at in data.draw(st.lists(st.integers(0, len(broken) - 1), min_size=1, max_size=6)):
        broken[at] ^= data.draw(st.integers(1, 255))
    whole = WebmReader()
    try:
        expected = whole.feed(bytes(broken))
    except ProtocolViolation:
        return
    piecewise = WebmReader()
    assert tuple(packet for byte in broken for packet in piecewise.feed(bytes([byte]))) == expected
    assert piecewise.faults == whole.faults


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_noise_raises_nothing_but_our_errors(noise: bytes) -> None:
    reader = WebmReader()
    reader.feed(header())
    reader.feed(noise)


def test_after_corrupt_bytes_reading_goes_on_at_the_next_cluster() -> None:
    reader = WebmReader()
    good = cluster([simple_block(PACKETS[1])])
    assert reader.feed(header() + cluster([simple_block(PACKETS[0])]) + b"\0garbage" * 50 + good + good) == (
        PACKETS[0],
        PACKETS[1],
        PACKETS[1],
    )
    assert reader.faults == 1


def test_a_size_that_swallows_the_next_cluster_is_noticed() -> None:
    reader = WebmReader()
    broken = bytes.fromhex("A3") + (0x10000000 | 200).to_bytes(4, "big") + b"\x81\0\0\0"
    got = reader.feed(header() + cluster([broken]) + cluster([simple_block(PACKETS[5])]) * 20)
    assert reader.faults == 1
    assert got == (PACKETS[5],) * 20, "what the broken block had swallowed is read after all"


def test_a_recorder_that_starts_anew_is_followed() -> None:
    reader = WebmReader()
    assert reader.feed(stream(PACKETS[:3]) + stream(PACKETS[3:6])) == tuple(PACKETS[:6])
    assert reader.faults == 0


def test_a_stream_joined_in_the_middle_is_read_from_its_next_cluster() -> None:
    assert read_all(stream(PACKETS)[len(header()) + 20 :])[-1] == PACKETS[-1]


def test_block_groups_and_other_tracks() -> None:
    data = header() + cluster([block_group(b"one"), simple_block(b"video", track=2), simple_block(b"two")])
    assert read_all(data) == (b"one", b"two")


def test_unknown_elements_are_passed_over_when_small() -> None:
    reader = WebmReader()
    assert reader.feed(header() + cluster([element("75A2", bytes(300)), element("EC", bytes(9_000)), simple_block(b"x")])) == (b"x",)
    assert reader.faults == 0


def test_another_codec_is_refused_by_name() -> None:
    with pytest.raises(ProtocolViolation, match="A_VORBIS") as refusal:
        read_all(header(b"A_VORBIS") + cluster([simple_block(b"x")]))
    assert refusal.value.code == "codec_unsupported"


def test_memory_is_bounded_whatever_sizes_say() -> None:
    reader = WebmReader()
    reader.feed(header() + cluster([]) + bytes.fromhex("A3") + (0x10000000 | 0x0FFFFFFE).to_bytes(4, "big"))
    for _ in range(100):
        reader.feed(bytes(10_000))
        assert len(reader._buffer) <= 16_384 + 16


def xiph(packets: list[bytes]) -> bytes:
    sizes = b"".join(b"\xff" * (len(p) // 255) + bytes([len(p) % 255]) for p in packets[:-1])
    return bytes([len(packets) - 1]) + sizes + b"".join(packets)


def ebml(packets: list[bytes]) -> bytes:
    sizes = (len(packets[0]) | 0x4000).to_bytes(2, "big")
    for before, after in pairwise(packets[:-1]):
        sizes += (len(after) - len(before) + 0x1FFF | 0x4000).to_bytes(2, "big")
    return bytes([len(packets) - 1]) + sizes + b"".join(packets)


@given(st.lists(st.binary(min_size=1, max_size=600), min_size=2, max_size=12))
def test_laced_blocks_are_taken_apart(packets: list[bytes]) -> None:
    assert packets_of_block(b"\x81\0\0\x02" + xiph(packets)) == (1, tuple(packets))
    assert packets_of_block(b"\x81\0\0\x06" + ebml(packets)) == (1, tuple(packets))
    same = [p[:1] * 9 for p in packets]
    assert packets_of_block(b"\x81\0\0\x04" + bytes([len(same) - 1]) + b"".join(same)) == (1, tuple(same))


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_a_broken_block_is_a_fault(body: bytes) -> None:
    with contextlib.suppress(BlockFault):
        packets_of_block(body)


def test_real_packets_survive_the_container() -> None:
    packets = opus_packets(speech("hello_short"))
    assert list(read_all(stream(packets))) == packets
