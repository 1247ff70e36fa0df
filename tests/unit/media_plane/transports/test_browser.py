"""nexus.v1: what a client says becomes values, what the machine says becomes messages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_plane.audio import EAR_RATE_HZ, AudioFormat, AudioFrame
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
from media_plane.ports.caller import ReceivedAudio, ReceivedHangUp, ReceivedNothing, ReceivedPlayed, ReceivedText
from media_plane.transports.browser import CallFacts, NexusV1
from media_plane.transports.messages import MAX_MESSAGE_BYTES, read_server_message
from media_plane.transports.wire import MAX_VIOLATIONS
from nexus.errors import CLOSE_CODE, ProtocolViolation
from tests.fakes.pcm_codecs import CORRUPT, pcm_codecs

FACTS = CallFacts(call_id="call_01", tenant_id="barber_shop_demo", max_duration_s=600, idle_timeout_s=30)


def fresh() -> NexusV1:
    return NexusV1(FACTS, pcm_codecs())


def started(**audio: Any) -> NexusV1:
    codec = fresh()
    codec.receive(json.dumps({"type": "session.start", "audio": audio}))
    return codec


def replies(codec: NexusV1, message: bytes | str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in codec.receive(message).replies]


def test_start_without_wishes_agrees_on_pcm_at_16_khz_both_ways() -> None:
    codec = fresh()
    assert not codec.is_open
    (answer,) = replies(codec, '{"type": "session.start"}')
    assert answer == {
        "type": "session.started",
        "seq": 1,
        "protocol": "nexus.v1",
        "call_id": "call_01",
        "session_id": "call_01",
        "tenant_id": "barber_shop_demo",
        "input": {"codec": "pcm_s16le", "sample_rate": 16000},
        "output": {"codec": "pcm_s16le", "sample_rate": 16000},
        "frame_ms": 20,
        "limits": {"max_duration_s": 600, "idle_timeout_s": 30, "max_message_bytes": MAX_MESSAGE_BYTES},
    }
    assert codec.is_open
    assert codec.output == AudioFormat("pcm_s16le", 16000)


@pytest.mark.parametrize(
    ("wish", "agreed"),
    [
        ({"codec": "pcm_s16le", "sample_rate": 8000}, AudioFormat("pcm_s16le", 8000)),
        ({"codec": "pcm_s16le", "sample_rate": 48000}, AudioFormat("pcm_s16le", 48000)),
        ({"codec": "opus"}, AudioFormat("opus", 48000)),
        ({"codec": "webm_opus"}, AudioFormat("webm_opus", 48000)),
        ({"codec": "wav"}, AudioFormat("wav", 16000)),
        ({"codec": "mulaw"}, AudioFormat("mulaw", 8000)),
    ],
)
def test_every_input_codec_is_agreed_to(wish: dict[str, Any], agreed: AudioFormat) -> None:
    assert started(input=wish).input == agreed


@pytest.mark.parametrize(
    ("wish", "agreed"),
    [
        ({"codec": "pcm_s16le", "sample_rate": 24000}, AudioFormat("pcm_s16le", 24000)),
        ({"codec": "opus"}, AudioFormat("opus", 24000)),
        ({"codec": "mulaw", "sample_rate": 8000}, AudioFormat("mulaw", 8000)),
    ],
)
def test_every_output_codec_is_agreed_to(wish: dict[str, Any], agreed: AudioFormat) -> None:
    assert started(output=wish).output == agreed


@pytest.mark.parametrize(
    "audio",
    [
        {"input": {"codec": "mp3"}},
        {"input": {"codec": "pcm_s16le", "sample_rate": 44100}},
        {"output": {"codec": "webm_opus"}},
        {"output": {"codec": "wav"}},
        {"output": {"codec": "opus", "sample_rate": 11025}},
    ],
)
def test_a_codec_nobody_speaks_is_refused_with_the_list_of_those_spoken(audio: dict[str, Any]) -> None:
    with pytest.raises(ProtocolViolation, match=r"pcm_s16le at 8000, 16000, 24000, 48000 Hz") as caught:
        started(**audio)
    assert caught.value.code == "codec_unsupported"
    assert CLOSE_CODE[caught.value.code] == 4415


@pytest.mark.parametrize(
    "early", [b"\0\0", '{"type": "input.text", "text": "hi"}', '{"type": "audio.played", "item_id": "a", "played_ms": 1}']
)
def test_nothing_but_a_ping_or_a_farewell_may_come_before_the_start(early: bytes | str) -> None:
    with pytest.raises(ProtocolViolation, match="session_start_expected"):
        fresh().receive(early)
    assert fresh().receive('{"type": "session.end"}').received == (ReceivedHangUp(),)
    assert replies(fresh(), '{"type": "ping", "t": 7}') == [{"type": "pong", "seq": 1, "t": 7.0}]


def test_a_second_start_is_answered_with_an_error_and_changes_nothing() -> None:
    codec = started()
    (answer,) = replies(codec, '{"type": "session.start", "audio": {"output": {"codec": "mulaw"}}}')
    assert answer["code"] == "message_invalid"
    assert codec.output.codec == "pcm_s16le"


def test_binary_messages_are_audio_at_16_khz() -> None:
    codec = started(input={"codec": "pcm_s16le", "sample_rate": 8000})
    (value,) = codec.receive(bytes(320)).received
    assert isinstance(value, ReceivedAudio)
    assert value.frame == AudioFrame(bytes(640), EAR_RATE_HZ)


def test_opus_packets_travel_beside_the_decoded_audio() -> None:
    (value,) = started(input={"codec": "opus"}).receive(bytes(96)).received
    assert isinstance(value, ReceivedAudio)
    assert value.packets == (bytes(96),)


@given(st.binary(max_size=400), st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_any_cutting_of_pcm_gives_the_same_samples(stream: bytes, steps: list[int]) -> None:
    codec, got, at, turn = started(), b"", 0, 0
    while at < len(stream):
        step = steps[turn % len(steps)]
        if (piece := stream[at : at + step]) != CORRUPT:
            got += b"".join(value.frame.pcm for value in codec.receive(piece).received if isinstance(value, ReceivedAudio))
        else:
            return
        at, turn = at + step, turn + 1
    assert got == stream[: len(stream) // 2 * 2]


def test_corrupt_audio_is_told_at_first_and_at_each_doubling() -> None:
    codec = started()
    told = [bool(codec.receive(CORRUPT).replies) for _ in range(16)]
    assert [index + 1 for index, was in enumerate(told) if was] == [1, 2, 4, 8, 16]
    assert codec.corrupt_frames == 16


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"type": "input.text", "text": " book it "}', ReceivedText("book it")),
        ('{"type": "input.text", "text": "  "}', ReceivedNothing()),
        ('{"type": "audio.played", "item_id": "a1", "played_ms": 340}', ReceivedPlayed("a1", 340.0)),
        ('{"type": "dtmf", "digits": "12#"}', ReceivedNothing()),
        ('{"type": "ping"}', ReceivedNothing()),
        ('{"type": "session.end"}', ReceivedHangUp()),
    ],
)
def test_client_messages_become_values(text: str, value: object) -> None:
    assert started().receive(text).received == (value,)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("hello", "message_not_json"),
        ("{", "message_not_json"),
        ("", "message_not_json"),
        ("[" * 5000, "message_not_json"),
        ('"\ud800"', "message_not_json"),
        ("null", "message_invalid"),
        ("[1]", "message_invalid"),
        ("{}", "message_invalid"),
        ('{"type": 5}', "message_unknown"),
        ('{"type": "audio.turbo"}', "message_unknown"),
        ('{"type": "session.resume", "last_seq": 4}', "message_unknown"),
        ('{"type": "input.text"}', "message_invalid"),
        ('{"type": "input.text", "text": 5}', "message_invalid"),
        ('{"type": "input.text", "text": "a", "txet": "b"}', "message_invalid"),
        (json.dumps({"type": "input.text", "text": "x" * 4001}), "message_invalid"),
        ('{"type": "audio.played", "item_id": "a", "played_ms": -1}', "message_invalid"),
        ('{"type": "audio.played", "item_id": "a", "played_ms": NaN}', "message_invalid"),
        ('{"type": "dtmf", "digits": "x"}', "message_invalid"),
    ],
)
def test_a_broken_message_is_answered_and_the_call_lives(text: str, code: str) -> None:
    codec = started()
    incoming = codec.receive(text)
    assert incoming.received == (ReceivedNothing(),)
    (answer,) = (json.loads(reply) for reply in incoming.replies)
    assert (answer["type"], answer["code"], answer["retryable"]) == ("error", code, False)
    assert codec.receive('{"type": "input.text", "text": "still here"}').received == (ReceivedText("still here"),)


def test_too_many_broken_messages_end_the_call() -> None:
    codec = started()
    for _ in range(MAX_VIOLATIONS):
        codec.receive("rubbish")
    with pytest.raises(ProtocolViolation, match="message_not_json"):
        codec.receive("rubbish")


@pytest.mark.parametrize("message", [bytes(MAX_MESSAGE_BYTES + 2), "é" * (MAX_MESSAGE_BYTES // 2 + 1)])
def test_a_message_too_large_ends_the_call(message: bytes | str) -> None:
    with pytest.raises(ProtocolViolation, match="message_too_large") as caught:
        started().receive(message)
    assert CLOSE_CODE[caught.value.code] == 1009


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_no_message_raises_anything_but_our_own_error(message: bytes | str) -> None:
    codec = started()
    for _ in range(MAX_VIOLATIONS + 1):
        try:
            codec.receive(message)
        except ProtocolViolation:
            return


TELLS: list[tuple[Tell, dict[str, Any]]] = [
    (TellState("thinking"), {"type": "state", "state": "thinking"}),
    (
        TellTranscript("agent", "a1", "Hello", True, 10.04, 500.0, interrupted=True),
        {
            "type": "transcript",
            "role": "agent",
            "item_id": "a1",
            "text": "Hello",
            "final": True,
            "start_ms": 10.0,
            "end_ms": 500.0,
            "interrupted": True,
        },
    ),
    (TellAudio("begin", "a1"), {"type": "audio.begin", "item_id": "a1"}),
    (TellAudio("end", "a1"), {"type": "audio.end", "item_id": "a1"}),
    (TellAudio("clear", "a1", 120.0), {"type": "audio.clear", "item_id": "a1", "heard_ms": 120.0}),
    (TellTool("book", "done", 12.0), {"type": "tool", "name": "book", "status": "done", "duration_ms": 12.0}),
    (TellMode("text_only", "engine_lost"), {"type": "mode_changed", "to": "text_only", "reason": "engine_lost"}),
    (TellLatency({"e2e": 812.34}), {"type": "latency", "stages": {"e2e": 812.3}}),
    (TellError("tool_failed", "No.", True), {"type": "error", "code": "tool_failed", "message": "No.", "retryable": True}),
]


@pytest.mark.parametrize(("tell", "fields"), TELLS, ids=lambda value: type(value).__name__)
def test_what_is_told_becomes_one_json_message(tell: Tell, fields: dict[str, Any]) -> None:
    (text,) = started().tell(tell)
    assert json.loads(text) == {"seq": 2, **fields}
    assert read_server_message(str(text)) is not None


def test_every_json_message_of_the_server_is_counted() -> None:
    codec = fresh()
    texts = [*codec.receive('{"type": "session.start"}').replies, *codec.receive('{"type": "ping"}').replies]
    texts += [str(piece) for tell, _ in TELLS for piece in codec.tell(tell)]
    texts += [*codec.receive("rubbish").replies, *codec.ended("caller_hangup")]
    assert [json.loads(text)["seq"] for text in texts] == list(range(1, len(texts) + 1))
    assert json.loads(texts[-1])["end_reason"] == "caller_hangup"


def test_agent_audio_goes_out_in_whole_frames_and_the_rest_before_the_end_of_its_item() -> None:
    codec = started(output={"codec": "pcm_s16le", "sample_rate": 24000})
    assert [len(piece) for piece in codec.play(AudioFrame(bytes(2 * 24 * 50), 24000))] == [960, 960]
    rest, text = codec.tell(TellAudio("end", "a1"))
    assert len(rest) == 2 * 24 * 10
    assert json.loads(text)["type"] == "audio.end"


def test_audio_held_back_is_forgotten_when_the_caller_must_forget_it() -> None:
    codec = started()
    codec.play(AudioFrame(bytes(100), 16000))
    (text,) = codec.tell(TellAudio("clear", "a1", 3.0))
    assert json.loads(text)["type"] == "audio.clear"
    (end,) = codec.tell(TellAudio("end", "a2"))
    assert json.loads(end)["type"] == "audio.end"


def test_a_client_skips_message_types_of_a_later_release() -> None:
    assert read_server_message('{"type": "hologram", "seq": 9}') is None
    later = read_server_message('{"type": "state", "seq": 9, "state": "listening", "mood": "fine"}')
    assert later is not None
    assert later.seq == 9
