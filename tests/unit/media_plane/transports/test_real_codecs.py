"""The wire with the real codecs: every format that is agreed to can be spoken."""

from __future__ import annotations

import json

import pytest

from media_plane.audio import AudioFrame, Codec
from media_plane.conversation.commands import TellAudio
from media_plane.ports.caller import ReceivedAudio
from media_plane.transports.browser import CallFacts, NexusV1
from media_plane.transports.negotiation import INPUT_RATES_HZ, OUTPUT_RATES_HZ
from media_plane.transports.simple_door import SimpleDoor, parse_output, wav_file


def started(spoken: tuple[Codec, int], wanted: tuple[Codec, int] = ("pcm_s16le", 16_000)) -> NexusV1:
    codec = NexusV1(CallFacts("call_01", "t1", 600, 30))
    sides = {side: {"codec": name, "sample_rate": rate} for side, (name, rate) in (("input", spoken), ("output", wanted))}
    codec.receive(json.dumps({"type": "session.start", "audio": sides}))
    assert codec.is_open
    return codec


@pytest.mark.parametrize("spoken", [(codec, rate) for codec, rates in INPUT_RATES_HZ.items() if codec != "container" for rate in rates])
def test_every_input_format_that_is_agreed_to_has_a_decoder(spoken: tuple[Codec, int]) -> None:
    assert started(spoken).receive(b"\x1a").received


@pytest.mark.parametrize("wanted", [(codec, rate) for codec, rates in OUTPUT_RATES_HZ.items() for rate in rates])
def test_every_output_format_that_is_agreed_to_has_an_encoder(wanted: tuple[Codec, int]) -> None:
    codec = started(("pcm_s16le", 16_000), wanted)
    pieces = codec.play(AudioFrame(bytes(2 * 22_050), 22_050)) + codec.tell(TellAudio("end", "a1"))[:-1]
    assert 50 <= len(pieces) <= 52


def test_opus_goes_round() -> None:
    packets = started(("pcm_s16le", 16_000), ("opus", 24_000)).play(AudioFrame(bytes(2 * 24_000), 24_000))
    ear = started(("opus", 48_000))
    heard = [value for packet in packets for value in ear.receive(packet).received if isinstance(value, ReceivedAudio)]
    assert [value.packets for value in heard] == [(packet,) for packet in packets]
    assert sum(value.frame.duration_ms for value in heard) == pytest.approx(1_000, abs=40)


@pytest.mark.parametrize("output", ["pcm", "opus", "wav"])
def test_the_simple_door_takes_a_wav_cut_anywhere(output: str) -> None:
    door = SimpleDoor("call_01", "t1", output=parse_output(output))
    stream = wav_file(bytes(2 * 16_000), 16_000)
    pieces = [stream[:1], stream[1:37], *(stream[at : at + 999] for at in range(37, len(stream), 999))]
    heard = [value for piece in pieces for value in door.receive(piece).received if isinstance(value, ReceivedAudio)]
    assert sum(value.frame.duration_ms for value in heard) == pytest.approx(1_000, abs=40)
    assert len(door.play(AudioFrame(bytes(2 * 4_800), 48_000))) >= 4
