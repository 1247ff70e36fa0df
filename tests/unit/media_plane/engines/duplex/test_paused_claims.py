"""Claims that the model makes haltingly: silence in the middle, words in pieces that come apart. Each is stopped and corrected once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.conversation.events import AgentText, EngineNotice
from media_plane.engines.duplex.claims import Claim, ClaimWatch
from media_plane.engines.duplex.corrections import CORRECTION
from media_plane.engines.duplex.floor import Floor
from media_plane.engines.duplex.model_voice import Claimed, ModelVoice, Out
from media_plane.engines.duplex.unfinished import Unfinished
from media_plane.ports.speech_line import LineRotated, ModelAudio, ModelFlush, ModelText
from tests.unit.media_plane.engines.duplex.claims_corpus import CLAIMS
from tests.unit.media_plane.engines.duplex.duplex_call import Talk, talk
from tests.unit.media_plane.engines.duplex.talking import FRAME_MS, SILENCE, SPEECH

PAUSED = (
    "Your order / has been placed.",
    "I have / reserved a table.",
    "I've put the pizza / in your order.",
    "You're / booked for three.",
    "Okay, you are / all set / for Friday.",
    "Great! I've gone ahead and / cancelled that for you.",
    "Your appointment at 10 a.m. / has been booked.",
    "I / have / just / moved / it / to Friday.",
    "Your appointment at 3:30 / has been moved.",
    "Your order... / has been placed.",
    "Your reservation… has been confirmed.",
    "It's been / taken care of.",
    "I've sent / you the confirmation.",
    "We have, uh, / scheduled / your cleaning.",
)
"""``/`` is 800 ms of silence."""
SPLIT = (
    "I have reser|ved a table.",
    "You're boo|ked for three.",
    "Your appointment is can|cel|led now.",
    "I've re|sched|uled that to Friday.",
    "Your order has been pla|ced now.",
    "I've se|nt you the confirmation.",
    "Your table is con|firm|ed for eight.",
)
"""``|`` is 400 ms without any text, but with sound."""
BOTH = ("Your table / has been reser|ved.", "I have can|cel|led / your order.", "You're boo/ked for three.")
TRUE = (
    "Your order / is what I need first.",
    "I can / look whether a table is free.",
    "What name / should I put it under?",
    "If you like, / I can book that.",
    "Have you been / with us before?",
    "That's a lovely / day to choose.",
    "We have / two tables. / Which one?",
    "Reser|vations are / taken until eight.",
)


async def says(call: Talk, marked: str, *, pause_ms: int = 800) -> None:
    """The model says a marked sentence, one piece every 160 ms."""
    for part in marked.split("/"):
        for number, word in enumerate(part.split(" ")):
            for place, piece in enumerate(word.split("|")):
                await sounds(call, f"{' ' if number and not place else ''}{piece}", 160 if place == word.count("|") else 400)
        await call.quiet(pause_ms)


async def sounds(call: Talk, text: str, duration_ms: int) -> None:
    if text:
        call.line.give(ModelText(text))
        for _ in range(duration_ms // FRAME_MS):
            call.line.give(ModelAudio(SPEECH))
            await call.clock.advance(FRAME_MS)


def claims_noted(call: Talk) -> list[str]:
    return [event.message for event in call.events if isinstance(event, EngineNotice) and event.code == "false_confirmation"]


def corrections(call: Talk) -> int:
    return sum(isinstance(event, AgentText) and event.text == CORRECTION for event in call.events)


@pytest.mark.parametrize("marked", [*PAUSED, *SPLIT, *BOTH])
async def test_a_halting_claim_is_corrected_once(marked: str) -> None:
    async with talk(beside=False) as call:
        await says(call, marked)
        await call.quiet(3_200)
        assert (len(claims_noted(call)), corrections(call)) == (1, 1)


@pytest.mark.parametrize("marked", TRUE)
async def test_halting_small_talk_is_left_alone(marked: str) -> None:
    async with talk(beside=False) as call:
        await says(call, marked)
        await call.quiet(3_200)
        assert (claims_noted(call), corrections(call)) == ([], 0)


async def test_the_notice_tells_the_whole_claim() -> None:
    async with talk(beside=False) as call:
        await says(call, "Your table / has been reser|ved.")
        assert claims_noted(call) == ["Your table has been reserved."]


async def test_a_word_in_pieces_is_one_word_in_the_transcript_and_to_the_next_session() -> None:
    async with talk(beside=False) as call:
        await says(call, "Reser|vations end at eight.")
        words = [event for event in call.events if isinstance(event, AgentText)]
        assert [(word.text, word.joins) for word in words][:2] == [("Reser", False), ("vations", True)]
        assert call.line.brief(2).said[-1].text == "Reservations end at eight."


async def test_words_of_the_caller_between_end_the_sentence() -> None:
    async with talk(beside=False) as call:
        await says(call, "Your order")
        await call.turn("Yes, what about it?")
        await says(call, "has been placed.")
        assert claims_noted(call) == []


async def test_a_sentence_is_not_gone_on_with_after_six_seconds() -> None:
    async with talk(beside=False) as call:
        await says(call, "Your order", pause_ms=7_200)
        await says(call, "has been placed.")
        assert claims_noted(call) == []


@pytest.mark.parametrize("event", [ModelFlush(), LineRotated(2, 100.0, "facts")])
async def test_a_sentence_that_is_taken_back_is_not_gone_on_with(event: ModelFlush | LineRotated) -> None:
    async with talk(beside=False) as call:
        await says(call, "Your order")
        call.line.give(event)
        await says(call, "has been placed.")
        assert claims_noted(call) == []


async def test_a_new_sentence_is_judged_by_itself_too() -> None:
    async with talk(beside=False) as call:
        await says(call, "Would you like to / You're booked for three.")
        await call.quiet(3_200)
        assert corrections(call) == 1


async def test_the_rest_of_a_corrected_sentence_is_not_corrected_again() -> None:
    async with talk(beside=False) as call:
        await says(call, "I've booked it")
        await call.quiet(4_000)
        await says(call, "for three.")
        await call.quiet(3_200)
        assert corrections(call) == 1


# --- the pure parts ----------------------------------------------------------------------------------------------------------


class Model:
    """The model's voice on an open floor, word by word, with the genuine watch."""

    def __init__(self) -> None:
        floor = Floor(beside=False)
        floor.attend()
        self.voice = ModelVoice("m", floor, ClaimWatch(()))
        self.now_ms = 0.0
        self.outs: list[Out] = []
        self.quiet(800)

    def quiet(self, duration_ms: int) -> None:
        for _ in range(duration_ms // FRAME_MS):
            self.now_ms += FRAME_MS
            self.outs += self.voice.audio(self.now_ms, SILENCE)

    def says(self, piece: str) -> None:
        self.outs += self.voice.text(self.now_ms, piece)
        for _ in range(3):
            self.now_ms += FRAME_MS
            self.outs += self.voice.audio(self.now_ms, SPEECH)

    def claims(self) -> list[Claim]:
        return [out.claim for out in self.outs if isinstance(out, Claimed)]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([text for text, _ in CLAIMS]), st.integers(1, 12), st.integers(1, 30))
