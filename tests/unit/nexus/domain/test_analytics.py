"""A finished call as one flat row."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

from nexus.domain.analytics import analytics_row
from nexus.domain.call import CallerTrace, EndReason
from nexus.domain.lead import Analysis
from nexus.domain.session import Interruptions, Percentiles, RecordedError, TalkTime
from tests.fakes.stored import analysis, record


def test_the_row_of_a_call() -> None:
    call = record(1).model_copy(
        update={
            "talk_ms": TalkTime(caller=1.0, agent=2.0, overlap=0.5, silence=3.0),
            "latency_ms": {"e2e": Percentiles(n=3, p50=700.0, p90=900.0, p95=910.0, p99=950.0, max=950.0)},
            "interruptions": Interruptions(caller=2, false=1),
            "error": RecordedError(code="engine_lost", stage="engine", message="a +49 30 1234567 in it"),
            "caller": CallerTrace(hash="ab", last4="4567"),
            "end_reason": EndReason.ENGINE_LOST,
        }
    )
    row = analytics_row(call, analysis(1, call_outcome="booking_made", customer_name="Dana", customer_phone="+4930", summary="Dana asked"))
    assert (row.status, row.original_status, row.end_reason, row.error_code) == ("completed", "COMPLETED", "engine_lost", "engine_lost")
    assert (row.caller_turns, row.barge_ins, row.false_barge_ins, row.response_p50_ms) == (1, 2, 1, 700.0)
    assert (row.outcome, row.sentiment, row.analysis_status, row.reading) == ("booking_made", "neutral", "done", 1)
    text = json.dumps(row.model_dump(mode="json"))
    assert not any(secret in text for secret in ("Dana", "+4930", "4567", "Hello"))


def test_words_of_a_model_beyond_the_list_are_other_and_a_fallback_says_nothing() -> None:
    assert analytics_row(record(1), analysis(1, call_outcome="a miracle")).outcome == "other"
    fallback = analysis(1, follow_up_required=True).model_copy(update={"status": "fallback"})
    row = analytics_row(record(1), Analysis.model_validate(fallback.model_dump()))
    assert (row.outcome, row.sentiment, row.follow_up_required, row.analysis_status) == ("unknown", None, None, "fallback")
    assert analytics_row(record(1), None).analysis_status == "none"


def test_the_day_is_that_of_utc() -> None:
    late = datetime(2026, 11, 22, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    row = analytics_row(record(1).model_copy(update={"connected_at": late}), None)
    assert row.dt.isoformat() == "2026-11-21" and row.connected_at == late.astimezone(UTC)
