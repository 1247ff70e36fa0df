"""What calls were worth: read by a model after the call, kept beside the immutable record, with where a person stands with each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from control_plane.ports import LeadModel
from control_plane.services.cursors import Listing, Page, read_cursor, sign_cursor
from control_plane.services.lead_statuses import LeadStatuses
from nexus.clock import Clock
from nexus.domain.ids import check_call_id, check_tenant_id
from nexus.domain.lead import Analysis, LeadObject, LeadReading, LeadStatus
from nexus.domain.session import PrivateTranscript, SessionRecord
from nexus.errors import NexusError, NotFound, RequestRejected, UpstreamError
from nexus.ports.sessions import LeadStore

_SCANNED_AT_ONCE = 100
_MOST_SCANS = 10
_log = logging.getLogger("nexus.leads")


@dataclass(frozen=True, slots=True)
class LeadReader:
    """The model that reads leads, and how long one reading may take."""

    model: LeadModel
    deadline_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Assignment:
    """One reading that is wanted.

    Attributes:
        wanted: the tenant's own fields.
        reading: the how-manieth reading of the call this is.
        last_attempt: whether nobody will try again, so that a failure of the model is final.
    """

    wanted: Mapping[str, JsonValue]
    reading: int = 1
    last_attempt: bool = True


FIRST_READING = Assignment({})


@dataclass(frozen=True, slots=True)
class LeadFilter:
    """Which leads to list; empty and None mean any."""

    outcome: str = ""
    follow_up: bool | None = None
    status: LeadStatus | None = None


ANY = LeadFilter()


@dataclass(frozen=True, slots=True)
class TrackedLead:
    """What a call was worth, and where a person stands with it."""

    analysis: Analysis
    status: LeadStatus = LeadStatus.NEW


class LeadDesk:
    """Extracts, lists and shows leads.

    Args:
        store: where analyses lie.
        statuses: where a person stands with each lead.
        reader: who reads them out of transcripts.
        clock: wall time.
        cursor_key: signs page cursors.
    """

    def __init__(self, store: LeadStore, statuses: LeadStatuses, reader: LeadReader, clock: Clock, cursor_key: bytes) -> None:
        self._store = store
        self._statuses = statuses
        self._reader = reader
        self._clock = clock
        self._cursor_key = cursor_key

    async def extract(self, record: SessionRecord, private: PrivateTranscript | None, assignment: Assignment = FIRST_READING) -> Analysis:
        """Read the lead of a call and store it; a call that has this reading keeps it.

        Whatever the model does, there is an analysis afterwards: when it fails, the reading before, or one with status ``fallback`` that
        holds what is certain.

        Args:
            private: the unredacted transcript; without it the redacted record is read.

        Raises:
            UpstreamError: a fault of the model that may pass, when this is not the last attempt.
        """
        known = await self._store.get(record.tenant_id, record.id)
        if known is not None and known.status == "done" and known.reading >= assignment.reading:
            return known
        transcript = private or _from_record(record)
        started_at = self._clock.now()
        failure: Exception | None = None
        try:
            read, error = await self._read(transcript, assignment.wanted), ""
        except Exception as met:  # the supervised border: no failure of a model may cost a session its lead
            failure, error = met, met.code if isinstance(met, NexusError) else "model_failed"
            _log.warning("lead extraction failed (%s), what is certain is kept", error, exc_info=not isinstance(met, NexusError))
            read = LeadReading(lead=fallback_lead(transcript))
        if known is not None and failure is not None:
            analysis = known
        else:
            analysis = self._analysis(record, read, assignment.reading, error).model_copy(update={"started_at": started_at})
        if analysis is not known:
            await self._store.put(analysis)
        if failure is not None and not assignment.last_attempt and _may_pass(failure):
            raise failure
        return analysis

    async def list(self, tenant_id: str, where: LeadFilter = ANY, *, limit: int, cursor: str = "") -> Page[TrackedLead]:
        """Newest call first. A status that few leads have may give a short page, or an empty one, that still has a next one.

        Raises:
            RequestRejected: ``invalid_cursor``.
        """
        listing = Listing("leads", check_tenant_id(tenant_id), repr(where))
        before = read_cursor(self._cursor_key, listing, cursor)
        found: list[TrackedLead] = []
        for _ in range(_MOST_SCANS):
            rows = await self._scan(tenant_id, where, before, limit)
            for lead in rows:
                if where.status in (None, lead.status):
                    found.append(lead)
                if len(found) > limit:
                    return Page(tuple(found[:limit]), sign_cursor(self._cursor_key, listing, found[limit - 1].analysis.call_id))
            if len(rows) < _scan_size(where, limit):
                return Page(tuple(found))
            before = rows[-1].analysis.call_id
        return Page(tuple(found), sign_cursor(self._cursor_key, listing, before))

    async def get(self, tenant_id: str, lead_id: str) -> TrackedLead:
        """One lead. Raises NotFound ``lead_not_found``."""
        call_id = call_id_of(lead_id)
        analysis = await self._store.get(check_tenant_id(tenant_id), call_id)
        if analysis is None:
            raise NotFound("lead_not_found", "There is no such lead for this tenant.")
        return TrackedLead(analysis, await self._statuses.get(tenant_id, call_id))

    async def move(self, tenant_id: str, lead_id: str, status: LeadStatus) -> TrackedLead:
        """Note where a person stands with a lead; a new reading of the call leaves it as it is. Raises like ``get``."""
        lead = await self.get(tenant_id, lead_id)
        await self._statuses.put(tenant_id, lead.analysis.call_id, status)
        return TrackedLead(lead.analysis, status)

    async def has(self, tenant_id: str, call_id: str) -> bool:
        """Whether the call has an analysis."""
        return await self._store.get(tenant_id, call_id) is not None

    async def _scan(self, tenant_id: str, where: LeadFilter, before: str, limit: int) -> tuple[TrackedLead, ...]:
        size = _scan_size(where, limit)
        rows = await self._store.list(tenant_id, limit=size, before=before, outcome=where.outcome, follow_up=where.follow_up)
        statuses = await self._statuses.between(tenant_id, rows[-1].call_id, rows[0].call_id) if rows else {}
        return tuple(TrackedLead(row, statuses.get(row.call_id, LeadStatus.NEW)) for row in rows)

    async def _read(self, transcript: PrivateTranscript, wanted: Mapping[str, JsonValue]) -> LeadReading:
        try:
            async with asyncio.timeout(self._reader.deadline_s):
                return await self._reader.model.extract(transcript, wanted)
        except TimeoutError as error:
            raise UpstreamError("model_failed", f"The model did not read the call within {self._reader.deadline_s:.0f} s.") from error

    def _analysis(self, record: SessionRecord, read: LeadReading, reading: int, error: str) -> Analysis:
        return Analysis(
            call_id=record.id,
            tenant_id=record.tenant_id,
            lead_id=lead_id_of(record.id),
            created_at=self._clock.now(),
            call_started_at=record.connected_at,
            model=self._reader.model.name,
            status="fallback" if error else "done",
            error=error,
            lead=read.lead,
            reading=reading,
            evidence=read.evidence,
            fields=read.fields,
        )


def fallback_lead(transcript: PrivateTranscript) -> LeadObject:
    """What is certain without a model; somebody should look at the call."""
    return LeadObject(
        customer_phone=transcript.caller_phone,
        follow_up_required=bool(transcript.turns),
        summary="The analysis of this call failed; please read the transcript.",
    )


def lead_id_of(call_id: str) -> str:
    """The lead of a call has the call's ULID, so a second reading has the same id."""
    return f"lead_{call_id.removeprefix('call_')}"


def call_id_of(lead_id: str) -> str:
    """The call that a lead id belongs to. Raises RequestRejected ``invalid_request``."""
    try:
        if not lead_id.startswith("lead_"):
            raise RequestRejected("invalid_request", "not a lead id")
        return check_call_id(f"call_{lead_id.removeprefix('lead_')}")
    except RequestRejected as error:
        raise RequestRejected("invalid_request", "A lead id has the form lead_ followed by a ULID of 26 characters.") from error


def _scan_size(where: LeadFilter, limit: int) -> int:
    return limit + 1 if where.status is None else _SCANNED_AT_ONCE


def _may_pass(failure: Exception) -> bool:
    return isinstance(failure, NexusError) and failure.retryable


def _from_record(record: SessionRecord) -> PrivateTranscript:
    return PrivateTranscript(
        call_id=record.id, tenant_id=record.tenant_id, turns=record.turns, tools=record.tools, delete_after=record.ended_at
    )
