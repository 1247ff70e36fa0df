"""The steps that the model's way is measured by stand where the measurement looks for them, in every codec and through Ogg pages."""

from __future__ import annotations

import pytest

from benchmarks.model_path import STEPS, arrivals, floor, played, sound_of, to_caller, to_model
from benchmarks.steps import CYCLE_MS, Heard, crossings, cycle
from benchmarks.tap import Link, Passed
from media_plane.audio import EAR_RATE_HZ, FRAME_MS, AudioFormat, AudioFrame, Codec
from media_plane.codecs.decoders import decoder_for
from media_plane.codecs.ogg import OggWriter
from media_plane.codecs.opus import OpusEncoder
from media_plane.speech.vad import ScriptedDetector

CODECS: tuple[Codec, ...] = ("pcm_s16le", "opus", "webm_opus")
TIMES = 3
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


@pytest.mark.parametrize("codec", CODECS)
def test_each_step_is_in_the_message_that_counts_as_its_sending(codec: Codec) -> None:
    sound = sound_of(codec)
    decoder = decoder_for(AudioFormat(codec, EAR_RATE_HZ))
    for first in sound.head:
        decoder.feed(first)
    heard = [Heard(float(number), frame) for number, piece in enumerate(sound.pieces * TIMES) for frame in decoder.feed(piece)]
    assert len(sound.pieces) == CYCLE_MS // FRAME_MS
    for level, at in STEPS:
        assert [each.at_ms for each in crossings(heard, level)] == [at + n * len(sound.pieces) for n in range(TIMES)]


def message(payload: bytes) -> bytes:
    return b"\x82\x7e" + len(payload).to_bytes(2, "big") + payload


def pages(rate_hz: int, every_ms: float, late_ms: float) -> list[Passed]:
    """The steps as Ogg pages of 20 ms in WebSocket messages, each ``late_ms`` after its time."""
    ogg, encoder = OggWriter(1), OpusEncoder(rate_hz)
    size = FRAME_MS * rate_hz // 1000 * 2
    pcm = cycle(rate_hz).pcm * TIMES
    passed = [Passed(0.0, UPGRADED), *(Passed(0.0, message(b"\x01" + page)) for page in ogg.headers())]
    for number, at in enumerate(range(0, len(pcm), size)):
        page = ogg.page((encoder.encode(AudioFrame(pcm[at : at + size], rate_hz)),))
        passed += [Passed(number * every_ms + late_ms, message(b"\x01" + page)), Passed(number * every_ms, message(b"\x02 word"))]
    return passed


def test_the_way_to_the_model_is_from_the_callers_message_to_the_page() -> None:
    link = Link(0.0, to_model=pages(EAR_RATE_HZ, 20.0, 7.0))
    sent_ms = [number * 20.0 for number in range(TIMES * CYCLE_MS // FRAME_MS)]
    assert list(to_model(link, sent_ms, CYCLE_MS // FRAME_MS)) == pytest.approx([7.0] * 2 * TIMES)


def frames_of(pcm: bytes, times_ms: list[float]) -> list[tuple[float, bytes]]:
    return list(zip(times_ms, (pcm[at : at + 640] for at in range(0, len(pcm), 640)), strict=True))


def test_the_way_back_is_from_the_page_to_the_callers_message() -> None:
    link = Link(0.0, from_model=pages(24_000, 20.0, 0.0))
    pcm = cycle(EAR_RATE_HZ).pcm * TIMES
    sound = frames_of(pcm, [number * 20.0 + 31.0 for number in range(len(pcm) // 640)])
    assert list(to_caller(link, arrivals(sound))) == pytest.approx([31.0] * 2 * TIMES)


def test_what_comes_early_is_played_when_it_is_its_turn() -> None:
    sound = frames_of(bytes(640 * 6), [0.0, 0.0, 0.0, 50.0, 200.0, 200.0])
    assert [each.at_ms for each in played(sound)] == [0.0, 20.0, 40.0, 60.0, 200.0, 220.0]


@pytest.mark.parametrize("codec", CODECS)
def test_the_floor_is_some_time(codec: Codec) -> None:
    assert 0 < floor(sound_of(codec), ScriptedDetector()) < 1
