"""WAV, bare PCM, mu-law, the framer and the resampler: any cutting, no drift, only our errors."""

from __future__ import annotations

import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.audio import AudioFrame
from media_plane.codecs.g711 import mulaw_to_pcm, pcm_to_mulaw
from media_plane.codecs.pcm import PcmReader
from media_plane.codecs.resample import Resampler
from media_plane.codecs.wav import WavReader
from media_plane.framer import Framer
from nexus.errors import ProtocolViolation
from tests.fakes.webm_bytes import likeness, speech, tone, wav_bytes

PCM = tone(100, 16_000)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    return [data[a:b] for a, b in pairwise([0, *sorted(min(place, len(data)) for place in places), len(data)])]


def read(*pieces: bytes) -> tuple[bytes, set[int]]:
    reader = WavReader()
    frames = [frame for piece in pieces for frame in reader.feed(piece)]
    return b"".join(frame.pcm for frame in frames), {frame.sample_rate_hz for frame in frames}


def riff(fmt: bytes, data: bytes, *, data_bytes: int | None = None) -> bytes:
    head = b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + b"fmt " + struct.pack("<I", len(fmt)) + fmt
    return head + b"data" + struct.pack("<I", len(data) if data_bytes is None else data_bytes) + data


def fmt(tag: int, bits: int, channels: int = 1, rate_hz: int = 16_000) -> bytes:
    return struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * channels * bits // 8, channels * bits // 8, bits)


@given(st.lists(st.integers(0, len(PCM) + 60), max_size=20))
def test_a_wav_is_read_however_it_is_cut(places: list[int]) -> None:
    assert read(*cut(wav_bytes(PCM), places)) == (PCM, {16_000})


@pytest.mark.parametrize("unknown", [0, 0xFFFFFFFF])
def test_a_stream_of_unknown_length_never_ends(unknown: int) -> None:
    assert read(riff(fmt(1, 16), PCM, data_bytes=unknown), PCM) == (PCM + PCM, {16_000})


def test_a_file_in_every_message() -> None:
    assert read(*[wav_bytes(PCM)] * 3) == (PCM * 3, {16_000})


def test_an_odd_chunk_is_followed_by_its_padding() -> None:
    eight_bit = riff(fmt(1, 8), b"\x80" * 7) + b"\0"
    assert read(eight_bit + wav_bytes(PCM))[0] == bytes(14) + PCM


def test_chunks_beside_the_audio_are_passed_over() -> None:
    file = wav_bytes(PCM)
    assert read(file[:12] + b"LIST" + struct.pack("<I", 5) + b"abcde\0" + file[12:]) == (PCM, {16_000})


def test_stereo_is_mixed_down() -> None:
    stereo = np.column_stack([np.full(100, 1_000), np.full(100, 3_000)]).astype("<i2").tobytes()
    pcm, rates = read(wav_bytes(stereo, 44_100, channels=2))
    assert rates == {44_100}
    assert set(np.frombuffer(pcm, "<i2")) == {2_000}


SAMPLES = np.frombuffer(PCM, "<i2").astype(np.float64)


@pytest.mark.parametrize(
    ("tag", "bits", "data", "within"),
    [
        (1, 8, (SAMPLES / 256 + 128).astype(np.uint8).tobytes(), 256),
        (1, 24, b"".join(struct.pack("<i", int(v) << 8)[:3] for v in SAMPLES), 1),
        (1, 32, (SAMPLES * 65_536).astype("<i4").tobytes(), 1),
        (3, 32, (SAMPLES / 32_768).astype("<f4").tobytes(), 1),
        (3, 64, (SAMPLES / 32_768).astype("<f8").tobytes(), 1),
        (7, 8, pcm_to_mulaw(PCM), 300),
    ],
)
def test_every_sample_format(tag: int, bits: int, data: bytes, within: int) -> None:
    pcm, _ = read(riff(fmt(tag, bits), data))
    assert np.abs(np.frombuffer(pcm, "<i2") - SAMPLES).max() <= within


def test_floats_that_are_no_numbers_are_silence() -> None:
    assert read(riff(fmt(3, 32), struct.pack("<2f", float("nan"), 0.0)))[0] == bytes(4)


def test_the_extensible_format_names_the_true_one() -> None:
    body = fmt(0xFFFE, 16) + struct.pack("<HHI", 22, 16, 0) + struct.pack("<H", 1) + bytes(14)
    assert read(riff(body, PCM))[0] == PCM


@pytest.mark.parametrize("bad", [fmt(85, 16), fmt(1, 16, channels=0), fmt(1, 16, rate_hz=1), fmt(1, 12)])
def test_formats_that_are_not_read_are_refused_by_name(bad: bytes) -> None:
    with pytest.raises(ProtocolViolation) as refusal:
        read(riff(bad, PCM))
    assert refusal.value.code == "codec_unsupported"


