"""Finished calls: found in the index, read from the archive, joined with what was made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from control_plane.services.cursors import Listing, Page, page_of, read_cursor
from nexus.domain.ids import check_call_id, check_tenant_id
from nexus.domain.lead import Analysis
from nexus.domain.session import RecordingStatus, SessionRecord, SessionRow, Summary
from nexus.errors import NotFound
from nexus.ports.sessions import LeadStore, Recordings, SessionArchive, SessionFilter, SessionIndex


@dataclass(frozen=True, slots=True)
class SessionStores:
    """Where sessions lie."""

    archive: SessionArchive
    recordings: Recordings
    index: SessionIndex
    leads: LeadStore


@dataclass(frozen=True, slots=True)
class AnalysedSession:
    """A record and its analysis, or None while there is none yet. ``summary`` is the record's, filled from the analysis."""

    record: SessionRecord
    analysis: Analysis | None

    @property
    def summary(self) -> Summary:
        """The original's summary: what was wanted and what came of it."""
        if self.analysis is None:
            return self.record.summary
        return Summary(intent=self.analysis.lead.core_intent, outcome=self.analysis.lead.call_outcome)


LINK_S = 300
_WHY_NONE: Mapping[RecordingStatus, str] = {
    "disabled": "This call was not recorded: the tenant's configuration says so (recording.enabled), or its order did (recording: off).",
    "refused": "This call was not recorded: the caller did not agree.",
    "failed": "This call's recording failed; the session's recording.code says why.",
    "lost": "This call's recording was lost with the process that carried the call.",
    "stored": "This call's recording has expired (recording.delete_after in its session).",
}


@dataclass(frozen=True, slots=True)
class RecordingLink:
    """A URL, or a path at the API's own host, that works until ``expires_at``."""

    url: str
    expires_at: datetime


class SessionDesk:
    """Lists, shows and indexes sessions.

    Args:
        stores: where sessions lie.
        cursor_key: signs page cursors.
    """

    def __init__(self, stores: SessionStores, cursor_key: bytes) -> None:
        self._stores = stores
        self._cursor_key = cursor_key

    async def list(self, tenant_id: str, where: SessionFilter, *, limit: int, cursor: str = "") -> Page[SessionRow]:
        """Newest first. Raises RequestRejected ``invalid_cursor``."""
        listing = Listing("sessions", check_tenant_id(tenant_id), repr(where))
        before = read_cursor(self._cursor_key, listing, cursor)
        rows = await self._stores.index.list(tenant_id, where, limit=limit + 1, before=before)
        return page_of(self._cursor_key, listing, rows, limit, lambda row: row.call_id)

    async def get(self, tenant_id: str, call_id: str) -> AnalysedSession:
        """One session. Raises NotFound ``session_not_found``."""
        record = await self.record(tenant_id, call_id)
        return AnalysedSession(record, await self._stores.leads.get(tenant_id, call_id))

    async def record(self, tenant_id: str, call_id: str) -> SessionRecord:
        """The archived record alone. Raises NotFound ``session_not_found``."""
        return await self._stores.archive.get(check_tenant_id(tenant_id), check_call_id(call_id))

    async def recording(self, record: SessionRecord, now: datetime) -> RecordingLink:
        """From where the call's sound can be read for a few minutes. Raises NotFound ``recording_not_found``, and says why."""
        try:
            url = await self._stores.recordings.address(record.tenant_id, record.id, now=now, lifetime_s=LINK_S)
        except NotFound as error:
            raise NotFound("recording_not_found", _WHY_NONE[record.recording.status]) from error
        return RecordingLink(url, now + timedelta(seconds=LINK_S))

    async def index(self, record: SessionRecord, *, outcome: str = "") -> None:
        """Make the session findable. Doing it again replaces the row by an equal one."""
        await self._stores.index.put(row_of(record, outcome))


def row_of(record: SessionRecord, outcome: str = "") -> SessionRow:
    """What the index keeps of a record."""
    return SessionRow(
        call_id=record.id,
        tenant_id=record.tenant_id,
        started_at=record.connected_at,
        ended_at=record.ended_at,
        duration_ms=record.duration_ms,
        status=record.status,
        end_reason=record.end_reason,
        engine=record.engine,
        turns=len(record.turns),
        tool_calls=len(record.tools),
        caller_last4=record.caller.last4,
        test=record.test,
        outcome=outcome,
        config_version=record.config_version,
        metadata=record.metadata,
    )
