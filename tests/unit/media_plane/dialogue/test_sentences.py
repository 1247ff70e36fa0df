"""Streamed text is cut early, at natural places, and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_plane.dialogue.sentences import LONGEST_PIECE_CHARS, SentenceSplitter


def pieces(*fed: str) -> list[str]:
    splitter = SentenceSplitter()
    return [piece for text in fed for piece in splitter.feed(text)] + splitter.flush()


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes. We are open.", ["Yes.", "We are open."]),
        ("It costs 12.50 today. Fine?", ["It costs 12.50 today.", "Fine?"]),
        ("Come at 10:30. See you!", ["Come at 10:30.", "See you!"]),
        ("We are at St. Mary Road. Bye.", ["We are at St. Mary Road.", "Bye."]),
        ("Mr. Bean is here. Hello.", ["Mr. Bean is here.", "Hello."]),
        ("Open till 10 p.m. on Friday. Yes.", ["Open till 10 p.m. on Friday.", "Yes."]),
        ("It's at 10 a.m. Shall I book it?", ["It's at 10 a.m.", "Shall I book it?"]),
        ('He said "Come!" I went.', ['He said "Come!"', "I went."]),
    ],
)
def test_sentences_end_where_they_end(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected
    assert pieces(*text) == expected, "letter by letter gives the same"


def test_the_first_piece_ends_at_a_clause_so_that_speech_begins_early() -> None:
    splitter = SentenceSplitter()
    assert splitter.feed("I can book you in tomorrow morning, and") == ["I can book you in tomorrow morning,"]
    assert splitter.feed(" then you get a message, which is free of charge") == []
    assert splitter.flush() == ["and then you get a message, which is free of charge"]


def test_a_short_clause_is_not_torn_off() -> None:
    assert SentenceSplitter().feed("Yes, of course, we ") == []


def test_a_sentence_comes_as_soon_as_the_next_word_begins() -> None:
    assert SentenceSplitter().feed("It is free. ") == ["It is free."]


def test_a_run_without_marks_is_cut_at_a_blank() -> None:
    given = pieces("word " * 200)
    assert len(given) > 1
    assert all(len(piece) <= LONGEST_PIECE_CHARS for piece in given)


@given(st.lists(st.text(alphabet="ab .,!?;:-\n0109éSt", max_size=30), max_size=30))
def test_no_letter_is_lost_or_invented(fed: list[str]) -> None:
    assert squeezed("".join(pieces(*fed))) == squeezed("".join(fed))


@given(st.text(alphabet="aT .,!?;:\n01", max_size=120))
def test_no_piece_is_empty(text: str) -> None:
    assert all(piece.strip() for piece in pieces(text))
