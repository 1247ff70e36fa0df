"""Audio through a call's codecs, in the messages in which it comes: no codec, rate or cutting gains or loses time.

What a codec gains or loses in a message it does in every message, so five minutes show the drift of half an hour: a sixth of it. The
rate with the worst ratio to the ear's goes the whole way.
"""

from __future__ import annotations

import pytest

from media_plane.audio import AudioFormat, AudioFrame, Codec, silence
from media_plane.codecs.decoders import decoder_for
from media_plane.codecs.encoders import encoder_for
from media_plane.codecs.opus import OpusDecoder
from tests.fakes.webm_bytes import opus_packets, speech, stream

HALF_AN_HOUR_MS = 1_800_000.0
FIVE_MINUTES_MS = 300_000.0
WARM_UP_MS = 1_000.0
MOST_DRIFT_MS = 20.0
MOST_APART_MS = 20.0
"""What a codec may hold back at any moment (a resampler's delay, half a sample)."""


def drift_ms(
    codec: Codec, rate_hz: int, messages: list[bytes], message_ms: float, length_ms: float = FIVE_MINUTES_MS
) -> tuple[float, float]:
    """How much these messages, again and again, would gain or lose in half an hour, and how far they are from true at the worst moment."""
    decoder = decoder_for(AudioFormat(codec, rate_hz))
    given_ms = got_ms = worst_ms = 0.0
    held_ms: float | None = None
    while given_ms < length_ms:
        for message in messages:
            got_ms += sum(frame.duration_ms for frame in decoder.feed(message))
            given_ms += message_ms
            worst_ms = max(worst_ms, abs(got_ms - given_ms))
        if held_ms is None and given_ms >= WARM_UP_MS:
            held_ms = got_ms - given_ms
    return (got_ms - given_ms - (held_ms or 0.0)) * HALF_AN_HOUR_MS / length_ms, worst_ms


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_bare_audio_in_messages_of_20_ms(rate_hz: int) -> None:
    length_ms = HALF_AN_HOUR_MS if rate_hz == 44_100 else FIVE_MINUTES_MS
    at_end_ms, worst_ms = drift_ms("pcm_s16le", rate_hz, [bytes(rate_hz // 50 * 2)], 20.0, length_ms)
    assert abs(at_end_ms) <= MOST_DRIFT_MS
    assert worst_ms <= MOST_APART_MS


def test_bare_audio_cut_inside_samples() -> None:
    messages = [bytes(1_919), bytes(1), bytes(1_921), bytes(1_919)]
    assert sum(len(message) for message in messages) == 3 * 1_920
    at_end_ms, _ = drift_ms("pcm_s16le", 48_000, messages, 15.0)
    assert abs(at_end_ms) <= MOST_DRIFT_MS


def test_telephone_audio() -> None:
    assert abs(drift_ms("mulaw", 8_000, [bytes(160)], 20.0)[0]) <= MOST_DRIFT_MS


def test_opus_packets() -> None:
    packets = opus_packets(speech("hello_short"))
    length_ms = OpusDecoder(16_000).decode(packets[5]).duration_ms
    at_end_ms, worst_ms = drift_ms("opus", 48_000, packets, length_ms)
    assert abs(at_end_ms) <= MOST_DRIFT_MS
    assert worst_ms <= MOST_APART_MS


def test_a_browsers_webm_is_as_long_as_its_packets() -> None:
    packets = opus_packets(speech("hello_short"))
    length_ms = OpusDecoder(16_000).decode(packets[5]).duration_ms
    rounds = int(FIVE_MINUTES_MS / (length_ms * len(packets))) + 1
    decoder = decoder_for(AudioFormat("webm_opus", 48_000))
    whole = stream(packets * rounds)
    got_ms = sum(frame.duration_ms for at in range(0, len(whole), 4_000) for frame in decoder.feed(whole[at : at + 4_000]))
    assert abs(got_ms - rounds * len(packets) * length_ms) <= MOST_DRIFT_MS * FIVE_MINUTES_MS / HALF_AN_HOUR_MS


@pytest.mark.parametrize(("codec", "rate_hz", "voice_hz"), [("pcm_s16le", 48_000, 22_050), ("mulaw", 8_000, 24_000)])
def test_the_agents_voice_on_its_way_out(codec: Codec, rate_hz: int, voice_hz: int) -> None:
    encoder = encoder_for(AudioFormat(codec, rate_hz))
    frame = AudioFrame(silence(20, voice_hz).pcm, voice_hz)
    per_ms = rate_hz / 1_000 * (2 if codec == "pcm_s16le" else 1)

    def sent_ms(length_ms: float) -> float:
        return sum(len(message) for _ in range(int(length_ms / 20)) for message in encoder.encode(frame)) / per_ms

    held_ms = sent_ms(WARM_UP_MS) - WARM_UP_MS
    assert abs(held_ms) <= MOST_APART_MS
    assert abs(sent_ms(FIVE_MINUTES_MS) - FIVE_MINUTES_MS) <= MOST_DRIFT_MS * FIVE_MINUTES_MS / HALF_AN_HOUR_MS
