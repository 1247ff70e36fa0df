"""Leads as a CSV file for spreadsheets and other systems. Pure.

**Source:** RFC 4180; OWASP CSV Injection: a text cell that a spreadsheet would take for a formula gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence

from control_plane.services.leads import TrackedLead
from nexus.clock import instant
from nexus.domain.lead import ExtraField

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_PHONE = re.compile(r"\+[0-9]{5,15}")
_COLUMNS = (
    "lead_id",
    "session_id",
    "call_started_at",
    "lead_status",
    "analysis_status",
    "customer_name",
    "customer_phone",
    "core_intent",
    "sentiment",
    "call_outcome",
    "key_topics",
    "follow_up_required",
    "summary",
)


def leads_csv(leads: Sequence[TrackedLead]) -> str:
    """One header, one line a lead; the tenant's own fields follow as ``field.<name>``, in the order of their names."""
    further = sorted({one.name for lead in leads for one in lead.analysis.fields})
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*_COLUMNS, *(f"field.{name}" for name in further)])
    writer.writerows([*_cells(lead), *_further(lead.analysis.fields, further)] for lead in leads)
    return text.getvalue()


def _cells(tracked: TrackedLead) -> Iterator[str]:
    analysis, lead = tracked.analysis, tracked.analysis.lead
    yield from (analysis.lead_id, analysis.call_id, instant(analysis.call_started_at), tracked.status.value, analysis.status)
    yield from (_safe(lead.customer_name), _safe(lead.customer_phone), _safe(lead.core_intent), lead.sentiment, _safe(lead.call_outcome))
    yield from (_safe(", ".join(lead.key_topics)), "true" if lead.follow_up_required else "false", _safe(lead.summary))


def _further(fields: Iterable[ExtraField], names: Sequence[str]) -> Iterator[str]:
    values = {one.name: one.value for one in fields}
    for name in names:
        value = values.get(name)
        yield "" if value is None else _safe(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _safe(text: str) -> str:
    """A telephone number in international form is left as it is: it holds nothing that could be run."""
    return f"'{text}" if text.startswith(_FORMULA) and not _PHONE.fullmatch(text) else text
