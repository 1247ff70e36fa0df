"""The word of a pass is never spoken, however it is cut into pieces; everything else is spoken unchanged."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_plane.dialogue.notes import correction_note, typed_note
from media_plane.dialogue.passing import PassFilter, may_pass
from media_plane.ports.chat import AgentSaid, CallerSaid, ChatMessage, ChatRequest, ToolCall, ToolReturned
from nexus.domain.tenant import TenantConfig

CALL = ToolCall("c1", "look", {})


def spoken(*pieces: str) -> str:
    passing = PassFilter()
    return "".join(passing.feed(piece) for piece in pieces) + passing.flush()


def cut(text: str, places: list[int]) -> list[str]:
    ends = [*sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@given(
    st.sampled_from(
        ["PASS", "pass", "Pass.", "PASS!", " pass\n", "**PASS**", '"Pass."', "(PASS)", "`PASS`", "PASS.\n\n", "PASS - it is small talk."]
    ),
    st.lists(st.integers(0, 100), max_size=6),
)
def test_a_pass_is_silent_in_whatever_pieces_it_comes(text: str, places: list[int]) -> None:
    assert spoken(*cut(text, places)).strip() == ""


@given(st.text(alphabet="PAS pas.hT,!", max_size=30), st.lists(st.integers(0, 100), max_size=8))
def test_the_pieces_make_no_difference(text: str, places: list[int]) -> None:
    assert spoken(*cut(text, places)).strip() == spoken(text).strip()


@pytest.mark.parametrize(
    "text",
    [
        "Passing that on.",
        "Pass me your number, please.",
        "Past ten is fine.",
        "PASSWORD",
        "Pasta is out.",
        "The boarding pass is sent.",
        "P",
        "PAS",
    ],
)
def test_other_words_are_spoken_unchanged(text: str) -> None:
    assert spoken(*text) == text


def test_words_are_not_held_back_longer_than_the_doubt_lasts() -> None:
    passing = PassFilter()
    assert passing.feed("Pa") == ""
    assert passing.feed("sta is out.") == "Pasta is out."


def test_a_pass_behind_words_is_not_spoken_either() -> None:
    assert spoken("It is free.", " PA", "SS").strip() == "It is free."


def asked(*messages: ChatMessage, beside: bool = True) -> ChatRequest:
    return ChatRequest(
        "", messages, (), datetime(2026, 11, 21, tzinfo=UTC), TenantConfig(tenant_id="demo_shop", system_prompt="x"), beside=beside
    )


def test_only_the_caller_own_words_can_be_passed() -> None:
    assert may_pass(asked(CallerSaid("hi")))
    assert may_pass(asked(CallerSaid("hi"), AgentSaid("Mm-hmm.")))
    assert not may_pass(asked(CallerSaid("hi"), beside=False))
    assert not may_pass(asked(CallerSaid("hi"), AgentSaid("", (CALL,)), ToolReturned(CALL, "free")))
    assert not may_pass(asked(CallerSaid(correction_note("You're booked."))))
    assert not may_pass(asked(CallerSaid(typed_note("hello"))))
