"""The capacity ledger in DynamoDB: a call, its seat and its slot are written in one transaction or not at all.

What a method decides it decides by the rules that all ledgers share, from items it has just read; the conditions of its transaction
then hold it to what it read. Where they do not hold, somebody was faster, and it reads anew.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from nexus.adapters import rules
from nexus.adapters.aws import keys
from nexus.adapters.aws import ledger_items as as_items
from nexus.adapters.aws.keys import TenantContext
from nexus.adapters.aws.ledger_calls import TRIES, HeldCalls, contended, held_by, no_call
from nexus.adapters.aws.ledger_reservations import Reservations
from nexus.adapters.aws.lines import DynamoCallLines
from nexus.adapters.aws.places import microseconds
from nexus.adapters.aws.reservation import Wish
from nexus.adapters.aws.table import Range, Table, When
from nexus.domain.call import CallEntry, CallOrder, EndReason, LineOrder, MediaProcess
from nexus.errors import NotAuthorised, StoreError, Unavailable
from nexus.ports.calls import CallRef, LedgerOrders


class DynamoCallLedger:
    """A process keeps one of these as long as it lives: what its ledger could not say, or never heard answered, the next heartbeat
    settles, so that a bad moment of the network costs a slot for seconds and not for ever."""

    def __init__(self, table: Table, fleet: str = "main") -> None:
        self._table = table
        self._fleet = fleet
        self._calls = HeldCalls(table, fleet)
        self._reservations = Reservations(table, fleet, self._calls)
        self._lines = DynamoCallLines(table, fleet)
        self._unsettled: dict[CallRef, EndReason | None] = {}
        """Calls whose release failed, with the reason; None: whose redemption was asked for and not answered."""

    async def reserve(
        self,
        order: CallOrder,
        *,
        call_id: str,
        nonce: str,
        tenant_limit: int,
        lease_s: int,
        now: datetime,
        standing: int | None = None,
    ) -> CallEntry:
        wish = Wish(order, call_id, nonce, tenant_limit, now + timedelta(seconds=lease_s), now, standing)
        return await self._reservations.reserve(wish)

    async def redeem(self, tenant_id: str, call_id: str, *, nonce: str, process_id: str, now: datetime) -> CallEntry:
        which = CallRef(tenant_id, call_id)
        try:
            entry = await self._redeem(which, nonce, process_id, now)
        except (Unavailable, asyncio.CancelledError):  # it may have happened all the same: then nobody carries the call
            self._unsettled.setdefault(which, None)
            raise
        self._unsettled.pop(which, None)
        return entry

    async def _redeem(self, which: CallRef, nonce: str, process_id: str, now: datetime) -> CallEntry:
        for _ in range(TRIES):
            call = await self._calls.find(which)
            entry = rules.redeemed(None if call is None else call.entry, nonce, process_id, now)
            if call is None:
                raise no_call()
            if process_id == call.entry.process_id:
                kept = await self._table.write_together(self._calls.kept(call, entry))
                lost = kept[0] and not all(kept)
            else:
                kept = await self._table.write_together(await self._calls.moved(call, entry, now))
                lost = kept[0] and not all(kept[:3])
            if all(kept):
                return entry
            if lost:
                raise NotAuthorised("ticket_expired", "The ticket's seat has been given back; ask POST /calls again.")
        raise contended()

    async def release(self, tenant_id: str, call_id: str, reason: EndReason, now: datetime) -> bool:
        which = CallRef(tenant_id, call_id)
        try:
            ended = await self._release(which, reason)
        except (Unavailable, asyncio.CancelledError):
            self._unsettled[which] = reason
            raise
        self._unsettled.pop(which, None)
        return ended

    async def _release(self, which: CallRef, reason: EndReason) -> bool:
        for _ in range(TRIES):
            call = await self._calls.find(which)
            if call is None or call.entry.state == "ended":
                return False
            if await self._calls.put_over(call, rules.ended(call.entry, reason)):
                return True
        raise contended()

    async def get(self, tenant_id: str, call_id: str) -> CallEntry:
        return (await self._calls.of_tenant(tenant_id, call_id)).entry

    async def request_end(self, tenant_id: str, call_id: str) -> CallEntry:
        for _ in range(TRIES):
            call = await self._calls.of_tenant(tenant_id, call_id)
            wanted = replace(call, entry=rules.asked_to_end(call.entry))
            if call.entry.state == "ready":
                if await self._calls.put_over(call, wanted.entry):
                    return wanted.entry
                continue
            writes = [self._calls.written(wanted)]
            if call.entry.state == "active":
                writes.append(self._table.put_part(as_items.slot_item(wanted, self._fleet), held_by(call_id)))
            if all(await self._table.write_together(writes)):
                return wanted.entry
        raise contended()

    async def request_line(self, tenant_id: str, call_id: str, line: LineOrder) -> CallEntry:
        return await self._lines.put(tenant_id, call_id, line)

    async def erase_tenant(self, tenant_id: str) -> bool:
        of = TenantContext(tenant_id)
        living = 0
        for call in map(as_items.read_call, await self._calls.all(Range(keys.calls(of)))):
            call_id = call.entry.call_id
            if call.entry.state == "active":
                await self.request_end(tenant_id, call_id)
                living += 1
                continue
            await self._release(CallRef(tenant_id, call_id), EndReason.POLICY)
            await self._table.delete_many([call.key])
        if living:
            return False
        await self._table.erase(keys.call_requests(of))
        return True

    # --- heartbeat ---

    async def heartbeat(self, process: MediaProcess) -> LedgerOrders:
        await self._table.put(as_items.process_item(process, self._fleet))
        await self._settle(process.seen_at)
        own, others = await asyncio.gather(
            self._calls.slots(process.process_id), self._calls.all(Range(keys.fleet(self._fleet), keys.PROCESSES_PREFIX))
        )
        processes = as_items.read_processes(others)
        now = microseconds(process.seen_at)
        orphaned: list[CallRef] = []
        for dead in (one for one in processes.values() if not rules.is_alive(one, process.seen_at)):
            active = [CallRef(slot.tenant_id, slot.call_id) for slot in await self._calls.slots(dead.process_id) if slot.active]
            orphaned += active
            if not active:
                await self._forget(dead)
        waiting = [slot for slot in own if not slot.active and slot.until_us > now]
        found = await self._table.get_many(keys.call(TenantContext(slot.tenant_id), slot.call_id) for slot in waiting)
        return LedgerOrders(
            to_end=tuple(slot.call_id for slot in own if slot.active and slot.end_requested),
            ready=tuple(call.entry for call in map(as_items.read_call, found) if call.entry.state == "ready"),
            orphaned=tuple(orphaned),
            lines=await self._lines.take(own),
        )

    async def _settle(self, now: datetime) -> None:
        """Say again what has not been heard. What is not heard this time either waits for the next heartbeat, and holds up nothing."""
        for which, reason in [*self._unsettled.items()]:
            with suppress(StoreError):
                if reason is not None or await self._has_begun(which, now):
                    await self.release(which.tenant_id, which.call_id, reason or EndReason.CALLER_LOST, now)

    async def _has_begun(self, which: CallRef, now: datetime) -> bool:
        """Whether a redemption that nobody heard of has happened. Where it cannot happen any more, it is forgotten."""
        call = await self._calls.find(which)
        if call is None or call.entry.state == "ended" or (call.entry.state == "ready" and call.entry.lease_expires_at <= now):
            del self._unsettled[which]
        return call is not None and call.entry.state == "active"

    async def _forget(self, dead: MediaProcess) -> None:
        """A dead process without calls has nothing to tell: unless it has come back, its item goes."""
        unseen = When("#seen_us = :seen", {":seen": microseconds(dead.seen_at)})
        await self._table.delete(keys.process(self._fleet, dead.process_id), unseen)
