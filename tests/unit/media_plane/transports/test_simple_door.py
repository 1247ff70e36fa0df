"""The original's simple door: what its own page sends and reads."""

from __future__ import annotations

import io
import json
import wave
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_plane.audio import AudioFormat, AudioFrame
from media_plane.conversation.commands import (
    Tell,
    TellAudio,
    TellError,
    TellLatency,
    TellMode,
    TellState,
    TellTool,
    TellTranscript,
)
from media_plane.ports.caller import ReceivedAudio, ReceivedHangUp, ReceivedNothing, ReceivedText
from media_plane.transports.messages import MAX_MESSAGE_BYTES
from media_plane.transports.simple_door import SimpleDoor, parse_customer_phone, parse_output
from media_plane.transports.wire import MAX_VIOLATIONS, AudioCodecs, Decoder
from nexus.errors import ProtocolViolation
from tests.fakes.pcm_codecs import CORRUPT, FakeDecoder, FakeEncoder, fake_sniff, pcm_codecs


def door(output: str = "") -> SimpleDoor:
    return SimpleDoor("call_01", "barber_shop_demo", pcm_codecs(), parse_output(output))


def read(pieces: tuple[bytes | str, ...]) -> dict[str, Any]:
    (text,) = pieces
    value: dict[str, Any] = json.loads(text)
    return value


def test_the_first_message_names_session_and_tenant() -> None:
    assert read(door().connected()) == {
        "type": "connected",
        "message": "Connected to barber_shop_demo",
        "session_id": "call_01",
        "tenant_id": "barber_shop_demo",
    }


@pytest.mark.parametrize(
    ("tell", "fields"),
    [
        (
            TellTranscript("caller", "c1", "Hi", True, 0, 1),
            {"type": "transcript", "role": "user", "text": "Hi", "message": "Hi", "final": True},
        ),
        (TellTranscript("agent", "a1", "Yes", False, 0, 1), {"type": "transcript", "role": "ai", "text": "Yes", "final": False}),
        (TellError("tool_failed", "No.", False), {"type": "error", "code": "tool_failed", "message": "No."}),
        (TellMode("text_only", "engine_lost"), {"type": "mode", "to": "text_only", "reason": "engine_lost"}),
        (TellTool("book", "done"), {"type": "tool", "name": "book", "status": "done"}),
        (TellState("listening"), {"type": "state", "state": "listening"}),
        (TellAudio("clear", "a1"), {"type": "clear"}),
    ],
)
def test_every_message_has_a_human_message_beside_its_fields(tell: Tell, fields: dict[str, Any]) -> None:
    told = read(door().tell(tell))
    assert fields.items() <= told.items()
    assert isinstance(told["message"], str)
    assert told["message"]


@pytest.mark.parametrize("tell", [TellLatency({"e2e": 1.0}), TellAudio("begin", "a1"), TellAudio("end", "a1")])
def test_what_the_original_could_not_say_is_not_said(tell: Tell) -> None:
    assert door().tell(tell) == ()


def test_the_farewell_names_the_reason() -> None:
    assert read(door().ended("idle_socket"))["reason"] == "idle_socket"


class _Recorded:
    """Decoders that remember what they were made for and fed with."""

    def __init__(self) -> None:
        self.spoken: list[AudioFormat] = []
        self.fed: list[bytes] = []

    def decoder_for(self, spoken: AudioFormat) -> Decoder:
        self.spoken.append(spoken)
        recorded = self

        class Recorder(FakeDecoder):
            def feed(self, message: bytes) -> tuple[AudioFrame, ...]:
                recorded.fed.append(message)
                return super().feed(message)

        return Recorder(spoken)


@given(st.binary(min_size=4, max_size=64), st.lists(st.integers(1, 4), max_size=6))
def test_however_the_first_bytes_are_cut_the_whole_head_is_sniffed_and_nothing_is_lost(rest: bytes, cuts: list[int]) -> None:
    recorded = _Recorded()
    codec = SimpleDoor("call_01", "t1", AudioCodecs(recorded.decoder_for, FakeEncoder, fake_sniff))
    stream, at = b"\x1aE\xdf\xa3" + rest, 0
    for cut in [*cuts, len(stream)]:
        if piece := stream[at : at + cut]:
            codec.receive(piece)
        at += cut
    assert b"".join(recorded.fed) == stream
    assert recorded.spoken == [AudioFormat("webm_opus", 48_000)]


