"""The watch on false confirmations: what it hears as a claim, when, what covers one, and details that are not so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_plane.engines.duplex.claims import Claim, ClaimWatch, kinds_of_tool
from media_plane.ports.tools import ToolSpec
from tests.growth import grows_in_proportion
from tests.unit.media_plane.engines.duplex.claims_corpus import CLAIMS, NO_CLAIMS

HELD_OUT = Path(__file__).parents[5] / "tests/golden/claims/held_out.txt"
LEAST_RECALL, LEAST_PRECISION = 0.95, 0.97
BOOKED = "You are booked: haircut for Dana on Tuesday, November 24 at 3:00 PM."


def tool(name: str, description: str = "", effect: Literal["read", "write"] = "write") -> ToolSpec:
    return ToolSpec(name, description, {"type": "object", "properties": {}}, effect)


BOOK, CANCEL, MOVE = tool("book_appointment"), tool("cancel_appointment"), tool("reschedule_appointment")
SMS, NOTE, LOOK = tool("send_sms"), tool("take_message"), tool("check_availability", effect="read")
SHOP = (LOOK, BOOK, CANCEL, MOVE, SMS, NOTE)


def grown(watch: ClaimWatch, text: str) -> tuple[Claim | None, int]:
    """The claim met while the text grows word by word, and after how many words."""
    words = text.split()
    for i in range(1, len(words) + 1):
        if claim := watch.heard(" ".join(words[:i]) + (" " if i < len(words) else "")):
            return claim, i
    return watch.heard(text, final=True), len(words)


def booked(*tools: ToolSpec) -> ClaimWatch:
    watch = ClaimWatch(tools or SHOP)
    watch.done("book_appointment", BOOKED)
    return watch


# --- what is a claim ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "kind"), CLAIMS)
def test_claims_are_heard_and_their_kind_told(text: str, kind: str) -> None:
    claim, _ = grown(ClaimWatch(()), text)
    assert claim is not None
    assert claim.kind == kind


@pytest.mark.parametrize("text", NO_CLAIMS)
def test_nothing_else_is_a_claim_at_any_length(text: str) -> None:
    watch = ClaimWatch(())
    for end in range(1, len(text) + 1):
        assert watch.heard(text[:end]) is None, text[:end]
    assert watch.heard(text, final=True) is None


def test_the_corpora_are_large_and_without_doubles() -> None:
    claims = [text for text, _ in CLAIMS]
    assert len(set(claims)) == len(claims) >= 120
    assert len(set(NO_CLAIMS)) == len(NO_CLAIMS) >= 120
    assert not set(claims) & set(NO_CLAIMS)


def test_the_held_out_sentences_are_told_apart(record_property: Callable[[str, object], None]) -> None:
    """These were written before the rules and are never used to tune them."""
    lines = HELD_OUT.read_text().splitlines()
    claims, others = ([line[2:] for line in lines if line.startswith(mark)] for mark in ("+ ", "- "))
    assert min(len(claims), len(others)) >= 60
    caught = sum(grown(ClaimWatch(()), text)[0] is not None for text in claims)
    false = sum(grown(ClaimWatch(()), text)[0] is not None for text in others)
    recall, precision = caught / len(claims), caught / (caught + false)
    record_property("recall", recall)
    record_property("precision", precision)
    sys.stdout.write(f"held-out claims: recall {recall:.3f} of {len(claims)}, precision {precision:.3f} ({false} false of {len(others)})\n")
    assert recall >= LEAST_RECALL
    assert precision >= LEAST_PRECISION


@pytest.mark.parametrize("text", [text.lower().rstrip(".!") for text, kind in CLAIMS if len(text.split()) > 3])
def test_without_capitals_and_stops_a_claim_is_still_heard(text: str) -> None:
    assert grown(ClaimWatch(()), text)[0] is not None


@pytest.mark.parametrize("text", [text for text, _ in CLAIMS[:60:5]])
@pytest.mark.parametrize("before", ["Great. ", "Okay, so ", "Let me see. Tuesday. ", "Would you like that? ", "If you like, sure. Okay. "])
def test_other_sentences_before_do_not_hide_it(before: str, text: str) -> None:
    assert grown(ClaimWatch(()), before + text[0].lower() + text[1:])[0] is not None


@pytest.mark.parametrize(
    "text", [text for text, _ in CLAIMS if text.startswith(("You're ", "I've ", "Your ", "It's ")) and " as " not in text]
)
@pytest.mark.parametrize("before", ["If ", "Once ", "I don't think ", "He said that ", "As soon as ", "Let me know when "])
def test_a_condition_a_denial_or_somebody_else_before_takes_it_back(before: str, text: str) -> None:
    assert grown(ClaimWatch(()), before + text[0].lower() + text[1:])[0] is None


def test_it_is_told_as_early_as_it_is_certain() -> None:
    assert grown(ClaimWatch(()), "You're booked for three on Tuesday with Joe.")[1] == 3
    assert grown(ClaimWatch(()), "I've cancelled that for you, no problem.")[1] == 3
    assert grown(ClaimWatch(()), "Okay great, your appointment is confirmed for Friday.")[1] == 7


def test_a_growing_word_or_a_coming_condition_is_waited_for() -> None:
    watch = ClaimWatch(())
    for text in ("You're all", "You're all set", "You're all set as", "You're all set as so", "You're all set as soon as"):
        assert watch.heard(text) is None
    watch.refresh()
    assert watch.heard("I've book") is None
    assert watch.heard("I've booked") is None
    assert watch.heard("I've booked", final=True) == Claim("I've booked", "create")


@given(st.sampled_from(CLAIMS), st.integers(1, 7))
def test_the_size_of_the_pieces_makes_no_difference(case: tuple[str, str], size: int) -> None:
    text, _ = case
    watch, claims = ClaimWatch(()), []
    for end in [*range(size, len(text), size), len(text)]:
        claims.append(watch.heard(text[:end], final=end == len(text)))
    assert len([claim for claim in claims if claim is not None]) == 1


@given(st.text(max_size=120))
def test_any_text_is_borne(text: str) -> None:
    watch = booked()
    watch.heard(text)
    watch.heard(text, final=True)


def test_a_long_sentence_without_a_clause_is_looked_through_once() -> None:
    """A sidecar's text may have 8,000 characters, and the watch stands on the event loop: it took two seconds, once."""
    assert grows_in_proportion(lambda size: booked().heard("a " * (size // 2) + "you are booked on Tuesday at three. ", final=True), 8_000)


# --- items and turns ---------------------------------------------------------------------------------------------------------


def test_a_claim_is_given_once_an_item() -> None:
    watch = ClaimWatch(SHOP)
    assert watch.heard("You're booked for three") is not None
    assert watch.heard("You're booked for three. I've sent you a text.") is None
    assert watch.heard("I've sent you a text.", final=True) == Claim("I've sent you a text.", "send")


def test_the_same_words_in_a_new_turn_are_a_new_claim() -> None:
    watch = ClaimWatch(SHOP)
    assert watch.heard("All done.", final=True) is not None
    watch.refresh()
    assert watch.heard("All done.", final=True) is not None


def test_the_words_of_the_claim_are_told() -> None:
    claim, _ = grown(ClaimWatch(SHOP), "Sure thing! I’ve moved it to Friday for you.")
    assert claim == Claim("I’ve moved it to", "change")


# --- what covers one ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "You're booked for three.",
        "I've booked that.",
        "You're all set.",
        "Done!",
        "See you on Tuesday.",
        "Your appointment is confirmed.",
        "I've noted that.",
    ],
)
def test_a_success_covers_what_it_brought_about(text: str) -> None:
    assert grown(booked(), text)[0] is None


@pytest.mark.parametrize(("text", "kind"), [("I've cancelled that.", "cancel"), ("I've sent you a text.", "send")])
def test_a_success_of_another_kind_does_not(text: str, kind: str) -> None:
    claim, _ = grown(booked(), text)
    assert claim is not None
    assert claim.kind == kind


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cancel_appointment", "I've cancelled that."),
        ("reschedule_appointment", "I've moved it to Friday."),
        ("reschedule_appointment", "You're booked for Friday now."),
        ("send_sms", "I've sent you a text."),
        ("take_message", "I've noted that down."),
        ("take_message", "I've passed your message on."),
    ],
)
def test_each_kind_covers_its_own(name: str, text: str) -> None:
    watch = ClaimWatch(SHOP)
    assert grown(watch, text)[0] is not None
    watch.refresh()
    watch.done(name, "Done.")
    assert grown(watch, text)[0] is None


