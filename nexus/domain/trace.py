"""The trace of a call: its id and the ids of its spans follow from the call's id, so nobody has to pass them on.

**Source:** W3C Trace Context, "trace-id" and "parent-id" (16 and 8 bytes, not all zero); AWS X-Ray Developer Guide, "Trace IDs" (the first
32 bits are the time in seconds). One id serves both.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Literal

from nexus.domain.ids import made_at_ms

SpanKind = Literal["internal", "server", "consumer"]
Service = Literal["nexus-api", "nexus-media", "nexus-after-call"]
"""Which part of the product a span's time was spent in."""
AttributeValue = str | int | float | bool
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]{0,127}")


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of a call's time.

    Attributes:
        span_id, parent_id: 16 hex digits; the root's ``parent_id`` is empty.
        attributes: ids, words from closed lists, counts and durations; nothing that anybody said, typed or is called by.
        error: the code of what went wrong; empty: nothing did.
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    service: Service
    start: datetime
    end: datetime
    kind: SpanKind = "internal"
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    error: str = ""


@lru_cache(maxsize=512)
def trace_id_of(call_id: str) -> str:
    """32 hex digits: the second in which the call was ordered, then 96 bits of the id's hash. Never raises: it stands in log lines."""
    second = (made_at_ms(call_id) // 1000) & 0xFFFFFFFF
    return f"{second:08x}{_hash(call_id, 24)}"


def span_id_of(call_id: str, key: str) -> str:
    """16 hex digits. ``key`` names the span within its call (``call``, ``turn/3``)."""
    return _hash(f"{call_id}#{key}", 16)


def word(value: str) -> str:
    """``value`` where it is a word of a program (a code, a tool's name), else empty: no sentence, number or address gets through here."""
    return value if _WORD.fullmatch(value) else ""


def _hash(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
