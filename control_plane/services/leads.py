"""What calls were worth: read by a model after the call, kept beside the immutable record."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from control_plane.ports import LeadModel
from control_plane.services.cursors import Listing, Page, page_of, read_cursor
from nexus.clock import Clock
from nexus.domain.ids import check_call_id, check_tenant_id
from nexus.domain.lead import Analysis, LeadObject
from nexus.domain.session import PrivateTranscript, SessionRecord
from nexus.errors import NexusError, NotFound, RequestRejected
from nexus.ports import LeadStore

_log = logging.getLogger("nexus.leads")


@dataclass(frozen=True, slots=True)
class LeadReader:
    """The model that reads leads, and how long one reading may take."""

    model: LeadModel
    deadline_s: float = 60.0


class LeadDesk:
    """Extracts, lists and shows leads.

    Args:
        store: where analyses lie.
        reader: who reads them out of transcripts.
        clock: wall time.
        cursor_key: signs page cursors.
    """

    def __init__(self, store: LeadStore, reader: LeadReader, clock: Clock, cursor_key: bytes) -> None:
        self._store = store
        self._reader = reader
        self._clock = clock
        self._cursor_key = cursor_key

    async def extract(self, record: SessionRecord, private: PrivateTranscript | None) -> Analysis:
        """Read the lead of a call and store it; a call that has one keeps it.

        Whatever the model does, there is an analysis afterwards: when it fails, one with status ``fallback`` that holds what is certain.

        Args:
            private: the unredacted transcript; without it the redacted record is read.
        """
        known = await self._store.get(record.tenant_id, record.id)
        if known is not None:
            return known
        analysis = await self._read(record, private or _from_record(record))
        await self._store.put(analysis)
        return analysis

    async def list(
        self, tenant_id: str, *, outcome: str = "", follow_up: bool | None = None, limit: int, cursor: str = ""
    ) -> Page[Analysis]:
        """Newest call first. Raises RequestRejected ``invalid_cursor``."""
        listing = Listing("leads", check_tenant_id(tenant_id), repr((outcome, follow_up)))
        before = read_cursor(self._cursor_key, listing, cursor)
        found = await self._store.list(tenant_id, limit=limit + 1, before=before, outcome=outcome, follow_up=follow_up)
        return page_of(self._cursor_key, listing, found, limit, lambda analysis: analysis.call_id)

    async def get(self, tenant_id: str, lead_id: str) -> Analysis:
        """One analysis by its lead id. Raises NotFound ``lead_not_found``."""
        analysis = await self._store.get(check_tenant_id(tenant_id), call_id_of(lead_id))
        if analysis is None:
            raise NotFound("lead_not_found", "There is no such lead for this tenant.")
        return analysis

    async def has(self, tenant_id: str, call_id: str) -> bool:
        """Whether the call has an analysis."""
        return await self._store.get(tenant_id, call_id) is not None

    async def _read(self, record: SessionRecord, transcript: PrivateTranscript) -> Analysis:
        error = ""
        try:
            async with asyncio.timeout(self._reader.deadline_s):
                lead = await self._reader.model.extract(transcript)
        except Exception as failure:  # the supervised border: no failure of a model may cost a session its lead
            error = failure.code if isinstance(failure, NexusError) else "model_failed"
            _log.warning("lead extraction failed (%s), a fallback lead is kept", error, exc_info=not isinstance(failure, NexusError))
            lead = fallback_lead(transcript)
        return Analysis(
            call_id=record.id,
            tenant_id=record.tenant_id,
            lead_id=lead_id_of(record.id),
            created_at=self._clock.now(),
            call_started_at=record.connected_at,
            model=self._reader.model.name,
            status="fallback" if error else "done",
            error=error,
            lead=lead,
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


def _from_record(record: SessionRecord) -> PrivateTranscript:
    return PrivateTranscript(
        call_id=record.id, tenant_id=record.tenant_id, turns=record.turns, tools=record.tools, delete_after=record.ended_at
    )
