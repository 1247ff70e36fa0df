"""Whatever a caller sends becomes 16 kHz; whatever the agent says becomes messages of 20 ms; corruption does not end a call."""

from __future__ import annotations

import numpy as np
import pytest

from media_plane.audio import AudioFormat, AudioFrame, Codec
from media_plane.codecs.decoders import decoder_for, sniff
from media_plane.codecs.encoders import encoder_for
from media_plane.codecs.g711 import mulaw_to_pcm, pcm_to_mulaw
from media_plane.codecs.opus import OpusCorrupt, OpusDecoder, OpusEncoder
from nexus.errors import ProtocolViolation
from tests.fakes.webm_bytes import likeness, opus_packets, speech, stream, tone, wav_bytes

VOICE = speech("hello_short")
BAD_PACKET = b"\xff\xff\xff\xff"


def heard(codec: Codec, rate_hz: int, messages: list[bytes]) -> bytes:
    decoder = decoder_for(AudioFormat(codec, rate_hz))
    frames = [frame for message in messages for frame in decoder.feed(message)]
    assert {frame.sample_rate_hz for frame in frames} <= {16_000}
    return b"".join(frame.pcm for frame in frames)


def pieces(data: bytes, length: int) -> list[bytes]:
    return [data[i : i + length] for i in range(0, len(data), length)]


@pytest.mark.parametrize(
    ("codec", "messages"),
    [
        ("pcm_s16le", pieces(VOICE, 641)),
        ("opus", opus_packets(VOICE)),
        ("webm_opus", pieces(stream(opus_packets(VOICE)), 100)),
        ("wav", pieces(wav_bytes(VOICE), 999)),
        ("mulaw", pieces(pcm_to_mulaw(VOICE), 160)),
    ],
)
def test_a_voice_is_the_same_voice_in_every_codec(codec: Codec, messages: list[bytes]) -> None:
    assert likeness(VOICE, heard(codec, 16_000, messages)) > 0.97


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("codec", ["pcm_s16le", "mulaw"])
def test_bare_audio_of_any_rate_becomes_16_khz(codec: Codec, rate_hz: int) -> None:
    pcm = tone(1_000, rate_hz)
    wire = pcm if codec == "pcm_s16le" else pcm_to_mulaw(pcm)
    assert len(heard(codec, rate_hz, pieces(wire, 480))) == pytest.approx(32_000, abs=160)


def test_the_packets_of_the_last_message_are_kept_for_the_engine() -> None:
    packets = opus_packets(VOICE)
    decoder = decoder_for(AudioFormat("webm_opus", 48_000))
    decoder.feed(stream(packets[:2]))
    assert decoder.packets == tuple(packets[:2])
    decoder.feed(b"")
    assert decoder.packets == ()


def test_a_corrupt_packet_is_counted_and_concealed_and_the_voice_goes_on() -> None:
    decoder = decoder_for(AudioFormat("opus", 48_000))
    packets = opus_packets(VOICE)
    for packet in packets[:20]:
        decoder.feed(packet)
    concealed = decoder.feed(BAD_PACKET)
    assert [frame.duration_ms for frame in concealed] == [20.0]
    assert decoder.corrupt == 1 and decoder.packets == ()
    assert decoder.feed(packets[20])[0].duration_ms == 20.0
    assert decoder.corrupt == 1


def test_a_long_gap_is_silence_not_invention() -> None:
    decoder = decoder_for(AudioFormat("opus", 48_000))
    decoder.feed(opus_packets(VOICE)[0])
    assert sum(len(decoder.feed(BAD_PACKET)) for _ in range(50)) == 5
    assert decoder.corrupt == 50


def test_corruption_before_any_audio_invents_none() -> None:
    assert decoder_for(AudioFormat("opus", 48_000)).feed(BAD_PACKET) == ()


def test_webm_that_breaks_is_counted_and_goes_on() -> None:
    decoder = decoder_for(AudioFormat("webm_opus", 48_000))
    whole = stream(opus_packets(VOICE))
    decoder.feed(whole[:500])
    decoder.feed(b"\0" * 300)
    assert decoder.feed(whole[500:])
    assert decoder.corrupt >= 1


@pytest.mark.parametrize("codec", ["webm_opus", "opus"])
def test_a_stream_of_nothing_but_corruption_is_refused(codec: Codec) -> None:
    decoder = decoder_for(AudioFormat(codec, 48_000))
    message = b"\xff" * 1_000
    with pytest.raises(ProtocolViolation) as refusal:
        for _ in range(100):
            decoder.feed(message)
    assert refusal.value.code == "audio_corrupt"
    assert "send" in refusal.value.public_message
    assert decoder.corrupt > 10 or codec == "webm_opus"


