"""Words along audio, times along marks, and what only says "go on"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_plane.conversation.caller_side import is_backchannel
from media_plane.conversation.heard import SpokenItem
from media_plane.conversation.latency import TurnTimer

SENTENCES = st.lists(st.tuples(st.text("ab .,", max_size=30), st.floats(0, 3_000)), max_size=6)
MARK = st.none() | st.floats(0, 60_000)


def item(sentences: list[tuple[str, float]], heard_ms: float) -> SpokenItem:
    spoken = SpokenItem("i", heard_ms=heard_ms)
    for text, duration_ms in sentences:
        spoken.add_text(text)
        spoken.add_audio(duration_ms)
    return spoken


@given(sentences=SENTENCES, heard_ms=st.floats(0, 20_000), more_ms=st.floats(0, 5_000))
def test_what_was_heard_begins_the_text_and_only_grows(sentences: list[tuple[str, float]], heard_ms: float, more_ms: float) -> None:
    spoken = item(sentences, heard_ms)
    said, heard = spoken.text.split(), spoken.heard_text().split()
    assert heard == said[: len(heard)]
    later = item(sentences, heard_ms + more_ms)
    assert later.heard_text().split()[: len(heard)] == heard
    assert later.sentences_heard() >= spoken.sentences_heard()


def test_the_rest_of_a_word_joins_it_whenever_it_comes() -> None:
    spoken = SpokenItem("i", heard_ms=150.0)
    spoken.add_text("ved", joins=True)
    spoken.add_audio(100)
    for text, joins in ((" Reser", False), ("va", True), ("tions", True), ("end", False)):
        spoken.add_text(text, joins=joins)
        spoken.add_audio(100)
    assert (spoken.text, spoken.heard_text()) == ("ved Reservations end", "ved")


@given(sentences=SENTENCES, heard_ms=st.floats(0, 20_000))
def test_nothing_falls_between_heard_and_left_to_say(sentences: list[tuple[str, float]], heard_ms: float) -> None:
    spoken = item(sentences, heard_ms)
    heard, left, said = spoken.heard_text().split(), spoken.unheard_text().split(), spoken.text.split()
    assert said[len(said) - len(left) :] == left
    assert len(heard) + len(left) >= len(said)


@given(sentences=SENTENCES)
def test_all_of_it_or_nothing(sentences: list[tuple[str, float]]) -> None:
    spoken = item(sentences, 0.0)
    spoken.heard_ms = spoken.audio_ms
    assert (spoken.heard_text(), spoken.unheard_text()) == (spoken.text, "")


def test_a_word_counts_once_half_of_it_was_heard() -> None:
    spoken = item([("one two", 800.0)], 190.0)
    assert spoken.heard_text() == ""
    spoken.heard_ms = 210.0
    assert spoken.heard_text() == "one"


@given(begin=st.floats(0, 60_000), marks=st.tuples(MARK, MARK, MARK, MARK), out=st.floats(0, 60_000))
def test_stages_add_up_and_are_never_negative(
    begin: float, marks: tuple[float | None, float | None, float | None, float | None], out: float
) -> None:
    stages = TurnTimer(begin, *marks).stages(out).model_dump()
    e2e = stages.pop("e2e")
    assert sum(stages.values()) == pytest.approx(e2e, abs=0.05)
    assert min(stages.values()) >= 0
    last = max([begin, out, *(mark for mark in marks if mark is not None)])
    assert e2e == pytest.approx(last - begin, abs=0.3)


@pytest.mark.parametrize(
    ("text", "goes_on"),
    [
        ("Yeah.", True),
        ("uh-huh", True),
        ("OK, okay!", True),
        ("I see.", True),
        ("Got it.", True),
        ("Yeah yeah yeah", True),
        ("Yeah yeah yeah yeah", False),
        ("Yeah, but no", False),
        ("No.", False),
        ("Stop", False),
        ("right now", False),
        ("Sure, Tuesday", False),
        ("", False),
        ("...", False),
        ("see I", False),
    ],
)
def test_backchannels(text: str, goes_on: bool) -> None:
    assert is_backchannel(text) is goes_on
