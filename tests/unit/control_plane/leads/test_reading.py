"""The lead read by rules, and the prompt for the models that read it better."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from control_plane.leads.prompt import LONGEST_TRANSCRIPT_CHARS, lead_prompt
from control_plane.leads.reading import read_lead
from nexus.domain.session import PrivateTranscript, ToolStatus, ToolUse, Turn


def turn(i: int, role: Literal["caller", "agent"], text: str, **more: Any) -> Turn:
    return Turn(i=i, role=role, start_ms=i, end_ms=i + 1, text=text, heard_text=more.pop("heard_text", text), **more)


def use(name: str, status: ToolStatus = "done", output: str = "Booked.", at: int = 1, **arguments: Any) -> ToolUse:
    return ToolUse(request_id=f"r{at}", effect_id=f"e{at}", name=name, turn=at, arguments=arguments, output=output, status=status)


def call(*lines: str, tools: tuple[ToolUse, ...] = (), phone: str = "") -> PrivateTranscript:
    turns = tuple(turn(i, "agent" if i % 2 == 0 else "caller", text) for i, text in enumerate(lines))
    return PrivateTranscript(
        call_id="call_x", tenant_id="demo_shop", caller_phone=phone, turns=turns, tools=tools, delete_after=datetime(2027, 1, 1, tzinfo=UTC)
    )


BOOKING = use("book_appointment", service="beard_trim", date="2026-11-22", time="10:30", customer_name="Dana", phone="+12125550123")


def test_a_booking_is_read_from_the_tool() -> None:
    lead = read_lead(call("Hello!", "Book me in, I'm Bob.", "Done.", "Thank you, perfect!", tools=(BOOKING,)))
    assert (lead.customer_name, lead.customer_phone) == ("Dana", "+12125550123")
    assert (lead.core_intent, lead.call_outcome, lead.sentiment) == ("booking", "booking_made", "positive")
    assert lead.key_topics == ("beard trim",)
    assert not lead.follow_up_required
    assert lead.summary == "Dana called about: booking. A booking was made (service beard trim, date 2026-11-22, time 10:30)."


def test_without_tools_the_callers_words_are_read() -> None:
    lead = read_lead(call("Hello!", "My name is Alex Stone, my number is 212 555 0199. How much is a haircut?", "It is $25."))
    assert (lead.customer_name, lead.customer_phone) == ("Alex Stone", "212 555 0199")
    assert (lead.core_intent, lead.call_outcome) == ("price question", "information_given")


@pytest.mark.parametrize(
    ("tools", "outcome"),
    [
        ((use("place_order", items=["a"]),), "order_placed"),
        ((use("register_pet", pet_name="Rex"),), "request_completed"),
        ((use("check_availability", output="Free: 10."),), "information_given"),
        ((use("book_appointment", status="failed", output="no"),), "request_failed"),
        ((use("book_appointment", output="10:30 is already taken."),), "request_failed"),
        ((use("book_appointment", status="failed", output="no"), BOOKING), "booking_made"),
    ],
)
def test_the_outcome_follows_from_the_tools(tools: tuple[ToolUse, ...], outcome: str) -> None:
    assert read_lead(call("Hello!", "Hi", "Well.", "Bye", tools=tools)).call_outcome == outcome


def test_a_silent_caller_abandoned_the_call() -> None:
    lead = read_lead(call("Hello!", phone="+12125550123"))
    assert (lead.call_outcome, lead.core_intent, lead.customer_phone) == ("abandoned", "unknown", "+12125550123")
    assert lead.summary == "The caller called and did not say why. The call ended before anything was settled."


def test_an_unhappy_caller_who_wants_a_call_back() -> None:
    lead = read_lead(call("Hello!", "This is terrible, I want to complain. Thank you. Please call me back.", "I see."))
    assert (lead.sentiment, lead.follow_up_required) == ("negative", True)
    assert "complaint" in lead.key_topics


def test_an_unknown_outcome_needs_somebody_to_look() -> None:
    assert read_lead(call("Hi", "Book me", tools=(use("book_appointment", status="unknown", output=""),))).follow_up_required


def test_the_prompt_shows_only_what_was_heard_with_tools_in_place() -> None:
    transcript = call("Hello!", "Hi", "Booked now.", tools=(BOOKING, use("late_tool", at=99)), phone="+12125550123")
    transcript = transcript.model_copy(
        update={"turns": (*transcript.turns, turn(4, "agent", "A long story", heard_text="A long", interrupted=True))}
    )
    lines = lead_prompt(transcript).split("\n")
    assert lines[0] == "Caller's number: +12125550123"
    assert lines[5].startswith("[tool book_appointment(")
    assert lines.index("[1] Caller: Hi") == 4
    assert "[4] Agent: A long [interrupted]" in lines
    assert lines[-1].startswith("[tool late_tool(")


def test_a_very_long_call_keeps_its_beginning_and_its_end() -> None:
    prompt = lead_prompt(call("Hello!", "word " * 30_000, "The end."))
    assert len(prompt) < LONGEST_TRANSCRIPT_CHARS + 20
    assert "Hello!" in prompt
    assert prompt.endswith("The end.")
