"""Utterances are found in a model's endless audio: speech and short pauses, no silence, whatever its noise."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.audio import AudioFrame, silence
from media_plane.engines.duplex.segments import Ended, Opened, Paused, Piece, Resumed, Segmenter, Sound, Word
from media_plane.framer import Framer
from tests.unit.media_plane.engines.duplex.talking import FRAME_MS, SILENCE, SPEECH, frame


def run(segmenter: Segmenter, pattern: str, at_ms: float = 0.0) -> list[Sound]:
    """``#`` is 80 ms of speech, ``.`` of silence."""
    sounds: list[Sound] = []
    for mark in pattern:
        at_ms += FRAME_MS
        sounds += segmenter.audio(at_ms, SPEECH if mark == "#" else SILENCE)
    return sounds


def kinds(sounds: list[Sound]) -> list[str]:
    return [type(sound).__name__ for sound in sounds if not isinstance(sound, Piece)]


def length_ms(sounds: list[Sound]) -> float:
    return sum(sound.frame.duration_ms for sound in sounds if isinstance(sound, Piece))


def test_speech_opens_and_480_ms_of_quiet_end_it() -> None:
    segmenter = Segmenter()
    sounds = run(segmenter, "..........######......")
    assert kinds(sounds) == ["Opened", "Paused", "Ended"]
    assert not segmenter.open


def test_the_audio_is_the_speech_with_a_little_before_and_after() -> None:
    assert length_ms(run(Segmenter(), "..........######..........")) == 100 + 6 * 80 + 200


def test_silence_alone_gives_nothing() -> None:
    assert run(Segmenter(), "." * 100) == []


def test_short_pauses_belong_to_the_utterance_and_longer_ones_are_told() -> None:
    assert kinds(run(Segmenter(), "...####..####.....####......")) == ["Opened", "Paused", "Resumed", "Paused", "Ended"]


def test_a_click_is_no_speech() -> None:
    segmenter = Segmenter()
    run(segmenter, "....")
    assert segmenter.audio(400, frame(speech=True, duration_ms=20)) == []
    assert run(segmenter, "........", 400) == []


@pytest.mark.parametrize("noise_db", [-100, -70, -52, -45])
def test_the_model_s_own_noise_is_no_speech_once_it_is_known(noise_db: float) -> None:
    segmenter = Segmenter()
    noise = frame(speech=False, noise_db=noise_db)
    at_ms = 0.0
    for _ in range(50):
        at_ms += FRAME_MS
        segmenter.audio(at_ms, noise)
    assert not segmenter.open
    opened = [sound for _ in range(4) for sound in segmenter.audio(at_ms, SPEECH)]
    assert kinds(opened) == ["Opened"]
    ended = [sound for _ in range(8) for sound in segmenter.audio(at_ms, noise)]
    assert kinds(ended) == ["Paused", "Ended"]


def test_words_come_before_the_audio_they_are_spoken_in() -> None:
    segmenter = Segmenter()
    run(segmenter, "....")
    segmenter.text(320, " Hello")
    segmenter.text(320, " you")
    sounds = segmenter.audio(400, SPEECH)
    assert [type(sound) for sound in sounds] == [Opened, Word, Piece]
    assert sounds[1] == Word("Hello")


def test_the_last_word_comes_with_the_end_at_the_latest() -> None:
    segmenter = Segmenter()
    run(segmenter, "....##")
    segmenter.text(480, " bye")
    sounds = run(segmenter, "#......", 480)
    assert [sound.text for sound in sounds if isinstance(sound, Word)] == ["bye"]


def test_a_line_that_goes_dead_ends_the_utterance() -> None:
    segmenter = Segmenter()
    run(segmenter, "....####")
    assert segmenter.tick(640 + 799) == []
    assert kinds(segmenter.tick(640 + 800)) == ["Ended"]


def test_reset_forgets_the_utterance() -> None:
    segmenter = Segmenter()
    run(segmenter, "....####")
    segmenter.reset()
    assert not segmenter.open
    assert run(segmenter, "......") == []


SPOKEN = sorted((Path(__file__).parents[4] / "golden" / "speech").glob("*.wav"))


@pytest.mark.parametrize("path", SPOKEN, ids=lambda path: path.stem)
def test_real_speech_is_kept_whole_and_silence_is_not(path: Path) -> None:
    with wave.open(str(path)) as sound:
        rate_hz, pcm = sound.getframerate(), sound.readframes(sound.getnframes())
    speech = AudioFrame(pcm, rate_hz)
    quiet = silence(1_600, rate_hz)
    segmenter, at_ms, sounds = Segmenter(), 0.0, list[Sound]()
    for frame_of in Framer(rate_hz, FRAME_MS).feed(AudioFrame(quiet.pcm + speech.pcm + quiet.pcm, rate_hz)):
        at_ms += FRAME_MS
        sounds += segmenter.audio(at_ms, frame_of)
    kept = b"".join(sound.frame.pcm for sound in sounds if isinstance(sound, Piece))
    assert kinds(sounds).count("Opened") == kinds(sounds).count("Ended") >= 1
    assert energy(kept) > 0.99 * energy(speech.pcm)
    assert length_ms(sounds) < speech.duration_ms + 400


def energy(pcm: bytes) -> float:
    return float(np.square(np.frombuffer(pcm, "<i2").astype(np.float64)).sum())


@settings(max_examples=60, deadline=None)
@given(st.text("#.", max_size=60))
def test_openings_and_ends_alternate_and_nothing_is_longer_than_it_was(pattern: str) -> None:
    sounds = run(Segmenter(), "...." + pattern + "." * 8)
    bounds = [kind for kind in kinds(sounds) if kind in ("Opened", "Ended")]
    assert bounds == ["Opened", "Ended"] * (len(bounds) // 2)
    pauses = [kind for kind in kinds(sounds) if kind in ("Paused", "Resumed", "Ended")]
    assert all(after != "Resumed" or before == "Paused" for before, after in zip(["", *pauses], pauses, strict=False))
    assert length_ms(sounds) <= len("...." + pattern + "." * 8) * FRAME_MS
    inside = False
    for sound in sounds:
        inside = isinstance(sound, Opened) or (inside and not isinstance(sound, Ended))
        assert inside or isinstance(sound, Ended)
    assert isinstance(sounds[-1], Ended | Paused | Resumed) if sounds else True
