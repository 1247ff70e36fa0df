"""Where each value of a lead comes from: a model's citations are checked against the transcript, and what nobody said is dropped. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from nexus.domain.lead import Evidence, ExtraField, LeadObject
from nexus.domain.lead_fields import fits
from nexus.domain.session import PrivateTranscript

_FACTS = ("customer_name", "customer_phone")
_JUDGEMENTS = ("core_intent", "sentiment", "call_outcome", "key_topics", "follow_up_required", "summary")
_EMPTY = ("", "unknown", ())
_SHORTEST_PHONE = 6


def grounded(lead: LeadObject, cited: Mapping[str, int], transcript: PrivateTranscript) -> tuple[LeadObject, tuple[Evidence, ...]]:
    """The lead with a source for each filled field.

    A name or a number that no turn, no tool and no caller id shows is taken out: a model made it up. A judgement without a turn of its
    own is one of the whole call.

    Args:
        cited: the turn that the model names for each field; a turn that does not exist counts as none.
    """
    turns = {turn.i for turn in transcript.turns}
    evidence: list[Evidence] = []
    dropped: dict[str, str] = {}
    for name in _FACTS:
        value = getattr(lead, name)
        found = _fact(name, value, cited.get(name), turns, transcript) if value else None
        if found is not None:
            evidence.append(found)
        elif value:
            dropped[name] = ""
    for name in _JUDGEMENTS:
        if getattr(lead, name) in _EMPTY:
            continue
        turn = cited.get(name)
        source = Evidence(field=name, turn=turn) if turn in turns else Evidence(field=name, source="whole_call")
        evidence.append(source)
    return lead.model_copy(update=dropped), tuple(evidence)


def grounded_fields(
    values: Mapping[str, JsonValue], cited: Mapping[str, int], wanted: Mapping[str, JsonValue], transcript: PrivateTranscript
) -> tuple[ExtraField, ...]:
    """The tenant's fields that fit their schema and have a turn: the one cited, or one that shows the value."""
    turns = {turn.i for turn in transcript.turns}
    return tuple(_extra(values, cited, wanted, turns, transcript))


def _extra(
    values: Mapping[str, JsonValue],
    cited: Mapping[str, int],
    wanted: Mapping[str, JsonValue],
    turns: set[int],
    transcript: PrivateTranscript,
) -> Iterator[ExtraField]:
    for name, schema in wanted.items():
        value = values.get(name)
        if value is None or not fits(schema, value):
            continue
        shown = cited.get(name)
        turn = shown if shown in turns else _shown_in(str(value), transcript)
        if turn is not None:
            yield ExtraField(name=name, value=value, evidence_turn=turn)


def _fact(name: str, value: str, cited: int | None, turns: set[int], transcript: PrivateTranscript) -> Evidence | None:
    if cited in turns:
        return Evidence(field=name, turn=cited)
    said = _said_in(value, transcript)
    if said is not None:
        return Evidence(field=name, turn=said)
    used = _used_in(value, transcript)
    if used is not None:
        return Evidence(field=name, turn=used, source="tool")
    if _digits(value) and _digits(value) == _digits(transcript.caller_phone):
        return Evidence(field=name, source="caller_id")
    return None


def _shown_in(value: str, transcript: PrivateTranscript) -> int | None:
    said = _said_in(value, transcript)
    return _used_in(value, transcript) if said is None else said


def _said_in(value: str, transcript: PrivateTranscript) -> int | None:
    return next((turn.i for turn in transcript.turns if turn.role == "caller" and _holds(turn.text, value)), None)


def _used_in(value: str, transcript: PrivateTranscript) -> int | None:
    uses = (use for use in reversed(transcript.tools) if any(_holds(str(given), value) for given in use.arguments.values()))
    return next((use.turn for use in uses), None)


def _holds(text: str, value: str) -> bool:
    digits = _digits(value)
    if len(digits) >= _SHORTEST_PHONE and len(digits) > len(value) / 2:
        return digits in _digits(text)
    return re.search(rf"(?<!\w){re.escape(value.strip())}(?!\w)", text, re.IGNORECASE) is not None


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)