def test_a_look_up_covers_nothing() -> None:
    watch = ClaimWatch(SHOP)
    watch.done("check_availability", "Yes, Tuesday at 3:00 PM is free.")
    assert grown(watch, "You're booked for three.")[0] is not None


@pytest.mark.parametrize("output", ["That time is taken.", "We cannot book on Mondays.", '{"ok": false}', '{"error": "full"}', "false"])
def test_an_output_that_refuses_covers_nothing(output: str) -> None:
    watch = ClaimWatch(SHOP)
    watch.done("book_appointment", output)
    assert grown(watch, "You're booked for three.")[0] is not None


@pytest.mark.parametrize("output", ["You are booked. It cannot be cancelled later.", "Order 7: two pizzas.", '{"ok": true}', "true", ""])
def test_an_output_that_only_sounds_so_covers(output: str) -> None:
    watch = ClaimWatch(SHOP)
    watch.done("book_appointment", output)
    assert grown(watch, "You're booked.")[0] is None


def test_a_tool_of_unknown_kind_covers_every_kind() -> None:
    watch = ClaimWatch((tool("frobnicate", "Does it."),))
    watch.done("frobnicate", "ok")
    for text in ("You're booked for three.", "I've cancelled that.", "I've sent you a text.", "I've noted that."):
        assert grown(watch, text)[0] is None


def test_a_booking_that_sent_a_text_covers_both() -> None:
    watch = ClaimWatch(SHOP)
    watch.done("book_appointment", "Booked. A text message was sent to the caller.")
    assert grown(watch, "You're booked, and I've sent you a text.")[0] is None


