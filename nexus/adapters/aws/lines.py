"""Lines for living calls in the table: they lie in the call's item, and a flag in its slot says so to the heartbeat of its process."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from nexus.adapters import rules
from nexus.adapters.aws import keys
from nexus.adapters.aws import ledger_items as as_items
from nexus.adapters.aws.keys import TenantContext
from nexus.adapters.aws.ledger_items import HeldCall
from nexus.adapters.aws.places import Place
from nexus.adapters.aws.table import Table, When
from nexus.domain.call import CallEntry, LineOrder
from nexus.errors import NotFound, StoreError, Unavailable
from nexus.ports.calls import CallLinesTaken

_TRIES = 8


class DynamoCallLines:
    """Puts lines, and takes them: each is given to one heartbeat at most, for it is given only when its removal is certain."""

    def __init__(self, table: Table, fleet: str) -> None:
        self._table = table
        self._fleet = fleet

    async def put(self, tenant_id: str, call_id: str, line: LineOrder) -> CallEntry:
        """See ``CallLines.request_line``."""
        for _ in range(_TRIES):
            call = await self._find(tenant_id, call_id)
            if call is None:
                raise NotFound("call_not_found", "There is no such call.")
            wanted = replace(call, entry=rules.with_line(call.entry, line))
            if await self._write(wanted):
                return wanted.entry
        raise Unavailable("store_unavailable", "Too many write to the same call at once; try again.")

    async def take(self, slots: Iterable[Place]) -> tuple[CallLinesTaken, ...]:
        """What lies there for these calls. What cannot be taken now is taken by a later heartbeat, or never."""
        taken: list[CallLinesTaken] = []
        for slot in slots:
            if slot.active and slot.lines:
                with suppress(StoreError):
                    taken += await self._taken(slot)
        return tuple(taken)

    async def _taken(self, slot: Place) -> list[CallLinesTaken]:
        call = await self._find(slot.tenant_id, slot.call_id)
        if call is None or call.entry.state != "active":
            return []
        lines = call.entry.lines
        emptied = replace(call, entry=call.entry.model_copy(update={"lines": ()}))
        return [CallLinesTaken(slot.call_id, lines)] if await self._write(emptied) and lines else []

    async def _find(self, tenant_id: str, call_id: str) -> HeldCall | None:
        found = await self._table.get(keys.call(TenantContext(tenant_id), call_id))
        return None if found is None else as_items.read_call(found)

    async def _write(self, call: HeldCall) -> bool:
        unchanged = When("#revision = :read", {":read": call.revision})
        own = When("#call_id = :own", {":own": call.entry.call_id})
        return all(
            await self._table.write_together(
                [
                    self._table.put_part(as_items.call_item(call), unchanged),
                    self._table.put_part(as_items.slot_item(call, self._fleet), own),
                ]
            )
        )
