"""Calls with their seats and slots in the ledger's table: read, and written together or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from nexus.adapters.aws import keys, places
from nexus.adapters.aws import ledger_items as as_items
from nexus.adapters.aws.items import Item
from nexus.adapters.aws.keys import TenantContext
from nexus.adapters.aws.ledger_items import HeldCall
from nexus.adapters.aws.places import Place, microseconds
from nexus.adapters.aws.table import Range, Table, When, Write
from nexus.domain.call import CallEntry
from nexus.errors import NotFound, Unavailable
from nexus.ports.calls import CallRef

TRIES = 25
"""So often a writer reads anew before it gives up."""


class HeldCalls:
    """What the ledger's methods read and write by.

    Args:
        table: the one table.
        fleet: whose slots they are.
    """

    def __init__(self, table: Table, fleet: str) -> None:
        self._table = table
        self._fleet = fleet

    async def find(self, which: CallRef) -> HeldCall | None:
        """A call; None where there is none."""
        found = await self._table.get(keys.call(TenantContext(which.tenant_id), which.call_id))
        return None if found is None else as_items.read_call(found)

    async def of_tenant(self, tenant_id: str, call_id: str) -> HeldCall:
        """A call. Raises NotFound ``call_not_found``."""
        call = await self.find(CallRef(tenant_id, call_id))
        if call is None:
            raise no_call()
        return call

    async def slots(self, process_id: str) -> list[Place]:
        """The slots of a process that are or were taken."""
        return as_items.read_slots(await self.all(Range(keys.fleet(self._fleet), keys.slots(process_id))))

    async def all(self, wanted: Range) -> list[Item]:
        """Every item of a range, with all its pages."""
        return [one async for one in self._table.query(wanted)]

    def written(self, call: HeldCall) -> Write:
        """The next writing of a call that has been read."""
        return self._table.put_part(as_items.call_item(call), When("#revision = :read", {":read": call.revision}))

    def kept(self, call: HeldCall, entry: CallEntry) -> Sequence[Write]:
        """The transaction that changes a call which must still hold its seat and its slot."""
        after, own = replace(call, entry=entry), held_by(entry.call_id)
        return [
            self.written(after),
            self._table.put_part(as_items.seat_item(after), own),
            self._table.put_part(as_items.slot_item(after, self._fleet), own),
        ]

    async def moved(self, call: HeldCall, entry: CallEntry, now: datetime) -> Sequence[Write]:
        """Like ``kept``, for a call that another process than the chosen one takes: it holds a slot there, if need be one too many."""
        at = microseconds(now)
        held = {slot.index for slot in await self.slots(entry.process_id) if slot.until_us > at}
        after, own = replace(call, entry=entry, slot=places.free(1, held)[0]), held_by(entry.call_id)
        return [
            self.written(after),
            self._table.put_part(as_items.seat_item(after), own),
            self._table.delete_part(call.slot_key(self._fleet), own),
            self._table.put_part(as_items.slot_item(after, self._fleet), free_at(at)),
        ]

    async def put_over(self, call: HeldCall, over: CallEntry) -> bool:
        """Write the call that was read as over, and give its places back. False: somebody has written it meanwhile."""
        own = held_by(over.call_id)
        parts = [self._table.delete_part(call.seat_key, own), self._table.delete_part(call.slot_key(self._fleet), own)]
        while True:
            kept = await self._table.write_together([self.written(replace(call, entry=over)), *parts])
            if all(kept) or not kept[0]:
                return kept[0]
            # a place is somebody else's by now: only the rest is given back
            parts = [part for part, still in zip(parts, kept[1:], strict=True) if still]


def free_at(now_us: int) -> When:
    """A seat or slot that nobody holds any more."""
    return When("attribute_not_exists(#pk) OR #until_us <= :now", {":now": now_us})


def held_by(call_id: str) -> When:
    """A seat or slot that this call holds."""
    return When("#call_id = :own", {":own": call_id})


def no_call() -> NotFound:
    """What is said of a call that there is not."""
    return NotFound("call_not_found", "There is no such call.")


def contended() -> Unavailable:
    """What is said when ``TRIES`` were not enough."""
    return Unavailable("store_unavailable", "Too many ask for the same seats at once; try again.")
