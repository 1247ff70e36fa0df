"""A model's answer as a lead: forgiving about wrapping and spelling, strict about the result."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue, ValidationError

from control_plane.leads.evidence import grounded, grounded_fields
from nexus.domain.lead import LeadObject, LeadReading
from nexus.domain.session import PrivateTranscript
from nexus.errors import UpstreamError

_TEXTS = ("customer_name", "customer_phone", "core_intent", "call_outcome", "summary")
_ABSENT = frozenset({"null", "none", "n/a", "na", "not provided", "not given", "not said"})


def parse_lead(text: str) -> LeadObject:
    """The lead in an answer, which may be fenced as markdown or wrapped in prose.

    Unknown fields are dropped, missing ones get their defaults, a sentiment beyond the three is neutral.

    Raises:
        UpstreamError: ``model_malformed_call``: there is no JSON object in it, or its fields cannot be a lead's.
    """
    value = _first_object(text)
    if value is None:
        raise UpstreamError("model_malformed_call", "The model's answer holds no JSON object; the lead falls back to what is certain.")
    try:
        return LeadObject.model_validate(_tidied(value))
    except ValidationError as error:
        raise UpstreamError("model_malformed_call", "The model's answer is not a lead; the lead falls back to what is certain.") from error


def parse_reading(text: str, transcript: PrivateTranscript, wanted: Mapping[str, JsonValue]) -> LeadReading:
    """The lead, its evidence and the tenant's fields in an answer, held against the transcript.

    Raises:
        UpstreamError: like ``parse_lead``.
    """
    lead = parse_lead(text)
    value = _first_object(text) or {}
    cited = _citations(value.get("evidence"))
    given = value.get("fields")
    lead, evidence = grounded(lead, cited, transcript)
    fields = grounded_fields(given if isinstance(given, dict) else {}, cited, wanted, transcript)
    return LeadReading(lead=lead, evidence=evidence, fields=fields)


def _citations(value: Any) -> dict[str, int]:
    rows = value if isinstance(value, list) else []
    cited = {str(row.get("field")): row.get("turn") for row in rows if isinstance(row, dict)}
    return {name: turn for name, turn in cited.items() if isinstance(turn, int) and not isinstance(turn, bool)}


def _first_object(text: str) -> Mapping[str, Any] | None:
    decoder = json.JSONDecoder()
    for match in re.finditer(r"\{", text):
        try:
            value, _ = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        return value if isinstance(value, dict) else None
    return None


def _tidied(value: Mapping[str, Any]) -> dict[str, Any]:
    tidy: dict[str, Any] = {name: _text(value[name]) for name in _TEXTS if name in value}
    tidy = {name: text for name, text in tidy.items() if text or name not in ("core_intent", "call_outcome")}
    sentiment = str(value.get("sentiment", "")).strip().lower()
    tidy["sentiment"] = sentiment if sentiment in ("positive", "negative") else "neutral"
    topics = value.get("key_topics")
    if isinstance(topics, str):
        topics = topics.split(",")
    tidy["key_topics"] = tuple(_text(topic) for topic in topics if _text(topic)) if isinstance(topics, list) else ()
    follow_up = value.get("follow_up_required", False)
    tidy["follow_up_required"] = follow_up.strip().lower() in ("true", "yes") if isinstance(follow_up, str) else follow_up is True
    return tidy


def _text(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return "" if value.strip().lower() in _ABSENT else value.strip()
    return value
