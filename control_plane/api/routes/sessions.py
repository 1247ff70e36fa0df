"""Sessions: the list with filters, one, its transcript."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from control_plane.api.asked import Services
from control_plane.api.guard import seen_within_mode
from control_plane.api.schemas import AnalysisDetail, Reanalysis, RecordingDetail, SessionDetail, SessionItem, SessionPage, Transcript
from control_plane.api.wire import DEFAULT_LIMIT, CallId, Cursor, Limit, Moment, TenantId, encoded, in_utc, refusals, told
from control_plane.services.sessions import AnalysedSession
from nexus.domain.call import EndReason, RecordStatus
from nexus.domain.session import SessionRow, TranscriptEvent
from nexus.domain.trace import trace_id_of
from nexus.errors import RequestRejected
from nexus.ports.sessions import SessionFilter

router = APIRouter(prefix="/v1/tenants/{tenant_id}/sessions", tags=["sessions"])
_RANGES = ("started_at[gte]", "started_at[lt]", "duration_ms[gte]", "duration_ms[lt]")
_PLAIN_FILTERS = frozenset({"limit", "cursor", "status", "end_reason", "outcome", "config_version", "test", *_RANGES})


@dataclass(frozen=True, slots=True)
class _Ranges:
    started_from: datetime | None
    started_before: datetime | None
    min_duration_ms: float | None
    below_duration_ms: float | None


def ranges_of(
    started_from: Annotated[Moment, Query(alias="started_at[gte]", description="RFC 3339; without offset it is UTC")] = None,
    started_before: Annotated[Moment, Query(alias="started_at[lt]", description="RFC 3339; without offset it is UTC")] = None,
    min_duration_ms: Annotated[float | None, Query(alias="duration_ms[gte]", ge=0, allow_inf_nan=False)] = None,
    below_duration_ms: Annotated[float | None, Query(alias="duration_ms[lt]", ge=0, allow_inf_nan=False)] = None,
) -> _Ranges:
    """When the call began, and how long it was."""
    return _Ranges(in_utc(started_from), in_utc(started_before), min_duration_ms, below_duration_ms)


def where_of(
    request: Request,
    ranges: Annotated[_Ranges, Depends(ranges_of)],
    status: Annotated[RecordStatus | None, Query()] = None,
    end_reason: Annotated[EndReason | None, Query()] = None,
    outcome: Annotated[str | None, Query(max_length=100)] = None,
    config_version: Annotated[int | None, Query(ge=0, le=99_999_999, description="0: the tenant's folder")] = None,
    test: Annotated[bool | None, Query()] = None,
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
    return SessionFilter(
        status=status,
        end_reason=end_reason,
        outcome=outcome,
        config_version=config_version,
        test=test,
        metadata=tuple(sorted(metadata)),
        **asdict(ranges),
    )


@router.get("", operation_id="listSessions", response_model=SessionPage, responses=refusals(404))
async def list_sessions(
    tenant_id: TenantId,
    services: Services,
    where: Annotated[SessionFilter, Depends(where_of)],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
) -> Response:
    """Finished calls, newest first. Filters are joined by and; ``metadata[key]=value`` filters by metadata."""
    page = await services.sessions.list(tenant_id, where, limit=limit, cursor=cursor)
    await services.tenants.check_known(tenant_id, page.data)
    data = tuple(_item(row) for row in page.data)
    return told(SessionPage(data=data, has_more=page.next_cursor is not None, next_cursor=page.next_cursor))


@router.get("/{call_id}", operation_id="getSession", response_model=SessionDetail, responses=refusals(404))
async def get_session(tenant_id: TenantId, call_id: CallId, request: Request, services: Services) -> Response:
    """One session: the archived record and what was made of it. Texts are redacted."""
    session = await services.sessions.get(tenant_id, call_id)
    seen_within_mode(request, test=session.record.test, missing="session_not_found")
    return Response(_joined(session), media_type="application/json")


@router.get("/{call_id}/transcript", operation_id="getTranscript", response_model=Transcript, responses=refusals(404))
async def get_transcript(tenant_id: TenantId, call_id: CallId, request: Request, services: Services) -> Response:
    """What was said. Texts are redacted."""
    record = await services.sessions.record(tenant_id, call_id)
    seen_within_mode(request, test=record.test, missing="session_not_found")
    transcript = Transcript(session_id=record.id, turns=record.turns, events=())
    return Response(encoded({**transcript.model_dump(), "events": _events(record.transcript)}), media_type="application/json")


@router.get("/{call_id}/recording", operation_id="getRecording", response_model=RecordingDetail, responses=refusals(404))
async def get_recording(tenant_id: TenantId, call_id: CallId, request: Request, services: Services) -> Response:
    """From where the call's sound can be read for five minutes, by anybody who has the URL: Ogg Opus, caller left, agent right. Byte
    ranges work. ``recording_not_found`` where there is none; its detail says why. Leaves an audit event."""
    record = await services.sessions.record(tenant_id, call_id)
    seen_within_mode(request, test=record.test, missing="session_not_found")
    link = await services.sessions.recording(record, services.policy.now())
    url = f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}{link.url}" if link.url.startswith("/") else link.url
    return told(RecordingDetail(session_id=record.id, url=url, expires_at=link.expires_at, **record.recording.model_dump()))


@router.post(
    "/{call_id}:reanalyze", operation_id="reanalyzeSession", status_code=202, response_model=Reanalysis, responses=refusals(404, 409)
)
async def reanalyze(tenant_id: TenantId, call_id: CallId, services: Services) -> Response:
    """Have the call read again. Asked again before that is done, it is the same reading."""
    progress = await services.after_call.reanalyze(tenant_id, call_id)
    return told(Reanalysis(session_id=call_id, reading=progress.wanted), status=202)


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
            "trace_id": trace_id_of(session.record.id),
        }
    )


def _events(events: tuple[TranscriptEvent, ...]) -> list[dict[str, object]]:
    return [event.model_dump(exclude_none=True) for event in events]
