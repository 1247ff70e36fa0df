"""Spans to AWS X-Ray: what a service begins is a segment, what is inside it a subsegment.

**Source:** AWS X-Ray Developer Guide, "Segment documents" (64 KB each; ids, names, fields) and "Quotas" (a trace 500 KB, 50 annotations).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from nexus.adapters.aws.connection import Connection
from nexus.domain.trace import Span
from nexus.errors import Unavailable

MOST_BYTES = 60_000
"""Of a document."""
MOST_DOCUMENTS = 25
"""In one request."""
_ANNOTATED = (
    "session.id",
    "nexus.tenant.id",
    "nexus.engine",
    "nexus.config.version",
    "nexus.call.end_reason",
    "nexus.lead.id",
    "error.type",
)
"""What traces are found by (``annotation.session_id = "call_..."``); everything else is metadata."""
_NOT_IN_NAMES = re.compile(r"[^\w\s.:/%&#=+\\\-@]")


class XRayTraces:
    """Implements ``TraceSink``. Args: ``connection``: how AWS is asked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def export(self, spans: Sequence[Span]) -> None:
        """See ``TraceSink.export``."""
        told = [*documents(spans)]
        batches = [told[begin : begin + MOST_DOCUMENTS] for begin in range(0, len(told), MOST_DOCUMENTS)]
        refused = sum(await asyncio.gather(*(self._put(batch) for batch in batches)))
        if refused:
            raise Unavailable("store_unavailable", f"X-Ray refused {refused} of {len(told)} documents of a trace.")

    async def _put(self, batch: list[str]) -> int:
        """How many of them X-Ray did not take."""
        answer = await self._connection.send(lambda: self._connection.client("xray").put_trace_segments(TraceSegmentDocuments=batch))
        return len(answer.get("UnprocessedTraceSegments", ()))


def xray_id(trace_id: str) -> str:
    """X-Ray's way to write a trace's id."""
    return f"1-{trace_id[:8]}-{trace_id[8:]}"


def documents(spans: Sequence[Span]) -> Iterator[str]:
    """A document for each service's part, and further ones for what has no room in it."""
    services = {span.span_id: span.service for span in spans}
    inside: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        if services.get(span.parent_id) == span.service:
            inside[span.parent_id].append(span)
    for span in spans:
        if services.get(span.parent_id) != span.service:
            yield from _segments(span, inside)


def _segments(top: Span, inside: Mapping[str, list[Span]]) -> Iterator[str]:
    segment = {**_described(top), "name": top.service, "trace_id": xray_id(top.trace_id), "annotations": _annotations(top)}
    if top.parent_id:
        segment["parent_id"] = top.parent_id
    room = MOST_BYTES - len(_json(segment))
    held: list[dict[str, Any]] = []
    for span in inside.get(top.span_id, ()):
        part = _subsegment(span, inside)
        room -= len(_json(part)) + 1
        if room > 0:
            held.append(part)
        else:
            yield _json({**part, "type": "subsegment", "trace_id": xray_id(span.trace_id), "parent_id": span.parent_id})
    yield _json({**segment, **({"subsegments": held} if held else {})})


def _subsegment(span: Span, inside: Mapping[str, list[Span]]) -> dict[str, Any]:
    parts = [_subsegment(one, inside) for one in inside.get(span.span_id, ())]
    return {**_described(span), **({"subsegments": parts} if parts else {})}


def _described(span: Span) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": span.span_id,
        "name": _NOT_IN_NAMES.sub("_", span.name)[:200],
        "start_time": _seconds(span.start),
        "end_time": _seconds(span.end),
    }
    if span.attributes:
        told["metadata"] = {"nexus": {"span": span.name, **span.attributes}}
    if span.error:
        told["fault"] = True
        told["cause"] = {"exceptions": [{"id": span.span_id, "type": span.error, "message": span.error}]}
    return told


def _annotations(span: Span) -> dict[str, Any]:
    """Letters, digits and underscores only: ``nexus.tenant.id`` is ``tenant_id``."""
    return {name.removeprefix("nexus.").replace(".", "_"): span.attributes[name] for name in _ANNOTATED if name in span.attributes}


def _seconds(moment: datetime) -> float:
    return round(moment.timestamp(), 6)


def _json(told: Mapping[str, Any]) -> str:
    return json.dumps(told, separators=(",", ":"))
