"""Reservations in DynamoDB: a new call takes its seat and its slot in one transaction, or is refused with what holds them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from nexus.adapters import rules
from nexus.adapters.aws import keys, places
from nexus.adapters.aws import ledger_items as as_items
from nexus.adapters.aws.keys import TenantContext
from nexus.adapters.aws.ledger_calls import TRIES, HeldCalls, contended, free_at
from nexus.adapters.aws.ledger_items import HeldCall
from nexus.adapters.aws.places import microseconds
from nexus.adapters.aws.reservation import View, Wish, fair_slot, holds_of, repeated
from nexus.adapters.aws.table import ABSENT, Range, Table, When, Write
from nexus.adapters.waiting import with_wait
from nexus.domain.call import CallEntry, CallOrder
from nexus.domain.tenancy import HEAD_KEY
from nexus.errors import QuotaExceeded
from nexus.ports.calls import CallRef

_MOST_PROOFS = 50
"""A transaction has a hundred parts at most."""


class Reservations:
    """Seats and slots for new calls.

    Args:
        table: the one table.
        fleet: whose slots are given.
        calls: reads and writes them.
    """

    def __init__(self, table: Table, fleet: str, calls: HeldCalls) -> None:
        self._table = table
        self._fleet = fleet
        self._calls = calls

    async def reserve(self, wish: Wish) -> CallEntry:
        """What ``nexus.ports.calls.CallLedger.reserve`` promises."""
        order = wish.order
        unplaced = ""
        for number in range(TRIES):
            # Most keys are new: at first that is believed, and the transaction finds out.
            view = await self._view(order, order.idempotency_key if number else "")
            before = repeated(view, wish, unplaced)
            if before is not None:
                entry = rules.renewed(before.entry, order, wish.nonce, wish.lease_expires_at)
                kept = await self._standing_together(self._calls.kept(before, entry), wish)
                if all(kept):
                    return entry
                unplaced = entry.call_id if kept[0] else unplaced
                continue
            try:
                call = self._placed(wish, view, salt=f"{wish.call_id}/{number}")
            except QuotaExceeded as refusal:
                if not number and await self._is_known(order):  # no room for a new call, but this one may have its room
                    continue
                raise with_wait(refusal, order, holds_of(view, wish.now), wish.now) from None
            if all(await self._standing_together(self._taken(call, wish, view), wish)):
                return call.entry
        raise contended()

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
            self._calls.all(Range(keys.fleet(self._fleet))), self._calls.all(Range(keys.seats(of))), self._requested(of, idempotency_key)
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
        return await self._calls.find(CallRef(of.tenant_id, call_id)), call_id

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
        table, free = self._table, free_at(microseconds(wish.now))
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


def _of_version(version: int, now: datetime) -> When:
    """A document of this version; one that has expired is none."""
    if version:
        return When("#version = :version", {":version": version})
    return When("attribute_not_exists(#pk) OR #expires_us <= :now", {":now": microseconds(now)})
