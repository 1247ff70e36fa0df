"""The model's transcripts, paired with utterances: one for each, with its times, whichever of the two comes first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from media_plane.conversation.events import CallerSpeech, CallerTranscript
from media_plane.engines.duplex.model_ear import ModelEar

STARTED = CallerSpeech("started", 1_000.0, 1_000.0)
ENDED = CallerSpeech("ended", 1_000.0, 2_000.0)


def transcript(text: str, start_ms: float = 1_000.0, end_ms: float = 2_000.0) -> CallerTranscript:
    return CallerTranscript(text, final=True, voice_start_ms=start_ms, voice_end_ms=end_ms)


def test_words_before_the_end_of_the_utterance_are_given_at_its_end() -> None:
    ear = ModelEar()
    assert ear.speech(51_000, STARTED) == []
    assert ear.heard(51_500, "I would like") == []
    assert ear.heard(51_900, "a room.") == []
    assert ear.speech(52_500, ENDED) == [transcript("I would like a room.")]
    assert ear.tick(60_000) == []


def test_words_after_the_end_belong_to_it() -> None:
    ear = ModelEar()
    ear.speech(51_000, STARTED)
    assert ear.speech(52_500, ENDED) == []
    assert ear.tick(53_900) == []
    assert ear.heard(53_950, "A room.") == [transcript("A room.")]
    assert ear.tick(60_000) == []


def test_without_words_the_utterance_had_none_after_patience() -> None:
    ear = ModelEar(patience_ms=1_500)
    ear.speech(51_000, STARTED)
    ear.speech(52_500, ENDED)
    assert ear.tick(53_999) == []
    assert ear.tick(54_000) == [transcript("")]
    assert ear.tick(55_000) == []


def test_two_utterances_wait_for_their_words_in_order() -> None:
    ear = ModelEar()
    ear.speech(51_000, STARTED)
    ear.speech(52_000, ENDED)
    ear.speech(52_200, CallerSpeech("started", 2_200.0, 2_200.0))
    ear.speech(52_900, CallerSpeech("ended", 2_200.0, 2_700.0))
    assert ear.heard(53_000, "One.") == [transcript("One.")]
    assert ear.heard(53_100, "Two.") == [transcript("Two.", 2_200, 2_700)]


def test_words_that_our_detector_missed_are_dated_by_their_coming() -> None:
    ear = ModelEar()
    assert ear.heard(300, "Hello?") == [transcript("Hello?", 300, 300)]
    ear.speech(51_000, STARTED)
    ear.speech(52_000, ENDED)
    ear.heard(52_100, "One.")
    assert ear.heard(55_000, "And two.") == [transcript("And two.", 5_000, 5_000)]


def test_an_announcement_is_no_transcript() -> None:
    ear = ModelEar()
    ear.speech(51_000, STARTED)
    ear.speech(52_000, ENDED)
    assert ear.heard(52_000, "") == []


@given(st.lists(st.sampled_from(["speak", "words", "wait"]), max_size=40))
def test_no_word_is_lost_and_no_utterance_goes_without_an_answer(steps: list[str]) -> None:
    ear, now_ms = ModelEar(), 0.0
    said: list[str] = []
    utterances = 0
    given_: list[CallerTranscript] = []
    for step in steps:
        now_ms += 100
        if step == "speak":
            utterances += 1
            given_ += ear.speech(now_ms, CallerSpeech("started", now_ms, now_ms))
            now_ms += 100
            given_ += ear.speech(now_ms, CallerSpeech("ended", now_ms - 100, now_ms))
        elif step == "words":
            said.append(f"w{len(said)}")
            given_ += ear.heard(now_ms, said[-1])
        else:
            now_ms += 2_000
        given_ += ear.tick(now_ms)
    given_ += ear.tick(now_ms + 10_000)
    assert " ".join(one.text for one in given_ if one.text).split() == said
    assert len(given_) >= utterances
    assert all(one.final and one.voice_start_ms <= one.voice_end_ms for one in given_)
