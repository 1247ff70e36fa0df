"""Where a person stands with each lead: apart from what a model reads, which is replaced by the next reading."""

from __future__ import annotations

from collections.abc import Mapping

from nexus.clock import Clock
from nexus.domain.lead import LeadStatus
from nexus.ports.documents import DocumentStore, Put

_PREFIX = "lead-status/"
_MOST = 101  # a page of leads and the one beyond it
_BEYOND = "~"  # sorts after every character of an id


class LeadStatuses:
    """Reads and writes statuses; a lead without one is new.

    Args:
        documents: where they lie.
        clock: wall time.
    """

    def __init__(self, documents: DocumentStore, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock

    async def get(self, tenant_id: str, call_id: str) -> LeadStatus:
        """The status of a call's lead."""
        found = await self._documents.get(tenant_id, _PREFIX + call_id)
        return LeadStatus(found.body["status"]) if found else LeadStatus.NEW

    async def put(self, tenant_id: str, call_id: str, status: LeadStatus) -> None:
        """Write it; the last writer counts."""
        body = {"status": status.value, "updated_at": self._clock.now().isoformat()}
        await self._documents.write(tenant_id, Put(_PREFIX + call_id, body))

    async def between(self, tenant_id: str, oldest: str, newest: str) -> Mapping[str, LeadStatus]:
        """The statuses of the calls from ``oldest`` to ``newest``, by call id, in one request."""
        rows = await self._documents.list(tenant_id, _PREFIX, limit=_MOST, after=_PREFIX + newest + _BEYOND, newest_first=True)
        named = {row.key.removeprefix(_PREFIX): row.body for row in rows}
        return {call_id: LeadStatus(body["status"]) for call_id, body in named.items() if call_id >= oldest}
