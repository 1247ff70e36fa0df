"""Every value cites where it comes from, and what nobody said is dropped."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from pydantic import JsonValue

from control_plane.leads.evidence import grounded, grounded_fields
from control_plane.leads.parsing import parse_reading
from nexus.domain.lead import Evidence, ExtraField, LeadObject
from nexus.domain.session import PrivateTranscript, ToolUse, Turn

WANTED: dict[str, JsonValue] = {"party_size": {"type": "integer", "minimum": 1}, "time": {"type": "string"}}


def said(i: int, role: str, text: str) -> Turn:
    return Turn.model_validate({"i": i, "role": role, "start_ms": i, "end_ms": i + 1, "text": text, "heard_text": text})


CALL = PrivateTranscript(
    call_id="call_x",
    tenant_id="demo",
    caller_phone="+493055501234",
    turns=(
        said(0, "agent", "Hello, this is Ben speaking."),
        said(1, "caller", "I'm Dana, a table please. My number is 030 5550 99 88."),
        said(2, "caller", "At half past seven."),
    ),
    tools=(ToolUse(request_id="r", effect_id="e", name="book_table", turn=2, arguments={"party_size": 4, "time": "19:30"}, status="done"),),
    delete_after=datetime(2027, 1, 1, tzinfo=UTC),
)


def evidence_of(lead: LeadObject, **cited: int) -> dict[str, tuple[int | None, str]]:
    return {one.field: (one.turn, one.source) for one in grounded(lead, cited, CALL)[1]}


def test_a_cited_turn_counts_and_one_that_is_not_there_does_not() -> None:
    lead = LeadObject(customer_name="Dana", summary="A table was booked.")
    assert evidence_of(lead, customer_name=2)["customer_name"] == (2, "turn")
    assert evidence_of(lead, customer_name=77, summary=99) == {
        "customer_name": (1, "turn"),
        "sentiment": (None, "whole_call"),
        "follow_up_required": (None, "whole_call"),
        "summary": (None, "whole_call"),
    }


def test_a_name_and_a_number_that_nobody_gave_are_taken_out() -> None:
    lead, evidence = grounded(LeadObject(customer_name="Ben", customer_phone="+1 212 555 0000"), {}, CALL)
    assert (lead.customer_name, lead.customer_phone) == ("", "")
    assert not {"customer_name", "customer_phone"} & {one.field for one in evidence}


def test_where_numbers_come_from() -> None:
    assert evidence_of(LeadObject(customer_phone="030 55509988"))["customer_phone"] == (1, "turn")
    assert evidence_of(LeadObject(customer_phone="+49 30 5550 1234"))["customer_phone"] == (None, "caller_id")
    assert evidence_of(LeadObject(customer_name="19:30"))["customer_name"] == (2, "tool")


def test_tenants_fields_fit_their_schema_and_have_a_turn() -> None:
    given: dict[str, JsonValue] = {"party_size": 4, "time": "19:30", "colour": "blue"}
    assert grounded_fields(given, {"time": 2}, WANTED, CALL) == (
        ExtraField(name="party_size", value=4, evidence_turn=2),
        ExtraField(name="time", value="19:30", evidence_turn=2),
    )
    assert grounded_fields({"party_size": 0, "time": None}, {"party_size": 1, "time": 1}, WANTED, CALL) == ()
    assert grounded_fields({"party_size": 9}, {}, WANTED, CALL) == (), "nothing shows nine"
    assert grounded_fields({"party_size": 9}, {"party_size": 1}, WANTED, CALL)[0].evidence_turn == 1


def test_an_answer_of_a_model_is_held_against_the_call() -> None:
    answer = {
        "customer_name": "Dana",
        "customer_phone": "+15550000000",
        "call_outcome": "booking_made",
        "evidence": [{"field": "customer_name", "turn": 1}, {"field": "call_outcome", "turn": 2}, {"field": "x", "turn": "1"}, "junk"],
        "fields": {"party_size": 4},
    }
    reading = parse_reading(json.dumps(answer), CALL, WANTED)
    assert (reading.lead.customer_name, reading.lead.customer_phone) == ("Dana", "")
    assert Evidence(field="call_outcome", turn=2) in reading.evidence
    assert reading.fields == (ExtraField(name="party_size", value=4, evidence_turn=2),)
