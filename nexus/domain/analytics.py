"""One finished call as one flat row for analytics: real timestamps, durations in milliseconds, closed lists. Nothing personal."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Literal

from nexus.domain.call import EndReason, OriginalStatus, RecordStatus, Value
from nexus.domain.lead import Analysis, Sentiment
from nexus.domain.session import SessionRecord

ROW_VERSION = 1
OUTCOMES = ("booking_made", "order_placed", "request_completed", "information_given", "request_failed", "abandoned")
AnalyticsOutcome = Literal[
    "booking_made", "order_placed", "request_completed", "information_given", "request_failed", "abandoned", "other", "unknown"
]


class AnalyticsRow(Value):
    """A call in numbers. ``dt`` is the day it connected, in UTC; ``reading`` tells a later row of the same call from an earlier one."""

    schema_version: int = ROW_VERSION
    tenant_id: str
    dt: date
    call_id: str
    reading: int
    created_at: datetime
    connected_at: datetime
    first_audio_at: datetime | None
    ended_at: datetime
    analyzed_at: datetime | None
    duration_ms: float
    caller_talk_ms: float
    agent_talk_ms: float
    overlap_ms: float
    silence_ms: float
    slot_ms: float
    status: RecordStatus
    original_status: OriginalStatus
    end_reason: EndReason
    error_code: str
    error_stage: str
    engine: str
    voice_id: str
    channel: str
    test: bool
    config_hash: str
    caller_hash: str
    caller_turns: int
    agent_turns: int
    tool_calls: int
    tool_failures: int
    barge_ins: int
    false_barge_ins: int
    mode_changes: int
    engine_rotations: int
    response_p50_ms: float | None
    response_p95_ms: float | None
    audio_in_ms: float
    audio_out_ms: float
    audio_dropped_frames: int
    sentiment: Sentiment | None
    outcome: AnalyticsOutcome
    core_intent: str
    follow_up_required: bool | None
    analysis_status: Literal["done", "fallback", "none"]
    analysis_model: str


def analytics_row(record: SessionRecord, analysis: Analysis | None) -> AnalyticsRow:
    """The row of one call; the same call and reading always give the same row."""
    response = record.latency_ms.get("e2e")
    values = {
        "tenant_id": record.tenant_id,
        "dt": record.connected_at.astimezone(UTC).date(),
        "call_id": record.id,
        "created_at": record.created_at,
        "connected_at": record.connected_at,
        "first_audio_at": record.first_audio_at,
        "ended_at": record.ended_at,
        "duration_ms": record.duration_ms,
        "caller_talk_ms": record.talk_ms.caller,
        "agent_talk_ms": record.talk_ms.agent,
        "overlap_ms": record.talk_ms.overlap,
        "silence_ms": record.talk_ms.silence,
        "slot_ms": record.slot_ms,
        "response_p50_ms": response.p50 if response else None,
        "response_p95_ms": response.p95 if response else None,
    }
    return AnalyticsRow.model_validate(values | _facts(record) | _counts(record) | _analysed(analysis))


def _facts(record: SessionRecord) -> dict[str, object]:
    error_code, error_stage = (record.error.code, record.error.stage) if record.error else ("", "")
    return {
        "status": record.status,
        "original_status": record.meta.status,
        "end_reason": record.end_reason,
        "error_code": error_code,
        "error_stage": error_stage,
        "engine": record.engine,
        "voice_id": record.voice_id,
        "channel": record.channel,
        "test": record.test,
        "config_hash": record.config_hash,
        "caller_hash": record.caller.hash,
    }


def _counts(record: SessionRecord) -> dict[str, object]:
    return {
        "caller_turns": sum(turn.role == "caller" and not turn.backchannel for turn in record.turns),
        "agent_turns": sum(turn.role == "agent" for turn in record.turns),
        "tool_calls": len(record.tools),
        "tool_failures": sum(use.status in ("failed", "unknown") for use in record.tools),
        "barge_ins": record.interruptions.caller,
        "false_barge_ins": record.interruptions.false,
        "mode_changes": len(record.mode_changes),
        "engine_rotations": len(record.engine_rotations),
        "audio_in_ms": record.audio.in_ms,
        "audio_out_ms": record.audio.out_ms,
        "audio_dropped_frames": record.audio.dropped_frames,
    }


def _analysed(analysis: Analysis | None) -> dict[str, object]:
    if analysis is None or analysis.status == "fallback":  # a fallback's values are defaults, not readings
        return {
            "reading": analysis.reading if analysis else 0,
            "analyzed_at": analysis.created_at if analysis else None,
            "sentiment": None,
            "outcome": "unknown",
            "core_intent": "unknown",
            "follow_up_required": None,
            "analysis_status": analysis.status if analysis else "none",
            "analysis_model": analysis.model if analysis else "",
        }
    lead = analysis.lead
    return {
        "reading": analysis.reading,
        "analyzed_at": analysis.created_at,
        "sentiment": lead.sentiment,
        "outcome": lead.call_outcome if lead.call_outcome in OUTCOMES else "unknown" if lead.call_outcome == "unknown" else "other",
        "core_intent": lead.core_intent,
        "follow_up_required": lead.follow_up_required,
        "analysis_status": analysis.status,
        "analysis_model": analysis.model,
    }
