"""The stream as FFmpeg reads it: two channels that know nothing of each other, whole wherever its writer was killed."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from media_plane.codecs.opus import OpusEncoder
from media_plane.recording.stream import StereoStream, self_delimited, stream_end
from tests.fakes.opus_file import decoded, level_db

RATE = 16_000


def tone(seconds: float, hz: float = 440.0) -> bytes:
    at = np.arange(int(seconds * RATE)) / RATE
    return (8_000 * np.sin(2 * np.pi * hz * at)).astype("<i2").tobytes()


def silence(seconds: float) -> bytes:
    return bytes(int(seconds * RATE) * 2)


def stream(left: bytes, right: bytes) -> bytes:
    made = StereoStream(7)
    cut = RATE * 2
    pages = [made.pages(left[at : at + cut], right[at : at + cut], last=at + cut >= len(left)) for at in range(0, len(left), cut)]
    return made.headers() + b"".join(pages)


def test_ffmpeg_reads_two_channels_that_do_not_leak_into_each_other() -> None:
    sides = decoded(stream(tone(1) + silence(2), silence(2) + tone(1, 300)))
    assert sides.shape[0] == 2
    assert abs(sides.shape[1] / 48_000 - 3.0) < 0.02
    loud = [level_db(sides[0][:47_000]), level_db(sides[1][97_000:])]
    quiet = [level_db(sides[1][:90_000]), level_db(sides[0][60_000:])]
    assert min(loud) > -20 and max(quiet) < -70


def test_silence_between_words_is_silent_and_small() -> None:
    talk, nothing = stream(tone(10), silence(10)), stream(silence(10), silence(10))
    assert len(nothing) < len(talk) / 4
    assert level_db(decoded(nothing)) < -90
    after = decoded(stream(silence(1) + tone(1) + silence(1) + tone(1), silence(4)))
    assert level_db(after[0][3 * 48_000 + 5_000 :]) > -20


@pytest.mark.parametrize("cut_bytes", [1, 30, 400, 3_000])
def test_a_stream_that_broke_off_ends_with_its_last_whole_page(cut_bytes: int) -> None:
    whole = stream(tone(5), tone(5, 300))
    end = stream_end(whole[:-cut_bytes])
    assert end is not None and end.duration_ms in (pytest.approx(4_000, abs=7), pytest.approx(3_000, abs=7))
    assert decoded(whole[: end.end_bytes]).shape[1] == pytest.approx(end.duration_ms * 48, abs=1)


def test_the_end_is_found_from_the_tail_alone_and_headers_alone_are_nothing() -> None:
    whole = stream(tone(5), silence(5))
    end = stream_end(whole[-8_000:], len(whole) - 8_000)
    assert end is not None and end.end_bytes == len(whole)
    assert stream_end(StereoStream(7).headers()) is None
    assert stream_end(b"") is None
    assert stream_end(b"OggS" * 40) is None


@pytest.mark.parametrize("size", [1, 2, 251, 252, 253, 256, 300, 1_276])
def test_a_packet_says_its_length(size: int) -> None:
    made = self_delimited(bytes((8,)) + b"x" * (size - 1))
    told = made[1] if made[1] < 252 else made[1] + 4 * made[2]
    assert told == size - 1
    assert made[2 if made[1] < 252 else 3 :] == b"x" * (size - 1)


def test_packets_of_several_frames_are_refused() -> None:
    for packet in (b"", bytes((3, 1)), bytes((1, 0, 0))):
        with pytest.raises(ValueError):
            self_delimited(packet)


def test_our_encoder_makes_packets_of_one_frame() -> None:
    with av.open(io.BytesIO(stream(tone(1), tone(1)))) as container:
        assert container.streams.audio[0].codec_context.layout.name == "stereo"
    assert OpusEncoder(RATE, bitrate_bps=24_000).sample_rate_hz == RATE
