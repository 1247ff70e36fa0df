"""A model's answer becomes a lead or our own error, whatever it is wrapped in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.leads.parsing import parse_lead
from nexus.domain.lead import LeadObject
from nexus.errors import UpstreamError

FULL = {
    "customer_name": "Dana",
    "customer_phone": "+12125550123",
    "core_intent": "booking",
    "sentiment": "positive",
    "call_outcome": "booking_made",
    "key_topics": ["haircut"],
    "follow_up_required": True,
    "summary": "Booked.",
}
LEAD = LeadObject.model_validate({**FULL, "key_topics": ("haircut",)})


@pytest.mark.parametrize("wrap", ["{}", "```json\n{}\n```", "```\n{}```", "Here is the form:\n{}\nAnything else?"])
def test_wrapping_does_not_matter(wrap: str) -> None:
    assert parse_lead(wrap.replace("{}", json.dumps(FULL))) == LEAD


def test_missing_unknown_and_null_fields() -> None:
    lead = parse_lead('{"customer_name": null, "call_outcome": "N/A", "mood": 3, "sentiment": "HAPPY", "key_topics": "a, b"}')
    assert lead == LeadObject(key_topics=("a", "b"))


@pytest.mark.parametrize(("value", "expected"), [("Yes", True), ("no", False), (True, True), (None, False), (1, False)])
def test_follow_up_is_a_plain_truth(value: object, expected: bool) -> None:
    assert parse_lead(json.dumps({"follow_up_required": value})).follow_up_required is expected


def test_a_phone_number_given_as_a_number() -> None:
    assert parse_lead('{"customer_phone": 2125550123}').customer_phone == "2125550123"


@pytest.mark.parametrize("text", ["", "no form", "[1, 2]", "{broken", '{"summary": {"a": 1}}', "```json\n```"])
def test_what_is_no_lead_is_our_error(text: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        parse_lead(text)
    assert caught.value.code == "model_malformed_call"


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=9), lambda part: st.lists(part, max_size=3), max_leaves=5)


@given(st.dictionaries(st.sampled_from(sorted(FULL)) | st.text(max_size=5), JSON))
def test_any_object_is_a_lead_or_our_error(value: dict[str, object]) -> None:
    try:
        lead = parse_lead(json.dumps(value))
    except UpstreamError:
        return
    assert lead.sentiment in ("positive", "neutral", "negative")


@given(st.text(max_size=80))
def test_any_text_is_a_lead_or_our_error(text: str) -> None:
    try:
        parse_lead(text)
    except UpstreamError as error:
        assert error.code == "model_malformed_call"
