"""The double's pure parts: turns from levels, pieces from words, answers from transcripts."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.sidecar.mind import silence
from local.sidecar.pieces import pieces
from local.sidecar.small_talk import SmallTalk, sounds_like_booking
from local.sidecar.speaking import steps
from local.sidecar.turns import Heard, Turns, level_dbfs
from tests.fakes.sidecar_client import tone


def _heard(pattern: str) -> list[Heard]:
    """One result for each frame of a pattern of loud (#) and quiet (.) frames."""
    turns = Turns()
    return [turns.hear(tone() if mark == "#" else silence()) for mark in pattern]


def test_two_loud_frames_begin_a_turn_and_seven_quiet_ones_end_it() -> None:
    heard = _heard("...####" + "." * 8)
    assert [at for at, one in enumerate(heard) if one.began] == [4]
    [(at, turn)] = [(at, one.turn) for at, one in enumerate(heard) if one.turn is not None]
    assert at == 13
    assert len(turn) == (1 + 4 + 7) * 1920, "with the frame before it and the pause after it"


@pytest.mark.parametrize("pattern", ["." * 40, ".#" * 20, "..#..#.." * 5])
def test_silence_and_clicks_are_no_turn(pattern: str) -> None:
    assert not any(one.began or one.turn is not None for one in _heard(pattern))


def test_a_pause_for_breath_does_not_end_a_turn() -> None:
    assert sum(one.turn is not None for one in _heard("####" + "." * 6 + "####" + "." * 9)) == 1


def test_who_never_stops_is_cut_after_twenty_seconds() -> None:
    heard = _heard("#" * 300)
    assert sum(one.turn is not None for one in heard) == 1


def test_levels() -> None:
    assert level_dbfs(silence()) == -120.0
    assert level_dbfs(np.zeros(0, dtype=np.float32)) == -120.0
    assert level_dbfs(np.ones(10, dtype=np.float32)) == pytest.approx(0.0)


def test_pieces_keep_their_spaces_and_letters_beyond_ascii_come_as_bytes() -> None:
    assert pieces("Sure, I'm confirming.") == [" Sure", ",", " I", "'", "m", " confi", "rming", "."]
    assert pieces("It’s") == [" It", "<0xE2>", "<0x80>", "<0x99>", "s"]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])))
def test_pieces_joined_are_the_words_again(text: str) -> None:
    joined = b"".join(bytes([int(piece[3:5], 16)]) if re.fullmatch(r"<0x[0-9A-F]{2}>", piece) else piece.encode() for piece in pieces(text))
    assert joined.decode() == "".join(f" {word}" for word in text.replace("_", " ").split())


@given(st.integers(0, 30_000), st.integers(0, 40))
def test_steps_are_whole_frames_with_every_piece_once_and_in_order(samples: int, count: int) -> None:
    texts = [f"<{number}>" for number in range(count)]
    made = steps(np.ones(samples, dtype=np.float32), texts)
    assert [step.piece for step in made if step.piece] == texts
    assert all(len(step.sound) == 1920 for step in made)
    assert sum(step.sound.sum() for step in made) == samples
    assert len(made) == max(-(-samples // 1920), count)


@pytest.mark.parametrize(
    "text",
    ["I'd like to book a haircut.", "Can I come in tomorrow?", "Three o'clock please.", "How about at 3?", "Friday works", "5 pm"],
)
def test_turns_that_sound_like_a_booking(text: str) -> None:
    assert sounds_like_booking(text)


@pytest.mark.parametrize("text", ["Hello there.", "How are you?", "Tell me a joke.", "What's at the end?"])
def test_turns_that_do_not(text: str) -> None:
    assert not sounds_like_booking(text)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("Hello!", "Hi there! What can I do for you?"),
        ("Thank you so much", "You're very welcome."),
        ("I want to book a table", "Sure, what day would you like?"),
        ("Tomorrow please", "Okay, and what name should that be under?"),
        ("Yes.", "Great."),
        ("My cat is grey.", "Mm-hm, tell me more."),
        ("Goodbye!", "Take care, bye bye!"),
        ("  ", ""),
    ],
)
def test_answers(said: str, answer: str) -> None:
    assert SmallTalk().reply(said) == answer


def test_the_same_turn_again_gets_another_answer() -> None:
    talk = SmallTalk()
    assert talk.reply("Hello") != talk.reply("Hello")


@pytest.mark.parametrize("answers", [True, False])
def test_a_claim_is_made_once_at_the_next_booking_like_turn(*, answers: bool) -> None:
    talk = SmallTalk(["You're all booked.", "It's cancelled."], answers=answers)
    assert talk.reply("My cat is grey.") == ("Mm-hm, tell me more." if answers else "")
    assert talk.reply("Can I book for tomorrow?") == "You're all booked."
    assert talk.reply("Friday then") == "It's cancelled."
    assert talk.reply("Or Monday") == ("Okay, and what name should that be under?" if answers else "")
