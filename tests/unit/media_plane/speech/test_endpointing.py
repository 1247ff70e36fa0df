"""Probabilities to facts, in virtual time, exact to a frame."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from media_plane.speech.endpointing import Endpointer, EndpointSettings
from media_plane.speech.facts import CallerSpeech


def listen(*spans: tuple[int, float], settings: EndpointSettings | None = None) -> list[tuple[float, CallerSpeech]]:
    """Spans of (milliseconds, probability); what was said when."""
    endpointer, at_ms, facts = Endpointer(settings), 0.0, []
    for duration_ms, probability in spans:
        for _ in range(duration_ms // 20):
            at_ms += 20
            fact = endpointer.hear(probability, at_ms)
            if fact is not None:
                facts.append((at_ms, fact))
    return facts


def test_an_utterance_has_exact_times() -> None:
    assert listen((1_000, 0.0), (600, 0.9), (1_000, 0.0)) == [
        (1_080, CallerSpeech("started", 1_000)),
        (1_800, CallerSpeech("paused", 1_000, 1_600)),
        (2_160, CallerSpeech("ended", 1_000, 1_600)),
    ]


def test_a_pause_that_was_not_the_end() -> None:
    facts = listen((200, 0.9), (300, 0.0), (200, 0.9), (1_000, 0.0))
    assert [fact.kind for _, fact in facts] == ["started", "paused", "resumed", "paused", "ended"]
    assert facts[2] == (540, CallerSpeech("resumed", 0))
    assert facts[-1][1] == CallerSpeech("ended", 0, 700)


def test_a_click_is_no_speech() -> None:
    assert listen(*[(60, 0.99), (200, 0.0)] * 50) == []


def test_a_click_in_a_pause_neither_resumes_nor_delays_the_end() -> None:
    facts = listen((200, 0.9), (300, 0.0), (20, 0.9), (1_000, 0.0))
    assert [(at, fact.kind) for at, fact in facts] == [(80, "started"), (400, "paused"), (760, "ended")]


def test_a_soft_moment_inside_speech_is_speech() -> None:
    assert [fact.kind for _, fact in listen((200, 0.9), (2_000, 0.4), (200, 0.9))] == ["started"]
    assert listen((3_000, 0.4)) == [], "but it does not begin it"


def test_a_short_hole_in_a_beginning_is_bridged() -> None:
    assert listen((40, 0.9), (40, 0.1), (40, 0.9))[0] == (120, CallerSpeech("started", 0))


def test_patience_is_a_setting() -> None:
    facts = listen((200, 0.9), (2_000, 0.0), settings=EndpointSettings(pause_ms=300, end_ms=1_200))
    assert [(at, fact.kind) for at, fact in facts] == [(80, "started"), (500, "paused"), (1_400, "ended")]


def test_a_beginning_can_be_held_back_until_somebody_agrees() -> None:
    endpointer = Endpointer()
    assert [endpointer.hear(0.9, at, may_start=False) for at in range(20, 420, 20)] == [None] * 20
    assert not endpointer.speaking
    assert endpointer.hear(0.9, 420, may_start=True) == CallerSpeech("started", 0)
    assert endpointer.speaking


FOLLOWS = {
    None: {"started"},
    "started": {"paused"},
    "paused": {"resumed", "ended"},
    "resumed": {"paused"},
    "ended": {"started"},
}


@given(st.lists(st.tuples(st.integers(20, 900), st.floats(0, 1)), max_size=40))
def test_laws_of_endpointing(spans: list[tuple[int, float]]) -> None:
    facts = listen(*spans)
    kinds = [None, *(fact.kind for _, fact in facts)]
    assert all(after in FOLLOWS[before] for before, after in itertools.pairwise(kinds) if after is not None)
    ended_ms = 0.0
    for at_ms, fact in facts:
        assert ended_ms <= fact.voice_start_ms <= at_ms
        if fact.kind in ("paused", "ended"):
            assert fact.voice_start_ms < fact.voice_end_ms <= at_ms - (200 if fact.kind == "paused" else 550)
        if fact.kind == "ended":
            ended_ms = fact.voice_end_ms
