"""The outgoing stream is one Ogg stream, exactly as long as what was given, whatever was mixed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.audio import AudioFrame, silence
from media_plane.codecs.ogg import OggReader
from media_plane.codecs.opus import OpusDecoder
from media_plane.codecs.opus_packet import packet_samples_48k
from media_plane.conversation.commands import CallerAudio
from media_plane.engines.personaplex.caller_stream import CallerStream, audio_ms
from tests.fakes.personaplex_tape import page, tape
from tests.fakes.webm_bytes import likeness, opus_packets, speech, tone

PACKET = opus_packets(tone(20, 16_000))[0]
SIXTY = bytes([PACKET[0] | 3, 0x83]) + b"".join(bytes([len(PACKET) - 1]) for _ in range(2)) + PACKET[1:] * 3
"""Three frames of 20 ms in one packet, as browsers record (code 3, variable lengths)."""
GENUINE = OggReader().feed(b"".join(message[1:] for message in tape("echo-10s").client))[0]
"""80 ms."""


def from_pcm(duration_ms: float, hz: float = 440.0) -> CallerAudio:
    return CallerAudio(AudioFrame(tone(200, 16_000, hz)[: int(duration_ms * 16) * 2], 16_000))


def from_packets(*packets: bytes) -> CallerAudio:
    samples = sum(map(packet_samples_48k, packets)) // 3
    return CallerAudio(AudioFrame(bytes(samples * 2), 16_000), packets)


def decoded_ms(ogg: bytes) -> float:
    decoder = OpusDecoder(24_000)
    return sum(decoder.decode(packet).duration_ms for packet in OggReader().feed(ogg))


# --- the law -----------------------------------------------------------------------------------------------------------------

PIECES = st.lists(
    st.one_of(
        st.floats(0.0, 130.0).map(from_pcm),
        st.just(from_pcm(20)),
        st.just(CallerAudio(silence(20, 16_000))),
        st.lists(st.sampled_from([PACKET, SIXTY, GENUINE]), min_size=1, max_size=4).map(lambda packets: from_packets(*packets)),
        st.tuples(st.floats(0.0, 130.0), st.sampled_from([b"", b"\x03", bytes([16 << 3]), PACKET])).map(
            lambda pair: CallerAudio(from_pcm(pair[0]).frame, (pair[1],))
        ),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(PIECES)
def test_what_goes_out_is_as_long_as_what_came_in_however_it_was_mixed(pieces: list[CallerAudio]) -> None:
    stream = CallerStream(1)
    ogg = b"".join(stream.headers())
    given_ms = 0.0
    for piece in pieces:
        ogg += stream.pages(piece)
        given_ms += audio_ms(piece)
        assert stream.given_ms == pytest.approx(given_ms)
        assert -20.0 < stream.given_ms - stream.sent_ms < 20.0
    assert decoded_ms(ogg) == pytest.approx(stream.sent_ms)
    assert OggReader().feed(ogg) is not None


@settings(max_examples=40, deadline=None)
@given(PIECES)
def test_it_is_one_stream_without_a_gap(pieces: list[CallerAudio]) -> None:
    stream, reader = CallerStream(1), OggReader()
    reader.feed(b"".join(stream.headers()))
    for piece in pieces:
        reader.feed(stream.pages(piece))
    faults = reader.faults
    assert (faults.garbage_bytes, faults.bad_pages, faults.missing_pages, faults.torn_packets) == (0, 0, 0, 0)


# --- packets -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packet", [PACKET, SIXTY, GENUINE], ids=["20 ms", "60 ms", "80 ms"])
def test_packets_of_the_caller_go_out_as_they_are(packet: bytes) -> None:
    stream = CallerStream(9)
    stream.headers()
    one = page(stream.pages(from_packets(packet)))
    assert one.packets == (packet,)
    assert (one.serial, one.sequence, one.granule) == (9, 2, packet_samples_48k(packet))


def test_several_packets_of_one_message_go_on_one_page() -> None:
    stream = CallerStream(1)
    stream.headers()
    assert page(stream.pages(from_packets(PACKET, SIXTY))).packets == (PACKET, SIXTY)


def test_the_genuine_clients_audio_is_repaged_whole() -> None:
    messages = tape("echo-10s").client
    theirs = OggReader().feed(b"".join(message[1:] for message in messages))
    stream = CallerStream(42)
    ours = b"".join((*stream.headers(), *(stream.pages(from_packets(packet)) for packet in theirs)))
    assert OggReader().feed(ours) == theirs
    assert stream.sent_ms == 123 * 80


@pytest.mark.parametrize(
    "packet", [b"", b"\x03", bytes([16 << 3, 1]), bytes([17 << 3 | 1, 0])], ids=["empty", "cut off", "2.5 ms", "two of 5 ms"]
)
def test_packets_that_the_server_was_never_seen_to_take_are_encoded_anew(packet: bytes) -> None:
    stream = CallerStream(1)
    stream.headers()
    length = packet_samples_48k(packet)
    got = OggReader().feed(stream.pages(CallerAudio(from_pcm(20).frame, (packet,))))
    assert len(got) == 1
    assert (got == (packet,)) == (480 <= length <= 3_840)


def test_packets_that_were_lost_before_they_came_are_made_up_with_silence() -> None:
    """The bridge conceals a broken packet: the frame is longer than what the packets hold."""
    stream = CallerStream(1)
    stream.headers()
    got = OggReader().feed(stream.pages(CallerAudio(silence(60, 16_000), (PACKET,))))
    assert got[0] == PACKET and len(got) == 3
    assert stream.sent_ms == 60


# --- bare audio --------------------------------------------------------------------------------------------------------------


def test_bare_audio_is_encoded_in_frames_of_20_ms_and_sounds_the_same() -> None:
    pcm, stream, decoder = speech(), CallerStream(1), OpusDecoder(16_000)
    stream.headers()
    out = b"".join(stream.pages(CallerAudio(AudioFrame(pcm[at : at + 700], 16_000))) for at in range(0, len(pcm), 700))
    packets = OggReader().feed(out)
    assert {packet_samples_48k(packet) for packet in packets} == {960}
    heard = b"".join(decoder.decode(packet).pcm for packet in packets)
    assert likeness(pcm, heard) > 0.9


def test_less_than_a_frame_is_held_and_no_empty_page_is_made() -> None:
    stream = CallerStream(1)
    stream.headers()
    assert stream.pages(from_pcm(12)) == b""
    assert stream.sent_ms == 0
    assert len(OggReader().feed(stream.pages(from_pcm(12)))) == 1
    assert stream.pages(CallerAudio(AudioFrame(b"", 16_000))) == b""


def test_what_is_held_comes_before_packets_not_after() -> None:
    stream = CallerStream(1)
    stream.headers()
    assert stream.pages(from_pcm(15)) == b""
    first, second = OggReader().feed(stream.pages(from_packets(PACKET)))
    assert second == PACKET
    assert np.abs(np.frombuffer(OpusDecoder(16_000).decode(first).pcm, "<i2")).max() > 3_000, "the held sound, filled up"
    # 5 ms too many went out; they are taken off what comes next
    assert stream.sent_ms - stream.given_ms == pytest.approx(5)
    assert stream.pages(from_pcm(20)) == b""
    assert stream.pages(from_pcm(5)) != b""
    assert stream.sent_ms == stream.given_ms
