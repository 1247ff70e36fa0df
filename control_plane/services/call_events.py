"""What a tenant's receivers are told of a finished call. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from nexus.clock import instant
from nexus.domain.lead import Analysis
from nexus.domain.session import SessionRecord
from nexus.domain.webhook import Event, EventType, event_id


def ended(record: SessionRecord) -> Event:
    """``call.ended``: how the call went, in numbers; nothing of what was said."""
    data = {
        "object": "session",
        "id": record.id,
        "status": record.status,
        "original_status": record.meta.status,
        "end_reason": record.end_reason.value,
        "error": record.error.model_dump(mode="json") if record.error else None,
        "created_at": instant(record.created_at),
        "connected_at": instant(record.connected_at),
        "ended_at": instant(record.ended_at),
        "duration_ms": record.duration_ms,
        "engine": record.engine,
        "channel": record.channel,
        "config_hash": record.config_hash,
        "caller": {"last4": record.caller.last4},
        "turns": len(record.turns),
        "tool_calls": len(record.tools),
        "metadata": dict(record.metadata),
        "test": record.test,
    }
    return _event(record, EventType.CALL_ENDED, data)


def artifacts_ready(record: SessionRecord) -> Event:
    """``call.artifacts_ready``: what can be fetched of the call, and where."""
    path = f"/v1/tenants/{record.tenant_id}/sessions/{record.id}"
    artifacts = [{"kind": "record", "path": path}, {"kind": "transcript", "path": f"{path}/transcript"}]
    if record.recording.status == "stored":
        artifacts.append({"kind": "recording", "path": f"{path}/recording"})
    return _event(record, EventType.CALL_ARTIFACTS_READY, {"session_id": record.id, "artifacts": artifacts, "test": record.test})


def analyzed(record: SessionRecord, analysis: Analysis) -> Event:
    """``call.analyzed``: the lead, the turns it comes from, the tenant's own fields. A later reading of the call is an event of its own."""
    data = {
        "session_id": record.id,
        "lead_id": analysis.lead_id,
        "reading": analysis.reading,
        "status": analysis.status,
        "lead": analysis.lead.model_dump(mode="json"),
        "evidence": [one.model_dump(mode="json") for one in analysis.evidence],
        "fields": [one.model_dump(mode="json") for one in analysis.fields],
        "metadata": dict(record.metadata),
        "test": record.test,
    }
    return _event(record, EventType.CALL_ANALYZED, data, at=analysis.created_at, reading=analysis.reading)


def _event(record: SessionRecord, kind: EventType, data: dict[str, Any], *, at: datetime | None = None, reading: int = 0) -> Event:
    happened_at = at or record.ended_at
    made = event_id(happened_at, record.tenant_id, record.id, kind.value, str(reading))
    return Event(id=made, type=kind, created_at=happened_at, tenant_id=record.tenant_id, data=data)
