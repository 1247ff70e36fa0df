"""Values to put into stores, with only what a test wants to say about them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from nexus.domain.call import CallOrder, EndReason, MediaProcess
from nexus.domain.ids import ulid
from nexus.domain.journal import JournalEntry, ModeNoted, TurnNoted
from nexus.domain.lead import Analysis, LeadObject
from nexus.domain.session import Meta, ModeChange, PrivateTranscript, SessionRecord, SessionRow, Statistics, TranscriptEvent, Turn

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def call_id(number: int) -> str:
    """Ids that sort by ``number``."""
    return "call_" + ulid(1_763_000_000_000 + number, bytes(10))


def turn(i: int, text: str) -> Turn:
    return Turn(i=i, role="caller", start_ms=100.0 * i, end_ms=100.0 * i + 50, text=text, heard_text=text)


def turn_noted(i: int, text: str) -> JournalEntry:
    return TurnNoted(turn=turn(i, text))


def mode_noted(reason: str) -> JournalEntry:
    return ModeNoted(change=ModeChange(to="text_only", reason=reason, at_ms=5.0))


def record(number: int = 1, *, tenant_id: str = "barber", text: str = "Hello") -> SessionRecord:
    return SessionRecord(
        id=call_id(number),
        session_id=call_id(number),
        tenant_id=tenant_id,
        config_hash="sha256:00",
        engine="scripted",
        status="completed",
        end_reason=EndReason.CALLER_HANGUP,
        created_at=NOON,
        connected_at=NOON,
        ended_at=NOON + timedelta(seconds=60),
        duration_ms=60_000.0,
        turns=(turn(0, text),),
        meta=Meta(tenant_id=tenant_id, start_time=NOON, end_time=NOON, duration_seconds=60.0, status="COMPLETED"),
        statistics=Statistics(user_messages=1, ai_messages=0, tool_calls=0, errors=0, total_events=1),
        transcript=(TranscriptEvent(timestamp=NOON, role="user", type="transcript", content=text),),
    )


def private(number: int = 1, *, tenant_id: str = "barber", text: str = "Hello", days: int = 30) -> PrivateTranscript:
    return PrivateTranscript(
        call_id=call_id(number),
        tenant_id=tenant_id,
        caller_phone="+972501234567",
        turns=(turn(0, text),),
        delete_after=NOON + timedelta(days=days),
    )


def row(number: int = 1, *, tenant_id: str = "barber", **fields: Any) -> SessionRow:
    values: dict[str, Any] = {
        "call_id": call_id(number),
        "tenant_id": tenant_id,
        "started_at": NOON + timedelta(minutes=number),
        "ended_at": NOON + timedelta(minutes=number + 1),
        "duration_ms": 60_000.0,
        "status": "completed",
        "end_reason": EndReason.CALLER_HANGUP,
        "engine": "scripted",
        "turns": 2,
        "tool_calls": 0,
    }
    return SessionRow(**(values | fields))


def analysis(number: int = 1, *, tenant_id: str = "barber", **lead: Any) -> Analysis:
    return Analysis(
        call_id=call_id(number),
        tenant_id=tenant_id,
        lead_id=f"lead_{number}",
        created_at=NOON,
        call_started_at=NOON,
        model="scripted",
        lead=LeadObject(**lead),
    )


def order(*, tenant_id: str = "barber", key: str = "", body: str = "", max_duration_s: int | None = None) -> CallOrder:
    return CallOrder(tenant_id=tenant_id, config_hash="sha256:00", idempotency_key=key, body_hash=body, max_duration_s=max_duration_s)


def process(name: str = "mp_1", *, slots: int = 10, seen_at: datetime = NOON, draining: bool = False, yields: bool = False) -> MediaProcess:
    url = "ws://127.0.0.1:8000"
    return MediaProcess(process_id=name, url=url, engine="scripted", slots=slots, draining=draining, yields=yields, seen_at=seen_at)
