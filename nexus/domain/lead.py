"""What a call was worth: the analysis made after it, a versioned object beside the immutable record."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from nexus.domain.call import Value

Sentiment = Literal["positive", "neutral", "negative"]


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


class Analysis(Value):
    """One reading of one call. ``status`` is ``fallback`` when the model failed and the lead holds only what is certain."""

    schema_version: int = 1
    call_id: str
    tenant_id: str
    lead_id: str
    created_at: datetime
    call_started_at: datetime
    model: str
    status: Literal["done", "fallback"] = "done"
    error: str = ""
    lead: LeadObject = Field(default_factory=LeadObject)