def test_after_a_new_request_an_old_success_of_another_kind_does_not_cover() -> None:
    watch = booked()
    assert grown(watch, "I've moved it to three.")[0] is None  # the booking just made may well be called so
    watch.refresh("Could you move it to Friday?")
    assert grown(watch, "Sure. I've moved it.")[0] is not None
    watch.refresh("So am I booked?")
    assert grown(watch, "Yes, you're booked for three.")[0] is None


def test_a_bare_done_after_a_new_request_needs_a_new_success() -> None:
    watch = booked()
    watch.refresh("Great, thanks!")
    assert grown(watch, "You're all set.")[0] is None
    watch.refresh("Can you text me the address, please?")
    assert grown(watch, "Done!")[0] == Claim("Done!", "done")
    watch.refresh()
    watch.done("send_sms", "Sent.")
    assert grown(watch, "Done!")[0] is None


def test_without_write_tools_every_claim_is_false() -> None:
    for tools in ((), (LOOK,)):
        watch = ClaimWatch(tools)
        watch.done("check_availability", "Yes.")
        watch.done("book_appointment", "Booked.")
        assert grown(watch, "You're booked for three.")[0] is not None


@pytest.mark.parametrize(
    ("spec", "kinds"),
    [
        (BOOK, {"create"}),
        (CANCEL, {"cancel"}),
        (MOVE, {"change"}),
        (SMS, {"send"}),
        (NOTE, {"note"}),
        (tool("place_order"), {"create"}),
        (tool("make_reservation"), {"create"}),
        (tool("updateBooking"), {"change", "create"}),
        (tool("do_it", "Cancel a booking that the caller has made."), {"cancel", "create"}),
        (tool("zap", "Zap."), {"create", "cancel", "change", "send", "note"}),
    ],
)
def test_kinds_are_read_off_names_and_descriptions(spec: ToolSpec, kinds: set[str]) -> None:
    assert kinds_of_tool(spec) == kinds


# --- details -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "You're booked for four o'clock.",
        "You're booked on Tuesday at 4 PM.",
        "You're booked for Wednesday at three.",
        "You're booked at half past three.",
        "you're booked for three thirty on tuesday okay",
        "Your appointment is confirmed for 2:30.",
        "You're all set for Friday.",
        "We'll see you on Monday at three.",
        "You're booked at quarter to four.",
    ],
)
def test_a_time_or_day_that_the_tool_contradicts_is_a_claim(text: str) -> None:
    claim, _ = grown(booked(), text)
    assert claim is not None
    assert claim.kind == "detail"


@pytest.mark.parametrize(
    "text",
    [
        "You're booked for three o'clock.",
        "You're booked for Tuesday at 3 p.m. with Joe.",
        "You're booked for Tuesday, the twenty fourth, at three.",
        "You're booked. Please come at ten to three. We close at six.",
        "You're booked for 15:00.",
        "You're booked for a haircut, that's one of our best.",
        "You're all set, it takes thirty minutes and costs thirty dollars.",
        "You're booked for three, we're at 12 Mill Street.",
    ],
)
def test_true_details_and_other_numbers_are_none(text: str) -> None:
    assert grown(booked(), text)[0] is None


def test_prices_and_dates_are_held_against_output_and_arguments() -> None:
    watch = ClaimWatch((tool("place_order"),))
    watch.done("place_order", "Order 1001: 1 large pepperoni, 17 dollars.", {"day": "2026-11-24"})
    assert grown(watch, "Your order is placed, that's seventeen dollars.")[0] is None
    watch.refresh()
    assert grown(watch, "Your order is placed, that's nineteen dollars.")[0] == Claim(
        "Your order is placed, that's nineteen dollars.", "detail"
    )
    watch.refresh()
    claim, _ = grown(watch, "Your order is placed for Thursday.")
    assert claim is not None
    assert claim.kind == "detail"


def test_a_number_of_guests_is_no_time() -> None:
    watch = ClaimWatch((tool("make_reservation"),))
    watch.done("make_reservation", "Your table for 4 is reserved for Dana on Tuesday at 7:00 PM.")
    assert grown(watch, "Your table for four is reserved for seven.")[0] is None
    watch.refresh()
    assert grown(watch, "You're booked for four on Tuesday at seven.")[0] is None
    watch.refresh()
    assert grown(watch, "You're booked for four on Tuesday at eight o'clock.")[0] is not None
    watch.refresh()
    assert grown(watch, "You're booked for Tuesday at four thirty.")[0] is not None


def test_what_the_tool_does_not_name_is_not_judged() -> None:
    watch = ClaimWatch(SHOP)
    watch.done("book_appointment", '{"ok": true, "id": "A17"}')
    assert grown(watch, "You're booked for four on Friday, that's forty dollars.")[0] is None


def test_json_outputs_with_times_are_read() -> None:
    watch = ClaimWatch(SHOP)
    watch.done("book_appointment", '{"start": "2026-11-24T15:00:00", "ok": true}')
    assert grown(watch, "You're booked for Tuesday at three.")[0] is None
    watch.refresh()
    assert grown(watch, "You're booked for Tuesday at five.")[0] is not None