def test_wherever_the_model_halts_or_breaks_a_word_a_claim_is_met(text: str, halts_after: int, breaks_at: int) -> None:
    model = Model()
    for number, word in enumerate(text.split()):
        if number == halts_after:
            model.quiet(800)
        at = breaks_at % len(word)
        for place, piece in enumerate(filter(None, (word[:at], word[at:]))):
            model.says(f" {piece}" if place == 0 else piece)
    model.quiet(800)
    assert model.claims()


def test_held_back_and_let_go_the_same_claim_is_met_a_second_time() -> None:
    watch = ClaimWatch(())
    for _ in range(2):
        watch.begins()
        assert watch.heard("You're booked for three.", final=True) is not None


def test_a_claim_may_begin_in_what_was_said_before() -> None:
    watch = ClaimWatch(())
    watch.begins("Your order ")
    assert watch.heard("has been placed", final=True) == Claim("Your order has been placed", "create")
    assert watch.heard("has been placed", final=True) is None
    watch.begins("Your order has been placed. ")
    assert watch.heard("What else?", final=True) is None


def test_what_is_left_of_a_text_is_its_unfinished_sentence() -> None:
    cases = {
        "Sure. Your order": "Your order",
        "Your order is placed.": "",
        "Is it?": "",
        "Your order...": "Your order...",
        "Come at 10 a.m.": "Come at 10 a.m.",
        "": "",
    }
    for text, left in cases.items():
        unfinished = Unfinished()
        unfinished.left(1_000, text)
        assert unfinished.take(7_000) == left
        assert unfinished.take(7_000) == "", "once"
        unfinished.left(1_000, text)
        assert unfinished.take(7_001) == ""
        unfinished.left(1_000, text)
        unfinished.forget()
        assert unfinished.take(1_000) == ""
