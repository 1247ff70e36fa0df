"""The Ogg reader gives the same packets for any cutting, survives damage and stays small; what the writer makes, others read."""

from __future__ import annotations

import io
import itertools
import random

import av
import numpy as np
import pytest
import sphn
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from media_plane.codecs.ogg import CAPTURE, PACKET_LIMIT_BYTES, OggReader, OggWriter, page_crc
from media_plane.codecs.opus import OpusDecoder
from media_plane.codecs.opus_packet import packet_samples_48k
from tests.fakes.personaplex_tape import page, tape
from tests.fakes.webm_bytes import likeness, opus_packets, speech, tone

SERIAL = 7
AUDIO = st.binary(min_size=1, max_size=1_500).filter(lambda packet: not packet.startswith((b"OpusHead", b"OpusTags")))
PACKETS = st.lists(AUDIO, min_size=1, max_size=6)


def plain_crc(data: bytes) -> int:
    """The checksum as RFC 3533 writes it: bit by bit, polynomial 0x04c11db7, nothing reflected, nothing inverted."""
    crc = 0
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x104C11DB7 if crc & 0x80000000 else 0)
    return crc


def ogg_of(packets: list[bytes]) -> list[bytes]:
    """The pages of a stream, one packet a page, headers first."""
    writer = OggWriter(SERIAL)
    return [*writer.headers(), *(writer.page((packet,)) for packet in packets)]


def read_all(data: bytes) -> tuple[bytes, ...]:
    return OggReader().feed(data)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


# --- checksum ----------------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=300))
def test_the_checksum_is_the_specifications(data: bytes) -> None:
    assert page_crc(data) == plain_crc(data).to_bytes(4, "little")


def test_the_checksum_is_the_genuine_servers() -> None:
    pages = [message[1:] for message in tape("echo-10s").server if message[:1] == b"\x01"]
    assert len(pages) == 125
    for data in pages:
        assert page_crc(data[:22] + bytes(4) + data[26:]) == data[22:26]


# --- reading -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["client", "server"])
def test_both_sides_of_a_recorded_session_are_read_whole(side: str) -> None:
    reader, decoder = OggReader(), OpusDecoder(24_000)
    messages: tuple[bytes, ...] = getattr(tape("echo-10s"), side)
    packets = [packet for message in messages if message[:1] == b"\x01" for packet in reader.feed(message[1:])]
    assert len(packets) == 123
    assert {decoder.decode(packet).samples for packet in packets} == {1_920}
    assert {packet_samples_48k(packet) for packet in packets} == {3_840}
    assert (reader.faults.garbage_bytes, reader.faults.bad_pages, reader.faults.missing_pages, reader.faults.torn_packets) == (0, 0, 0, 0)


@given(packets=PACKETS, places=st.lists(st.integers(0, 1 << 16), max_size=20))
def test_any_cutting_gives_the_same_packets(packets: list[bytes], places: list[int]) -> None:
    reader = OggReader()
    assert [packet for piece in cut(b"".join(ogg_of(packets)), places) for packet in reader.feed(piece)] == packets


@given(groups=st.lists(PACKETS, min_size=1, max_size=5))
def test_what_is_written_is_read(groups: list[list[bytes]]) -> None:
    writer, reader = OggWriter(SERIAL), OggReader()
    data = b"".join((*writer.headers(), *(writer.page(group) for group in groups)))
    assert reader.feed(data) == tuple(packet for group in groups for packet in group)
    assert reader.faults.missing_pages == reader.faults.torn_packets == reader.faults.garbage_bytes == 0


@pytest.mark.parametrize("size", [254, 255, 256, 510, 255 * 240, PACKET_LIMIT_BYTES - 1, PACKET_LIMIT_BYTES])
def test_packets_of_awkward_sizes_go_over_pages_and_come_back(size: int) -> None:
    packets = (bytes([1]) * 3, *[bytes([2]) * size] * 2, bytes([3]) * 5)
    assert read_all(OggWriter(SERIAL).page(packets)) == packets


def test_a_packet_over_two_pages_is_marked_as_the_specification_says() -> None:
    data = OggWriter(SERIAL).page((bytes(255 * 300),))
    second = data.index(CAPTURE, 4)
    first_page, second_page = data[:second], data[second:]
    assert first_page[5] == 0 and first_page[6:14] == b"\xff" * 8, "no packet ends on it: position -1"
    assert second_page[5] == 1, "continued"
    assert page(second_page).packets == (bytes(45 * 255),)


