"""The waterfall of a call, from a session as a server tells it, which may be newer than this program."""

from __future__ import annotations

from typing import Any

from local.trace_view import spans_of
from nexus.domain.call_spans import call_spans, lead_span
from tests.fakes.stored import analysis, record


def test_what_a_newer_server_tells_besides_is_passed_over() -> None:
    told: dict[str, Any] = record(7).model_dump(mode="json")
    told["mood"] = "calm"
    told["turns"][0]["mood"] = "calm"
    assert spans_of(told | {"analysis": None}) == call_spans(record(7))
    read = analysis(7)
    told["analysis"] = read.model_dump(mode="json") | {"mood": "calm", "evidence": [{"field": "mood"}]}
    assert spans_of(told) == (*call_spans(record(7)), lead_span(read.model_copy(update={"call_started_at": record(7).connected_at})))