def test_bytes_without_a_header_are_pcm_at_16_khz() -> None:
    (value,) = door().receive(bytes(640)).received
    assert isinstance(value, ReceivedAudio)
    assert value.frame == AudioFrame(bytes(640), 16_000)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("book me in", ReceivedText("book me in")),
        ('{"type": "text", "text": " five "}', ReceivedText("five")),
        ('{"type": "text", "message": "six"}', ReceivedText("six")),
        ("42", ReceivedText("42")),
        ('["a"]', ReceivedText('["a"]')),
        ("  ", ReceivedNothing()),
        ('{"type": "ping"}', ReceivedNothing()),
        ('{"type": "hangup"}', ReceivedHangUp()),
    ],
)
def test_text_is_typed_text_in_either_form(text: str, value: object) -> None:
    assert door().receive(text).received == (value,)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"type": "dance"}', "message_unknown"),
        ("{}", "message_unknown"),
        ('{"type": "text", "text": 7}', "message_invalid"),
        ('{"type": "text"}', "message_invalid"),
        ("x" * 4001, "message_invalid"),
    ],
)
def test_what_nobody_understands_is_answered_and_the_call_lives(text: str, code: str) -> None:
    codec = door()
    assert read(codec.receive(text).replies)["code"] == code
    assert codec.receive("hello").received == (ReceivedText("hello"),)


def test_patience_and_size_have_limits() -> None:
    codec = door()
    for _ in range(MAX_VIOLATIONS):
        codec.receive("{}")
    with pytest.raises(ProtocolViolation, match="message_unknown"):
        codec.receive("{}")
    with pytest.raises(ProtocolViolation, match="message_too_large"):
        door().receive(bytes(MAX_MESSAGE_BYTES + 1))


def test_corrupt_audio_is_told_and_counted() -> None:
    codec = door()
    assert read(codec.receive(CORRUPT).replies)["code"] == "audio_corrupt"
    assert codec.corrupt_frames == 1


def test_audio_goes_out_as_pcm_at_16_khz_in_20_ms_messages() -> None:
    codec = door()
    assert codec.output == AudioFormat("pcm_s16le", 16_000)
    assert [len(piece) for piece in codec.play(AudioFrame(bytes(2 * 24 * 50), 24_000))] == [640, 640]
    assert [len(piece) for piece in codec.tell(TellAudio("end", "a1"))] == [320]


def test_as_wav_every_message_is_a_whole_file() -> None:
    pcm = bytes(range(256)) * 2 + bytes(128)
    (piece,) = door("wav").play(AudioFrame(pcm, 16_000))
    with wave.open(io.BytesIO(piece)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        assert file.readframes(file.getnframes()) == pcm


def test_an_output_nobody_speaks_is_refused() -> None:
    with pytest.raises(ProtocolViolation, match="pcm, opus, wav"):
        parse_output("mp3")


@pytest.mark.parametrize(
    ("raw", "phone"),
    [
        (" 1234567890", "+1234567890"),
        ("+1234567890", "+1234567890"),
        (" +1 (234) 567-890", "+1234567890"),
        ("030 1234567", "0301234567"),
        ("", ""),
        (" ", ""),
        ("+", ""),
        ("12", ""),
        ("+1234567890123456", ""),
        ("call me", ""),
        ("+12345<script>", ""),
        ("١٢٣٤٥٦٧٨", ""),
    ],
)
def test_phone_numbers_are_repaired_or_dropped(raw: str, phone: str) -> None:
    assert parse_customer_phone(raw) == phone


@given(st.text(max_size=40))
def test_a_phone_number_is_digits_whatever_came(raw: str) -> None:
    digits = parse_customer_phone(raw).removeprefix("+")
    assert digits == "" or (digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15)
