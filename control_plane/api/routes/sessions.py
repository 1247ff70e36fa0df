"""Sessions: the list with filters, one, its transcript."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BeforeValidator
from starlette.responses import Response

from control_plane.api.schemas import AnalysisDetail, SessionDetail, SessionItem, SessionPage, Transcript
from control_plane.api.services import Services
from control_plane.api.wire import DEFAULT_LIMIT, CallId, Cursor, Limit, TenantId, encoded, refusals, told
from control_plane.services.sessions import AnalysedSession
from nexus.domain.call import EndReason, RecordStatus
from nexus.domain.session import SessionRow, TranscriptEvent
from nexus.errors import RequestRejected
from nexus.ports import SessionFilter

router = APIRouter(prefix="/v1/tenants/{tenant_id}/sessions", tags=["sessions"])
_PLAIN_FILTERS = frozenset({"limit", "cursor", "status", "end_reason", "outcome", "started_at[gte]", "started_at[lt]", "duration_ms[gte]"})


def _in_utc(value: object) -> object:
    # A plus sign in a query string arrives as a space: 2026-11-21T09:00:00+01:00 is meant.
    return value.strip().replace(" ", "+") if isinstance(value, str) and "T" in value else value


Moment = Annotated[datetime | None, BeforeValidator(_in_utc)]


def where_of(
    request: Request,
    status: Annotated[RecordStatus | None, Query()] = None,
    end_reason: Annotated[EndReason | None, Query()] = None,
    outcome: Annotated[str | None, Query(max_length=100)] = None,
    started_from: Annotated[Moment, Query(alias="started_at[gte]", description="RFC 3339; without offset it is UTC")] = None,
    started_before: Annotated[Moment, Query(alias="started_at[lt]", description="RFC 3339; without offset it is UTC")] = None,
    min_duration_ms: Annotated[float | None, Query(alias="duration_ms[gte]", ge=0, allow_inf_nan=False)] = None,
) -> SessionFilter:
    """The filter that the query asks for; ``metadata[key]=value`` may stand any number of times.

    Raises:
        RequestRejected: ``invalid_request`` for a parameter that nobody knows: a filter misspelt must not list everything.
    """
    metadata = []
    for name, value in request.query_params.multi_items():
        if name.startswith("metadata[") and name.endswith("]"):
            metadata.append((name[len("metadata[") : -1], value))
        elif name not in _PLAIN_FILTERS:
            raise RequestRejected(
                "invalid_request", f"There is no filter of that name; there are {', '.join(sorted(_PLAIN_FILTERS))}, metadata[key]."
            )
    return SessionFilter(status, end_reason, outcome, _utc(started_from), _utc(started_before), min_duration_ms, tuple(sorted(metadata)))


@router.get("", operation_id="listSessions", response_model=SessionPage, responses=refusals())
async def list_sessions(
    tenant_id: TenantId,
    services: Services,
    where: Annotated[SessionFilter, Depends(where_of)],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
) -> Response:
    """Finished calls, newest first. Filters are joined by and; ``metadata[key]=value`` filters by metadata."""
    page = await services.sessions.list(tenant_id, where, limit=limit, cursor=cursor)
    data = tuple(_item(row) for row in page.data)
    return told(SessionPage(data=data, has_more=page.next_cursor is not None, next_cursor=page.next_cursor))


@router.get("/{call_id}", operation_id="getSession", response_model=SessionDetail, responses=refusals(404))
async def get_session(tenant_id: TenantId, call_id: CallId, services: Services) -> Response:
    """One session: the archived record and what was made of it. Texts are redacted."""
    return Response(_joined(await services.sessions.get(tenant_id, call_id)), media_type="application/json")


@router.get("/{call_id}/transcript", operation_id="getTranscript", response_model=Transcript, responses=refusals(404))
async def get_transcript(tenant_id: TenantId, call_id: CallId, services: Services) -> Response:
    """What was said. Texts are redacted."""
    record = await services.sessions.record(tenant_id, call_id)
    transcript = Transcript(session_id=record.id, turns=record.turns, events=())
    return Response(encoded({**transcript.model_dump(), "events": _events(record.transcript)}), media_type="application/json")


def _item(row: SessionRow) -> SessionItem:
    return SessionItem(id=row.call_id, **row.model_dump(exclude={"call_id"}))


def _joined(session: AnalysedSession) -> bytes:
    analysis = session.analysis
    return encoded(
        {
            **session.record.model_dump(),
            "transcript": _events(session.record.transcript),
            "summary": session.summary.model_dump(),
            "intelligence": analysis.lead.model_dump() if analysis else None,
            "analysis": AnalysisDetail(**analysis.model_dump(include=set(AnalysisDetail.model_fields))).model_dump() if analysis else None,
        }
    )


def _events(events: tuple[TranscriptEvent, ...]) -> list[dict[str, object]]:
    return [event.model_dump(exclude_none=True) for event in events]


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)