def test_a_packet_longer_than_the_limit_is_dropped_and_the_next_one_is_read() -> None:
    reader = OggReader()
    data = OggWriter(SERIAL).page((bytes(PACKET_LIMIT_BYTES + 300), b"next"))
    assert reader.feed(data) == (b"next",)
    assert reader.faults.torn_packets == 1


def test_an_endless_packet_takes_no_memory() -> None:
    writer, reader = OggWriter(SERIAL), OggReader()
    endless = writer.page((bytes(4_000_000),))
    for at in range(0, len(endless), 10_000):
        assert reader.feed(endless[at : at + 10_000]) == ()
        held = len(reader._buffer) + len(reader._unfinished or b"")
        assert held <= 65_307 + PACKET_LIMIT_BYTES + 255


def test_a_flipped_bit_loses_its_page_alone() -> None:
    packets = [bytes([number]) * 40 for number in range(1, 8)]
    pages = ogg_of(packets)
    for position in range(len(pages[4])):
        broken = bytearray(pages[4])
        broken[position] ^= 0x10
        reader = OggReader()
        got = reader.feed(b"".join((*pages[:4], bytes(broken), *pages[5:])))
        # A broken length may make the reader wait for bytes that belong to the next pages; what it gives is never wrong.
        assert [packet for packet in got if packet not in packets] == []
        if position > 27:
            assert list(got) == packets[:2] + packets[3:]
            assert (reader.faults.bad_pages, reader.faults.missing_pages) == (1, 1)


@given(
    packets=PACKETS,
    garbage=st.lists(st.binary(max_size=120), min_size=8, max_size=8),
)
def test_garbage_between_pages_is_passed_over_and_counted(packets: list[bytes], garbage: list[bytes]) -> None:
    assume(not any(b"O" in piece for piece in garbage))
    reader = OggReader()
    pages = ogg_of(packets)
    mixed = b"".join(piece + data for piece, data in zip(garbage, pages, strict=False))
    assert list(reader.feed(mixed)) == packets
    assert reader.faults.garbage_bytes == sum(len(piece) for piece, _ in zip(garbage, pages, strict=False))


@settings(max_examples=60)
@given(data=st.binary(max_size=3_000), places=st.lists(st.integers(0, 1 << 16), max_size=8))
def test_anything_at_all_is_survived_and_a_good_page_after_it_is_read(data: bytes, places: list[int]) -> None:
    assume(CAPTURE[:1] not in data)
    reader = OggReader()
    for piece in cut(data, places):
        assert reader.feed(piece) == ()
    assert reader.feed(OggWriter(SERIAL).page((b"good",))) == (b"good",)


def test_a_torn_up_stream_gives_only_packets_that_were_in_it() -> None:
    chance = random.Random(5)
    packets = [bytes(chance.randrange(256) for _ in range(chance.randrange(1, 900))) for _ in range(60)]
    whole = bytearray(b"".join(ogg_of(packets)))
    later = b"".join(ogg_of([b"later" * 50] * 300))  # a page that is none may seem to last 65,307 bytes
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(damaged))
            match chance.randrange(3):
                case 0:
                    damaged[at] ^= 1 << chance.randrange(8)
                case 1:
                    del damaged[at : at + chance.randrange(1, 200)]
                case 2:
                    damaged[at:at] = bytes(chance.randrange(256) for _ in range(50)) + CAPTURE
        reader = OggReader()
        got = [packet for packet in reader.feed(bytes(damaged) + later) if packet != b"later" * 50]
        assert set(got) <= set(packets)
        assert len(got) >= 50, "damage in five places does not cost most of the stream"


def test_missing_pages_are_counted_and_a_packet_that_they_tear_is_dropped() -> None:
    writer, reader = OggWriter(SERIAL), OggReader()
    pages = [*writer.headers(), writer.page((b"a",)), writer.page((b"b",)), writer.page((b"c",))]
    long = writer.page((bytes(255 * 600), b"tail"))
    starts = [at for at in range(len(long)) if long.startswith(CAPTURE, at)]
    assert len(starts) == 3
    first, _, third = (long[a:b] for a, b in itertools.pairwise([*starts, len(long)]))
    assert reader.feed(b"".join((*pages[:3], pages[4]))) == (b"a", b"c")
    assert reader.faults.missing_pages == 1
    assert reader.feed(first + third) == (b"tail",)
    assert reader.faults.missing_pages == 2
    assert reader.faults.torn_packets >= 1


