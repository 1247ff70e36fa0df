"""What happens once a call is archived: it becomes findable, and its lead is read."""

from __future__ import annotations

import logging

from control_plane.services.leads import LeadDesk
from control_plane.services.sessions import SessionDesk
from nexus.context import working_for
from nexus.domain.lead import Analysis
from nexus.errors import NexusError
from nexus.ports import SessionArchive, SessionIndex, TenantStore

_log = logging.getLogger("nexus.after_call")


class AfterCall:
    """Finishes archived calls; every step may be repeated.

    Args:
        archive: where records come from.
        index: asked which calls are findable already.
        sessions: makes them findable.
        leads: reads their leads.
        tenants: whose archives are caught up with.
    """

    def __init__(self, archive: SessionArchive, index: SessionIndex, sessions: SessionDesk, leads: LeadDesk, tenants: TenantStore) -> None:
        self._archive = archive
        self._index = index
        self._sessions = sessions
        self._leads = leads
        self._tenants = tenants

    async def finish(self, tenant_id: str, call_id: str) -> Analysis:
        """Index the call, read its lead, and note the outcome in the index.

        Cancelled or broken off, it can be begun again: nothing is done twice. Raises NotFound ``session_not_found``.
        """
        with working_for(tenant_id=tenant_id, call_id=call_id):
            record = await self._archive.get(tenant_id, call_id)
            if not await self._index.has(tenant_id, call_id):
                await self._sessions.index(record)
            analysis = await self._leads.extract(record, await self._archive.get_private(tenant_id, call_id))
            await self._sessions.index(record, outcome=analysis.lead.call_outcome)
            return analysis

    async def catch_up(self) -> int:
        """Finish every archived call that is not indexed or has no lead (for start-up); how many there were.

        One that cannot be finished is logged and left for the next start.
        """
        finished = 0
        for tenant_id in await self._tenants.list_ids():
            with working_for(tenant_id=tenant_id):
                for call_id in await self._archive.list_calls(tenant_id):
                    finished += await self._caught_up(tenant_id, call_id)
        return finished

    async def _caught_up(self, tenant_id: str, call_id: str) -> bool:
        if await self._index.has(tenant_id, call_id) and await self._leads.has(tenant_id, call_id):
            return False
        try:
            await self.finish(tenant_id, call_id)
        except NexusError as error:
            _log.warning("call %s of %s cannot be finished: %s", call_id, tenant_id, error)
            return False
        return True
