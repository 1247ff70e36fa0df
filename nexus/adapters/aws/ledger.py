"""The capacity ledger in DynamoDB: a call, its seat and its slot are written in one transaction or not at all.

What a method decides it decides by the rules that all ledgers share, from items it has just read; the conditions of its transaction
then hold it to what it read. Where they do not hold, somebody was faster, and it reads anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from nexus.adapters import rules
from nexus.adapters.aws import keys, places
from nexus.adapters.aws import ledger_items as as_items
from nexus.adapters.aws.items import Item
from nexus.adapters.aws.keys import TenantContext
from nexus.adapters.aws.ledger_items import HeldCall
from nexus.adapters.aws.lines import DynamoCallLines
from nexus.adapters.aws.places import Place, microseconds
from nexus.adapters.aws.reservation import View, Wish, fair_slot, holds_of, repeated
from nexus.adapters.aws.table import ABSENT, Range, Table, When, Write
from nexus.adapters.waiting import with_wait
from nexus.domain.call import CallEntry, CallOrder, EndReason, LineOrder, MediaProcess
from nexus.domain.tenancy import HEAD_KEY
from nexus.errors import NotAuthorised, NotFound, QuotaExceeded, StoreError, Unavailable
from nexus.ports.calls import CallRef, LedgerOrders

_TRIES = 25
_MOST_PROOFS = 50
"""A transaction has a hundred parts at most."""


class DynamoCallLedger:
    """A process keeps one of these as long as it lives: what its ledger could not say, or never heard answered, the next heartbeat
    settles, so that a bad moment of the network costs a slot for seconds and not for ever."""

    def __init__(self, table: Table, fleet: str = "main") -> None:
        self._table = table
        self._fleet = fleet
        self._lines = DynamoCallLines(table, fleet)
        self._unsettled: dict[CallRef, EndReason | None] = {}
        """Calls whose release failed, with the reason; None: whose redemption was asked for and not answered."""

    # --- reserve ---

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
        unplaced = ""
        for number in range(_TRIES):
            # Most keys are new: at first that is believed, and the transaction finds out.
            view = await self._view(order, order.idempotency_key if number else "")
            before = repeated(view, wish, unplaced)
            if before is not None:
                entry = rules.renewed(before.entry, order, nonce, wish.lease_expires_at)
                kept = await self._standing_together(self._kept(before, entry), wish)
                if all(kept):
                    return entry
                unplaced = entry.call_id if kept[0] else unplaced
                continue
            try:
                call = self._placed(wish, view, salt=f"{call_id}/{number}")
            except QuotaExceeded as refusal:
                if not number and await self._is_known(order):  # no room for a new call, but this one may have its room
                    continue
                raise with_wait(refusal, order, holds_of(view, wish.now), now) from None
            if all(await self._standing_together(self._taken(call, wish, view), wish)):
                return call.entry
        raise _contended()

    async def _standing_together(self, writes: Sequence[Write], wish: Wish) -> tuple[bool, ...]:
        """Write all together, and only while the tenant's head is the one that the order was made by. Raises Conflict ``conflict``."""
        if wish.standing is None:
            return await self._table.write_together(writes)
        head = keys.document(wish.order.tenant_id, HEAD_KEY)
        kept = await self._table.write_together([*writes, self._table.check_part(head, _of_version(wish.standing, wish.now))])
        if not kept[-1]:
            raise rules.tenant_changed()
        return kept[:-1]

    async def _view(self, order: CallOrder, idempotency_key: str) -> View:
        of = TenantContext(order.tenant_id)
        fleet, seats, (requested, request_call_id) = await asyncio.gather(
            self._all(Range(keys.fleet(self._fleet))), self._all(Range(keys.seats(of))), self._requested(of, idempotency_key)
        )
        return View(
            processes=as_items.read_processes(fleet),
            slots=as_items.read_slots(fleet),
            seats=[as_items.read_place(one) for one in seats],
            requested=requested,
            request_call_id=request_call_id,
        )

    async def _is_known(self, order: CallOrder) -> bool:
        """Whether the order's Idempotency-Key has been used."""
        of = TenantContext(order.tenant_id)
        return bool(order.idempotency_key) and await self._table.get(keys.call_request(of, order.idempotency_key)) is not None

    async def _requested(self, of: TenantContext, idempotency_key: str) -> tuple[HeldCall | None, str]:
        found = await self._table.get(keys.call_request(of, idempotency_key)) if idempotency_key else None
        if found is None:
            return None, ""
        call_id = str(found["call_id"])
        return await self._call(of, call_id), call_id

    def _placed(self, wish: Wish, view: View, salt: str) -> HeldCall:
        """The call in a free seat and a free slot. Raises QuotaExceeded."""
        seats = [seat for seat in view.seats if seat.until_us > microseconds(wish.now)]
        used = sum(places.holds(seat, view.processes, wish.now) for seat in seats)
        rules.check_tenant_room(wish.order, used, wish.tenant_limit)
        process_id, slot = fair_slot(wish, view, salt)
        entry = CallEntry(
            call_id=wish.call_id,
            order=wish.order,
            nonce=wish.nonce,
            process_id=process_id,
            created_at=wish.now,
            lease_expires_at=wish.lease_expires_at,
            seats_used=used + 1,
            process_url=view.processes[process_id].url,
        )
        seat = places.chosen(places.free(wish.tenant_limit - used, {seat.index for seat in seats}), salt)
        return HeldCall(entry, seat, slot)

    def _taken(self, call: HeldCall, wish: Wish, view: View) -> list[Write]:
        """The transaction that takes seat and slot for a new call."""
        table, free = self._table, _free_at(microseconds(wish.now))
        writes = [
            table.put_part(as_items.call_item(call), ABSENT),
            table.put_part(as_items.seat_item(call), free),
            table.put_part(as_items.slot_item(call, self._fleet), free),
            *self._still_dead(wish, view),
        ]
        if wish.order.idempotency_key:
            same = When("#call_id = :before", {":before": view.request_call_id}) if view.request_call_id else ABSENT
            writes.append(table.put_part(as_items.request_item(call), same))
        return writes

    def _still_dead(self, wish: Wish, view: View) -> list[Write]:
        """Seats of dead processes were not counted: the processes must be dead to the end."""
        now = microseconds(wish.now)
        left = {seat.process_id for seat in view.seats if seat.until_us > now and not places.holds(seat, view.processes, wish.now)}
        unseen = When("attribute_not_exists(#pk) OR #seen_us < :alive", {":alive": microseconds(wish.now - rules.DEAD_AFTER)})
        return [self._table.check_part(keys.process(self._fleet, process_id), unseen) for process_id in sorted(left)[:_MOST_PROOFS]]

    # --- redeem, release, end ---

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
        for _ in range(_TRIES):
            call = await self._find(which)
            entry = rules.redeemed(None if call is None else call.entry, nonce, process_id, now)
            if call is None:
                raise _no_call()
            if process_id == call.entry.process_id:
                kept = await self._table.write_together(self._kept(call, entry))
                lost = kept[0] and not all(kept)
            else:
                kept = await self._table.write_together(await self._moved(call, entry, now))
                lost = kept[0] and not all(kept[:3])
            if all(kept):
                return entry
            if lost:
                raise NotAuthorised("ticket_expired", "The ticket's seat has been given back; ask POST /calls again.")
        raise _contended()

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
        for _ in range(_TRIES):
            call = await self._find(which)
            if call is None or call.entry.state == "ended":
                return False
            if await self._put_over(call, rules.ended(call.entry, reason)):
                return True
        raise _contended()

    async def _put_over(self, call: HeldCall, over: CallEntry) -> bool:
        """Write the call that was read as over, and give its places back. False: somebody has written it meanwhile."""
        own = _held_by(over.call_id)
        parts = [self._table.delete_part(call.seat_key, own), self._table.delete_part(call.slot_key(self._fleet), own)]
        while True:
            kept = await self._table.write_together([self._written(replace(call, entry=over)), *parts])
            if all(kept) or not kept[0]:
                return kept[0]
            # a place is somebody else's by now: only the rest is given back
            parts = [part for part, still in zip(parts, kept[1:], strict=True) if still]

    async def get(self, tenant_id: str, call_id: str) -> CallEntry:
        return (await self._of_tenant(tenant_id, call_id)).entry

    async def request_end(self, tenant_id: str, call_id: str) -> CallEntry:
        for _ in range(_TRIES):
            call = await self._of_tenant(tenant_id, call_id)
            wanted = replace(call, entry=rules.asked_to_end(call.entry))
            if call.entry.state == "ready":
                if await self._put_over(call, wanted.entry):
                    return wanted.entry
                continue
            writes = [self._written(wanted)]
            if call.entry.state == "active":
                writes.append(self._table.put_part(as_items.slot_item(wanted, self._fleet), _held_by(call_id)))
            if all(await self._table.write_together(writes)):
                return wanted.entry
        raise _contended()

    async def request_line(self, tenant_id: str, call_id: str, line: LineOrder) -> CallEntry:
        return await self._lines.put(tenant_id, call_id, line)

    async def erase_tenant(self, tenant_id: str) -> bool:
        of = TenantContext(tenant_id)
        living = 0
        for call in map(as_items.read_call, await self._all(Range(keys.calls(of)))):
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
            self._slots(process.process_id), self._all(Range(keys.fleet(self._fleet), keys.PROCESSES_PREFIX))
        )
        processes = as_items.read_processes(others)
        now = microseconds(process.seen_at)
        orphaned: list[CallRef] = []
        for dead in (one for one in processes.values() if not rules.is_alive(one, process.seen_at)):
            active = [CallRef(slot.tenant_id, slot.call_id) for slot in await self._slots(dead.process_id) if slot.active]
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
        call = await self._find(which)
        if call is None or call.entry.state == "ended" or (call.entry.state == "ready" and call.entry.lease_expires_at <= now):
            del self._unsettled[which]
        return call is not None and call.entry.state == "active"

    async def _forget(self, dead: MediaProcess) -> None:
        """A dead process without calls has nothing to tell: unless it has come back, its item goes."""
        unseen = When("#seen_us = :seen", {":seen": microseconds(dead.seen_at)})
        await self._table.delete(keys.process(self._fleet, dead.process_id), unseen)

    async def _slots(self, process_id: str) -> list[Place]:
        return as_items.read_slots(await self._all(Range(keys.fleet(self._fleet), keys.slots(process_id))))

    # --- reading and writing calls ---

    async def _find(self, which: CallRef) -> HeldCall | None:
        return await self._call(TenantContext(which.tenant_id), which.call_id)

    async def _call(self, of: TenantContext, call_id: str) -> HeldCall | None:
        found = await self._table.get(keys.call(of, call_id))
        return None if found is None else as_items.read_call(found)

    async def _of_tenant(self, tenant_id: str, call_id: str) -> HeldCall:
        call = await self._call(TenantContext(tenant_id), call_id)
        if call is None:
            raise _no_call()
        return call

    async def _all(self, wanted: Range) -> list[Item]:
        return [one async for one in self._table.query(wanted)]

    def _written(self, call: HeldCall) -> Write:
        """The next writing of a call that has been read."""
        return self._table.put_part(as_items.call_item(call), When("#revision = :read", {":read": call.revision}))

    def _kept(self, call: HeldCall, entry: CallEntry) -> Sequence[Write]:
        """The transaction that changes a call which must still hold its seat and its slot."""
        after, own = replace(call, entry=entry), _held_by(entry.call_id)
        return [
            self._written(after),
            self._table.put_part(as_items.seat_item(after), own),
            self._table.put_part(as_items.slot_item(after, self._fleet), own),
        ]

    async def _moved(self, call: HeldCall, entry: CallEntry, now: datetime) -> Sequence[Write]:
        """Like ``_kept``, for a call that another process than the chosen one takes: it holds a slot there, if need be one too many."""
        at = microseconds(now)
        held = {slot.index for slot in await self._slots(entry.process_id) if slot.until_us > at}
        after, own = replace(call, entry=entry, slot=places.free(1, held)[0]), _held_by(entry.call_id)
        return [
            self._written(after),
            self._table.put_part(as_items.seat_item(after), own),
            self._table.delete_part(call.slot_key(self._fleet), own),
            self._table.put_part(as_items.slot_item(after, self._fleet), _free_at(at)),
        ]


def _free_at(now_us: int) -> When:
    return When("attribute_not_exists(#pk) OR #until_us <= :now", {":now": now_us})


def _of_version(version: int, now: datetime) -> When:
    """A document of this version; one that has expired is none."""
    if version:
        return When("#version = :version", {":version": version})
    return When("attribute_not_exists(#pk) OR #expires_us <= :now", {":now": microseconds(now)})


def _held_by(call_id: str) -> When:
    return When("#call_id = :own", {":own": call_id})


def _no_call() -> NotFound:
    return NotFound("call_not_found", "There is no such call.")


def _contended() -> Unavailable:
    return Unavailable("store_unavailable", "Too many ask for the same seats at once; try again.")
