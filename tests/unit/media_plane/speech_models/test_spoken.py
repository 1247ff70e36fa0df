"""Written text as words for a voice."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.speech_models.clauses import clauses
from media_plane.speech_models.hearsay import Heard, believable, with_clock_times
from media_plane.speech_models.numerals import cardinal, ordinal, year
from media_plane.speech_models.spoken import spoken
from media_plane.speech_models.voices import choose_voice


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("at 10:30 AM.", "at ten thirty A M."),
        ("at 9:05 a.m. See you", "at nine oh five A M. See you"),
        ("2026-11-22", "November twenty second, twenty twenty six"),
        ("Nov 22nd", "November twenty second"),
        ("$15.50 or $1", "fifteen dollars and fifty cents or one dollar"),
        ("555-123-4567", "five five five, one two three, four five six seven"),
        ("Mon-Fri 9-5", "Monday to Friday nine to five"),
        ("15% off & more", "fifteen percent off and more"),
        ("123 Main St. is near St. Mary's.", "one hundred twenty three Main Street is near Saint Mary's."),
        ("Is that No. 5?", "Is that number five?"),
        ("order #A12", "order number A, one, two"),
        ("joe@shop.example", "joe at shop dot example"),
        ("**Bold** `code` 😀", "Bold code"),
        ("the FAQ at NASA", "the F A Q at Nasa"),
        ("Café Zoë", "Cafe Zoe"),
        ("?!...", ""),
    ],
)
def test_spoken(written: str, said: str) -> None:
    assert spoken(written) == said


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=120) | st.text("0123456789:/-.,$%&@#+ AaPpMm()stndrh", max_size=60))
def test_any_text_becomes_plain_letters(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z'\-.,;:!? ]*", spoken(text))


@given(st.text("abc ,.;!?", max_size=900))
def test_clauses_lose_no_word_and_are_short(text: str) -> None:
    pieces = clauses(text)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(len(piece) <= 200 for piece in pieces)


def test_numbers_and_voices() -> None:
    assert (cardinal(1250), ordinal(22), year(1905)) == ("one thousand two hundred fifty", "twenty second", "nineteen oh five")
    assert choose_voice("en_us_male_calm").exact
    assert not choose_voice("nobody").exact


def test_invented_words_are_not_believed() -> None:
    assert not believable(Heard("Thank you for watching.", -0.6, 0.1, 0.8), seconds=3)
    assert not believable(Heard("[MUSIC]", -0.1, 0.1, 0.8), seconds=3)
    assert not believable(Heard("no no no no no no no no no no", -0.2, 0.1, 1.9), seconds=4)
    assert believable(Heard("Yes, please.", -0.5, 0.3, 0.8), seconds=1)


def test_clock_times_are_written_with_a_colon() -> None:
    assert with_clock_times("tomorrow at 1030.") == "tomorrow at 10:30."
    assert with_clock_times("We are at 123 Main Street") == "We are at 123 Main Street"
    assert with_clock_times("10.30 AM or 2 15pm") == "10:30 AM or 2:15pm"
    assert with_clock_times("I paid 1030 at 4155552671") == "I paid 1030 at 4155552671"
