"""Pieces of text become words, each with its sound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from media_plane.engines.duplex.words import Word, Words


def heard(words: Words, *pieces: str) -> list[str]:
    return texts(given_all(words, *pieces))


def given_all(words: Words, *pieces: str) -> list[Word]:
    for piece in pieces:
        words.piece(0, piece)
    words.sound()
    return words.fall_silent(0)


def texts(given: list[Word]) -> list[str]:
    return [word.text for word in given]


def spelled(given: list[Word]) -> str:
    """The words as the model's pieces spell them."""
    text = ""
    for word in given:
        text = word.after(text)
    return text


def test_pieces_join_without_anything_between_and_punctuation_stays_with_its_word() -> None:
    assert heard(Words(), " Hel", "lo", ",", " how", " are", " you", "?") == ["Hello,", "how", "are", "you?"]


def test_a_word_is_given_as_soon_as_the_next_begins() -> None:
    words = Words()
    words.piece(0, " Hello")
    words.sound()
    assert words.take(100) == []
    words.piece(100, " there")
    assert texts(words.take(100)) == ["Hello"]


def test_a_word_is_complete_when_no_piece_follows() -> None:
    words = Words()
    words.piece(0, " Yes")
    words.sound()
    assert words.take(239) == []
    assert texts(words.take(240)) == ["Yes"]


def test_the_end_of_a_sentence_completes_its_last_word_but_no_number_or_initial() -> None:
    words = Words()
    words.sound()
    for piece in (" Three", ".", " At", " 3", ".", "30", " p", ".", "m", "."):
        words.piece(0, piece)
    words.sound()
    assert texts(words.take(0)) == ["Three.", "At", "3.30"]
    words.piece(0, " Fine")
    words.piece(0, "!")
    words.sound()
    assert texts(words.take(0)) == ["p.m.", "Fine!"]


def test_a_word_ahead_of_its_sound_waits_for_it() -> None:
    words = Words()
    words.piece(0, " Well")
    assert words.take(1_400) == []
    words.sound()
    assert texts(words.take(1_400)) == ["Well"]


def test_a_word_that_never_sounds_was_not_spoken() -> None:
    words = Words()
    words.piece(0, " Hidden")
    assert words.take(1_501) == []
    words.sound()
    assert words.take(1_501) == []


def test_the_end_of_speech_completes_what_sounded_and_keeps_what_is_ahead() -> None:
    words = Words()
    words.piece(0, " Bye")
    words.sound()
    words.piece(10, " So")
    assert texts(words.fall_silent(20)) == ["Bye"]
    words.sound()
    assert texts(words.fall_silent(30)) == ["So"]


def test_forgotten_words_do_not_come_back() -> None:
    words = Words()
    words.piece(0, " One two")
    words.forget()
    words.sound()
    assert words.fall_silent(0) == []


def test_a_run_without_blanks_is_bounded() -> None:
    words = Words()
    for _ in range(1_000):
        words.piece(0, "aaaaaaaaaa")
    words.sound()
    assert all(len(word.text) <= 90 for word in words.fall_silent(0))


@given(st.lists(st.text("ab ,.é", max_size=6), max_size=40))
def test_however_text_is_cut_into_pieces_the_words_are_those_of_the_text(pieces: list[str]) -> None:
    given = given_all(Words(), *pieces)
    assert all(word.text and " " not in word.text for word in given)
    assert spelled(given) == " ".join("".join(pieces).split())


@given(st.lists(st.tuples(st.text("ab .", min_size=1, max_size=4), st.integers(0, 900)), max_size=30))
def test_however_far_apart_the_pieces_come_only_blanks_part_words(pieces: list[tuple[str, int]]) -> None:
    words, at_ms, given = Words(), 0.0, list[Word]()
    for text, after_ms in pieces:
        words.piece(at_ms, text)
        words.sound()
        given += words.take(at_ms)
        at_ms += after_ms
        given += words.take(at_ms)
    assert spelled(given + words.fall_silent(at_ms)) == " ".join("".join(text for text, _ in pieces).split())


def test_the_rest_of_a_word_that_was_given_joins_it() -> None:
    words = Words()
    words.piece(0, " reser")
    words.sound()
    assert words.take(240) == [Word("reser")]
    words.piece(400, "ved")
    words.piece(480, " for")
    words.sound()
    assert words.take(480) == [Word("ved", joins=True)]
    assert words.fall_silent(1_000) == [Word("for")]
