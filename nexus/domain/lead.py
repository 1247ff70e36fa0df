"""What a call was worth: the analysis made after it, a versioned object beside the immutable record."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field, JsonValue

from nexus.domain.call import Value

Sentiment = Literal["positive", "neutral", "negative"]
EvidenceSource = Literal["turn", "tool", "caller_id", "whole_call"]


class LeadStatus(StrEnum):
    """Where a person stands with a lead: a closed list. What a model reads never changes it."""

    NEW = "new"
    CONTACTED = "contacted"
    QUALIFIED = "qualified"
    WON = "won"
    LOST = "lost"
    DISMISSED = "dismissed"


class LeadObject(Value):
    """The original's lead, field for field. Empty strings mean: not said."""

    customer_name: str = ""
    customer_phone: str = ""
    core_intent: str = "unknown"
    sentiment: Sentiment = "neutral"
    call_outcome: str = "unknown"
    key_topics: tuple[str, ...] = ()
    follow_up_required: bool = False
    summary: str = ""


class Evidence(Value):
    """Where a value comes from. ``turn`` is the index of the turn in the record; None for the line's own knowledge (``caller_id``) and
    for a judgement of the whole call."""

    field: str
    turn: int | None = None
    source: EvidenceSource = "turn"


class ExtraField(Value):
    """A field that the tenant asked for, with the turn it comes from."""

    name: str
    value: JsonValue
    evidence_turn: int | None = None


class LeadReading(Value):
    """What a model read out of a call: the lead, where each filled field of it comes from, and the tenant's own fields."""

    lead: LeadObject = LeadObject()
    evidence: tuple[Evidence, ...] = ()
    fields: tuple[ExtraField, ...] = ()


class Analysis(Value):
    """One reading of one call. ``status`` is ``fallback`` when the model failed and the lead holds only what is certain.

    ``reading`` counts how often the call has been read: a newer reading replaces an older one. ``created_at`` is when it was done,
    ``started_at`` when it was begun (None: the first release did not keep it).
    """

    schema_version: int = 1
    call_id: str
    tenant_id: str
    lead_id: str
    created_at: datetime
    started_at: datetime | None = None
    call_started_at: datetime
    model: str
    status: Literal["done", "fallback"] = "done"
    error: str = ""
    lead: LeadObject = Field(default_factory=LeadObject)
    reading: int = 1
    evidence: tuple[Evidence, ...] = ()
    fields: tuple[ExtraField, ...] = ()