def test_a_call_with_some_audio_lives_through_any_amount_of_corruption() -> None:
    decoder, packets = decoder_for(AudioFormat("opus", 48_000)), opus_packets(VOICE)
    for _ in range(20):
        for _ in range(60):
            decoder.feed(b"\xff" * 1_000)
        assert decoder.feed(packets[0])


def test_a_message_that_unpacks_to_hours_is_cut() -> None:
    packet = b"\x1b\x06"  # 120 ms of nothing in two bytes
    decoder = decoder_for(AudioFormat("webm_opus", 48_000))
    frames = decoder.feed(stream([packet] * 3_000))
    assert sum(frame.duration_ms for frame in frames) <= 30_120


def test_unsupported_formats_are_refused_with_what_is_supported() -> None:
    for wanted in (AudioFormat("pcm_s16le", 96_000), AudioFormat("mulaw", 1), AudioFormat("flac", 16_000)):  # type: ignore[arg-type]
        with pytest.raises(ProtocolViolation) as refusal:
            decoder_for(wanted)
        assert refusal.value.code == "codec_unsupported"
    for wanted in (AudioFormat("wav", 16_000), AudioFormat("opus", 44_100), AudioFormat("pcm_s16le", 7_999)):
        with pytest.raises(ProtocolViolation) as refusal:
            encoder_for(wanted)
        assert refusal.value.code == "codec_unsupported"


@pytest.mark.parametrize(
    ("head", "codec"),
    [
        (stream([b"x"]), "webm_opus"),
        (wav_bytes(b""), "wav"),
        (b"OggS\0\2", "container"),
        (b"\x1a", None),
        (b"", None),
        (tone(20, 8_000), None),
    ],
)
def test_first_bytes_tell_the_codec(head: bytes, codec: Codec | None) -> None:
    assert sniff(head) == codec


@pytest.mark.parametrize("voice_hz", [16_000, 22_050, 24_000])
@pytest.mark.parametrize(
    ("codec", "rate_hz"),
    [("pcm_s16le", 8_000), ("pcm_s16le", 16_000), ("pcm_s16le", 24_000), ("pcm_s16le", 48_000), ("mulaw", 8_000), ("opus", 24_000)],
)
def test_the_agents_voice_goes_out_in_messages_of_20_ms(codec: Codec, rate_hz: int, voice_hz: int) -> None:
    encoder, pcm = encoder_for(AudioFormat(codec, rate_hz)), tone(1_000, voice_hz)
    out = [m for piece in pieces(pcm, 700) for m in encoder.encode(AudioFrame(piece, voice_hz))]
    out += encoder.flush()
    assert len(out) in (50, 51)
    if codec == "opus":
        decoder = OpusDecoder(rate_hz)
        back = b"".join(decoder.decode(packet).pcm for packet in out)
    else:
        back = b"".join(out) if codec == "pcm_s16le" else mulaw_to_pcm(b"".join(out))
        assert {len(message) for message in out} == {rate_hz // 50 * (2 if codec == "pcm_s16le" else 1)}
    assert np.abs(np.frombuffer(back, "<i2")).max() == pytest.approx(8_000, rel=0.1)
    assert likeness(tone(1_000, rate_hz), back) > 0.98


def test_a_change_of_rate_loses_nothing() -> None:
    encoder = encoder_for(AudioFormat("pcm_s16le", 16_000))
    out = encoder.encode(AudioFrame(tone(110, 24_000), 24_000)) + encoder.encode(AudioFrame(tone(100, 16_000), 16_000))
    assert len(out) == 11
    assert encoder.flush() == ()


def test_a_reset_forgets_what_was_held_back() -> None:
    encoder = encoder_for(AudioFormat("pcm_s16le", 16_000))
    assert encoder.encode(AudioFrame(tone(15, 16_000), 16_000)) == ()
    encoder.reset()
    assert encoder.encode(AudioFrame(bytes(640), 16_000)) == (bytes(640),)
    assert encoder.flush() == ()


def test_opus_errors_are_said_plainly() -> None:
    with pytest.raises(OpusCorrupt):
        OpusDecoder(16_000).decode(b"")
    with pytest.raises(ValueError, match="20 ms"):
        OpusEncoder(16_000).encode(AudioFrame(bytes(320), 16_000))


def test_opus_costs_the_bits_it_was_given() -> None:
    packets = opus_packets(speech())
    assert 20_000 < sum(map(len, packets)) * 8 / (len(packets) * 0.02) < 40_000
