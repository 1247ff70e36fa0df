"""A model's sentences are read off the wire, and what the caller heard of each is told rightly."""

from __future__ import annotations

from benchmarks.caller import Caller
from benchmarks.false_claims import Sentence, outcomes, sentences
from benchmarks.tap import Link, Passed
from media_plane.engines.duplex.corrections import CORRECTION

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def said(*pieces: tuple[float, str]) -> Link:
    """A connection on which the model gave these pieces, among sound."""
    passed = [Passed(0.0, UPGRADED)]
    for at_ms, piece in pieces:
        for payload in (b"\x02" + piece.encode(), b"\x01OggS"):
            passed.append(Passed(at_ms, b"\x82" + bytes((len(payload),)) + payload))
    return Link(0.0, from_model=passed)


def test_pieces_are_a_sentence_until_the_model_pauses() -> None:
    link = said((100.0, " You"), (180.0, "'re"), (420.0, " booked"), (2_000.0, " By"), (2_080.0, "e."))
    assert [*sentences(link)] == [Sentence("You're booked", 100.0, 420.0), Sentence("Bye.", 2_000.0, 2_080.0)]
    assert [*sentences(said())] == []


def heard(words: list[tuple[float, str]], messages: list[tuple[float, str]], audio_ms: list[float]) -> Caller:
    caller = Caller.__new__(Caller)
    caller.words, caller.messages, caller.audio_ms = words, messages, audio_ms
    return caller


def test_a_claim_is_corrected_let_through_or_never_heard() -> None:
    claims = [Sentence("one", 1_000.0, 2_000.0), Sentence("two", 9_000.0, 10_000.0), Sentence("three", 17_000.0, 18_000.0)]
    caller = heard(
        [(1_100.0, "on"), (1_620.0, CORRECTION), (9_500.0, "two")],
        [(1_600.0, "audio.clear"), (1_640.0, "audio.begin"), (9_100.0, "audio.begin")],
        [1_200.0, 1_580.0, 1_650.0, 9_110.0],
    )
    first, second, third = outcomes(claims, caller)
    assert (first.what, first.stopped_ms, first.corrected_ms) == ("corrected", -400.0, -350.0)
    assert (second.what, third.what) == ("let through", "never heard")