@pytest.mark.parametrize("not_wav", [b"OggS", b"X", b"RIFF\0\0\0\0AVI ", b"RIFF\0\0\0\0WAVEdata\1\0\0\0x", PCM])
def test_what_is_no_wav_is_refused(not_wav: bytes) -> None:
    with pytest.raises(ProtocolViolation) as refusal:
        read(not_wav)
    assert refusal.value.code == "audio_corrupt"


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_a_wav_reader_raises_only_our_errors(noise: bytes) -> None:
    for pieces in ([noise], [b"RIFF\0\0\0\0WAVE" + noise], [wav_bytes(PCM)[:36] + noise]):
        try:
            read(*pieces)
        except ProtocolViolation as refusal:
            assert refusal.code in ("audio_corrupt", "codec_unsupported")


@given(st.lists(st.integers(0, len(PCM)), max_size=30))
def test_bare_pcm_cut_inside_samples(places: list[int]) -> None:
    reader = PcmReader(16_000)
    frames = [reader.feed(piece) for piece in cut(PCM, places)]
    assert all(len(frame.pcm) % 2 == 0 for frame in frames)
    assert b"".join(frame.pcm for frame in frames) == PCM


def test_mulaw_gives_the_values_of_the_standard() -> None:
    assert list(np.frombuffer(mulaw_to_pcm(bytes([0x00, 0x7F, 0x80, 0xFF, 0xF0, 0x8F])), "<i2")) == [-32_124, 0, 32_124, 0, 120, 16_764]


def test_mulaw_codes_round_trip() -> None:
    codes = bytes(code for code in range(256) if code != 0x7F)  # minus zero is written as zero
    assert pcm_to_mulaw(mulaw_to_pcm(codes)) == codes


@given(st.integers(-32_768, 32_767))
def test_mulaw_is_as_near_as_its_step(sample: int) -> None:
    heard = int(np.frombuffer(mulaw_to_pcm(pcm_to_mulaw(struct.pack("<h", sample))), "<i2")[0])
    assert abs(heard - sample) <= max(4, abs(sample) // 16 + 8, abs(sample) - 32_124)


@given(st.lists(st.integers(0, 1_500), max_size=40), st.sampled_from([8_000, 16_000, 24_000, 22_050]))
def test_the_framer_keeps_every_sample_in_frames_of_20_ms(lengths: list[int], rate_hz: int) -> None:
    framer, given_pcm, out = Framer(rate_hz), b"", list[AudioFrame]()
    for number, samples in enumerate(lengths):
        pcm = struct.pack("<h", number + 1) * samples
        given_pcm += pcm
        out += framer.feed(AudioFrame(pcm, rate_hz))
    rest = framer.flush()
    out += [rest] if rest else []
    assert {frame.samples for frame in out} <= {rate_hz // 50}
    joined = b"".join(frame.pcm for frame in out)
    assert joined[: len(given_pcm)] == given_pcm
    assert joined[len(given_pcm) :] == bytes(len(joined) - len(given_pcm))
    assert framer.flush() is None


def test_a_framer_takes_one_rate() -> None:
    with pytest.raises(ValueError, match="8000"):
        Framer(16_000).feed(AudioFrame(b"", 8_000))


@pytest.mark.parametrize("from_hz", [8_000, 22_050, 24_000, 44_100, 48_000])
def test_a_resampler_does_not_drift_in_half_an_hour(from_hz: int) -> None:
    resampler, frame = Resampler(from_hz, 16_000), AudioFrame(tone(1_000, from_hz), from_hz)
    out_ms = sum(resampler.feed(frame).duration_ms for _ in range(1_800))
    assert abs(out_ms - 1_800_000) <= 5


@pytest.mark.parametrize("from_hz", [8_000, 24_000, 48_000])
def test_a_resampler_holds_back_little_at_any_moment(from_hz: int) -> None:
    resampler, given_ms, got_ms = Resampler(from_hz, 16_000), 0.0, 0.0
    for _ in range(200):
        given_ms += 20
        got_ms += resampler.feed(AudioFrame(bytes(from_hz // 50 * 2), from_hz)).duration_ms
        assert 0 <= given_ms - got_ms <= 5


def test_a_resampled_voice_is_the_same_voice() -> None:
    up, down = Resampler(16_000, 48_000), Resampler(48_000, 16_000)
    pcm = speech("hello_short")
    frames = [AudioFrame(pcm[i : i + 640], 16_000) for i in range(0, len(pcm), 640)]
    assert likeness(pcm, b"".join(down.feed(up.feed(frame)).pcm for frame in frames)) > 0.99


def test_equal_rates_pass_through() -> None:
    frame = AudioFrame(PCM, 16_000)
    resampler = Resampler(16_000, 16_000)
    assert resampler.feed(frame) == frame
    assert resampler.flush().pcm == b""
    with pytest.raises(ValueError, match="48000"):
        resampler.feed(AudioFrame(PCM, 48_000))
