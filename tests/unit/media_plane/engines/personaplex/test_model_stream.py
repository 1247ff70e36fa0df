"""The server's messages as events: the recorded session whole, damage concealed and told once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.codecs.ogg import OggWriter, page_crc
from media_plane.engines.personaplex.model_stream import CONCEALED_LIMIT, MESSAGE_PACKETS, ModelStream
from media_plane.ports.speech_line import LineEvent, LineNotice, ModelAudio, ModelText
from tests.fakes.personaplex_tape import tape

SERVER = tape("echo-10s").server
AUDIO = [message for message in SERVER if message[:1] == b"\x01"]


def fed(messages: list[bytes]) -> list[LineEvent]:
    stream = ModelStream()
    return [event for message in messages for event in stream.feed(message)]


def audio_ms(events: list[LineEvent]) -> float:
    return sum(event.frame.duration_ms for event in events if isinstance(event, ModelAudio))


def test_the_recorded_session_gives_all_its_audio_and_words_in_their_order() -> None:
    events = fed(list(SERVER))
    frames = [event.frame for event in events if isinstance(event, ModelAudio)]
    assert [frame.duration_ms for frame in frames] == [80.0] * 123, "nothing is cut off at the start, no position is believed"
    assert {frame.sample_rate_hz for frame in frames} == {24_000}
    kinds = [b"\x01" if isinstance(event, ModelAudio) else b"\x02" for event in events]
    assert kinds == [message[:1] for message in SERVER if message[:1] in b"\x01\x02" and b"Opus" not in message[:44]]
    assert not any(isinstance(event, LineNotice) for event in events)


@pytest.mark.parametrize("message", [b"", "text", b"\x00", b"\x03\x00", b"\x04{}", b"\x05out of memory", b"\x06", b"\xff1234"])
def test_messages_of_other_kinds_are_passed_over(message: bytes | str) -> None:
    assert ModelStream().feed(message) == []


def test_a_corrupt_packet_is_concealed_and_told_once() -> None:
    writer = OggWriter(42)
    pages = [*writer.headers(), *(writer.page((bytes([0xFF, 0xFF, 0xFF]),)) for _ in range(2))]
    events = fed([b"\x01" + page for page in pages] + AUDIO[2:4])
    assert audio_ms(events) == 4 * 80
    assert [event.code for event in events if isinstance(event, LineNotice)] == ["audio_corrupt"]


def test_a_page_that_is_broken_on_the_way_is_concealed_when_the_next_one_comes() -> None:
    broken = bytearray(AUDIO[20])
    broken[-1] ^= 0xFF
    stream = ModelStream()
    events = [event for message in [*AUDIO[:20], bytes(broken), *AUDIO[21:]] for event in stream.feed(message)]
    assert audio_ms(events) == 123 * 80
    assert [event.code for event in events if isinstance(event, LineNotice)] == ["audio_corrupt"]
    assert stream.corrupt == 1


def test_a_long_gap_is_not_concealed_for_ever() -> None:
    events = fed([*AUDIO[:10], *AUDIO[100:]])
    assert audio_ms(events) == (8 + 25 + CONCEALED_LIMIT) * 80


def test_a_page_number_from_nowhere_costs_no_time() -> None:
    """A gap of two thousand million pages is not walked through."""
    page = bytearray(AUDIO[50][1:])
    page[18:22] = (2_000_000_000).to_bytes(4, "little")
    page[22:26] = bytes(4)
    page[22:26] = page_crc(bytes(page))
    stream = ModelStream()
    events = [event for message in [*AUDIO[:10], b"\x01" + bytes(page)] for event in stream.feed(message)]
    assert audio_ms(events) == (8 + CONCEALED_LIMIT + 1) * 80
    assert stream.corrupt == CONCEALED_LIMIT + 1


def test_one_message_with_minutes_of_audio_is_left_out_and_told_once() -> None:
    """A packet of one byte is 60 ms of sound: a small message could hold an hour of it, and the memory and time for that."""
    writer = OggWriter(42)
    flood = b"\x01" + b"".join((*writer.headers(), writer.page((bytes([3 << 3]),) * 4 * MESSAGE_PACKETS)))
    stream = ModelStream()
    events = [
        event for message in (flood, b"\x01" + writer.page((bytes([3 << 3]),) * 2 * MESSAGE_PACKETS)) for event in stream.feed(message)
    ]
    assert audio_ms(events) == 2 * MESSAGE_PACKETS * 60
    assert [event.code for event in events if isinstance(event, LineNotice)] == ["audio_dropped"]
    assert stream.left_out == 4 * MESSAGE_PACKETS


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=200), st.sampled_from(SERVER), st.text(max_size=5)), max_size=20))
def test_any_messages_give_events_of_the_three_kinds_only(messages: list[bytes | str]) -> None:
    stream = ModelStream()
    for message in messages:
        assert all(isinstance(event, ModelAudio | ModelText | LineNotice) for event in stream.feed(message))