def test_the_head_of_one_packet_is_never_joined_to_the_tail_of_another() -> None:
    def torn(writer: OggWriter, letter: bytes) -> tuple[bytes, bytes]:
        """Two pages: 230 small packets and the head of a long one, then its tail."""
        data = writer.page((*[b"."] * 230, letter * 10_000))
        second = data.index(CAPTURE, 4)
        return data[:second], data[second:]

    writer, reader = OggWriter(SERIAL), OggReader()
    head, _ = torn(writer, b"a")
    _, other_tail = torn(writer, b"b")
    assert set(reader.feed(head)) == {b"."}
    assert reader.feed(other_tail) == ()
    assert reader.feed(torn(writer, b"c")[0] + writer.page((b"fresh",)))[-1] == b"fresh"
    assert reader.faults.torn_packets == 3


def test_a_stream_that_begins_anew_is_followed() -> None:
    reader = OggReader()
    second = OggWriter(SERIAL + 1)
    data = b"".join((*ogg_of([b"old"]), *second.headers(), second.page((b"new",)), *ogg_of([b"again"])))
    assert reader.feed(data) == (b"old", b"new", b"again")
    assert reader.faults.missing_pages == 0


# --- writing -----------------------------------------------------------------------------------------------------------------


def test_the_headers_say_mono_opus_in_one_stream() -> None:
    head, tags = (page(data) for data in OggWriter(SERIAL).headers())
    assert (head.flags, head.granule, head.serial, head.sequence) == (2, 0, SERIAL, 0)
    assert (tags.flags, tags.granule, tags.serial, tags.sequence) == (0, 0, SERIAL, 1)
    opus_head = head.packets[0]
    assert opus_head[:10] == b"OpusHead\x01\x01" and int.from_bytes(opus_head[12:16], "little") == 24_000 and len(opus_head) == 19
    assert tags.packets[0] == b"OpusTags\x05\x00\x00\x00nexus\x00\x00\x00\x00"


def test_the_headers_have_the_form_of_the_genuine_clients() -> None:
    ours = [page(data) for data in OggWriter(42).headers()]
    theirs = [page(message[1:]) for message in tape("echo-10s").client[:2]]
    for our, their in zip(ours, theirs, strict=True):
        assert (our.flags, our.granule, our.serial, our.sequence) == (their.flags, their.granule, their.serial, their.sequence)
        assert our.packets[0][:8] == their.packets[0][:8]
    assert len(ours[0].packets[0]) == len(theirs[0].packets[0])
    assert ours[0].packets[0][8:10] == theirs[0].packets[0][8:10]


def test_the_clock_of_the_pages_counts_the_packets_own_lengths() -> None:
    writer = OggWriter(SERIAL)
    writer.headers()
    packets = opus_packets(tone(100, 16_000))
    assert page(writer.page(packets[:1])).granule == 960
    many = page(writer.page(packets[1:4]))
    assert (many.granule, many.sequence, many.packets) == (960 * 4, 3, tuple(packets[1:4]))
    assert writer.page(()) == b""
    assert page(writer.page(packets[4:])).sequence == 4


def test_ffmpeg_and_the_genuine_servers_library_read_what_is_written() -> None:
    pcm = speech()
    data = b"".join(ogg_of(opus_packets(pcm)))
    with av.open(io.BytesIO(data), "r") as container:
        frames = [frame for frame in container.decode(audio=0)]
        by_ffmpeg = b"".join(frame.to_ndarray().astype(np.float32).tobytes() for frame in frames)
        length_s = len(by_ffmpeg) / 4 / frames[0].sample_rate
    assert abs(length_s - len(pcm) / 32_000) < 0.06
    samples, rate_hz = sphn.read_opus_bytes(data)
    assert abs(np.asarray(samples).shape[1] / rate_hz - len(pcm) / 32_000) < 0.02
    assert likeness(pcm, np.rint(np.asarray(samples)[0, ::3] * 32_767).astype("<i2").tobytes()) > 0.9
