"""The ledger's values as items, and back: processes, places, calls, requests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from nexus.adapters.aws import bodies, keys
from nexus.adapters.aws.items import Item, Plain, item
from nexus.adapters.aws.keys import Key, TenantContext
from nexus.adapters.aws.places import Place, held_until_us, microseconds
from nexus.adapters.aws.schema import TTL_ATTRIBUTE
from nexus.adapters.waiting import latest_end
from nexus.domain.call import CallEntry, MediaProcess

LAPSED_KEPT = timedelta(hours=1)
"""A ready call whose lease has passed; it holds the caller's number, so it goes soon."""
ENDED_KEPT = timedelta(days=30)
REQUESTS_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class HeldCall:
    """A call with the numbers of its places, and the count of its writings, which the next writing must name."""

    entry: CallEntry
    seat: int
    slot: int
    revision: int = 0

    @property
    def of(self) -> TenantContext:
        """Whose call it is."""
        return TenantContext(self.entry.order.tenant_id)

    @property
    def key(self) -> Key:
        return keys.call(self.of, self.entry.call_id)

    @property
    def seat_key(self) -> Key:
        return keys.seat(self.of, self.seat)

    def slot_key(self, fleet: str) -> Key:
        """Its slot, among the places of the fleet."""
        return keys.slot(fleet, self.entry.process_id, self.slot)


def call_item(call: HeldCall) -> Item:
    """The next writing of a call."""
    values: dict[str, Plain] = {"body": call.entry.model_dump_json(), "seat": call.seat, "slot": call.slot, "revision": call.revision + 1}
    kept = LAPSED_KEPT if call.entry.state == "ready" else ENDED_KEPT
    return item(call.key, **values, **{TTL_ATTRIBUTE: _seconds(call.entry.lease_expires_at + kept)})


def read_call(found: Item) -> HeldCall:
    return HeldCall(bodies.read(CallEntry, found), int(found["seat"]), int(found["slot"]), revision=int(found["revision"]))


def request_item(call: HeldCall) -> Item:
    """Which call the request's Idempotency-Key stands for."""
    entry = call.entry
    until = {TTL_ATTRIBUTE: _seconds(entry.created_at + REQUESTS_KEPT)}
    return item(keys.call_request(call.of, entry.order.idempotency_key), call_id=entry.call_id, **until)


def seat_item(call: HeldCall) -> Item:
    return item(call.seat_key, **_holder(call.entry))


def slot_item(call: HeldCall, fleet: str) -> Item:
    return item(call.slot_key(fleet), **_holder(call.entry), end_requested=call.entry.end_requested, lines=bool(call.entry.lines))


def process_item(process: MediaProcess, fleet: str) -> Item:
    return item(keys.process(fleet, process.process_id), body=process.model_dump_json(), seen_us=microseconds(process.seen_at))


def read_processes(found: Iterable[Item]) -> dict[str, MediaProcess]:
    """The processes among a fleet's items, by id."""
    ours = (bodies.read(MediaProcess, one) for one in found if str(one["sk"]).startswith(keys.PROCESSES_PREFIX))
    return {process.process_id: process for process in ours}


def read_slots(found: Iterable[Item]) -> list[Place]:
    """The slots among a fleet's items."""
    return [read_place(one) for one in found if str(one["sk"]).startswith(keys.SLOTS_PREFIX)]


def read_place(found: Item) -> Place:
    """A seat or a slot."""
    return Place(
        index=int(str(found["sk"]).rsplit("#", 1)[-1]),
        call_id=str(found["call_id"]),
        tenant_id=str(found["tenant_id"]),
        process_id=str(found["process_id"]),
        until_us=int(found["until_us"]),
        ends_us=int(found.get("ends_us", 0)),
        end_requested=bool(found.get("end_requested", False)),
        lines=bool(found.get("lines", False)),
        weight=int(found.get("weight", 1)),
    )


def _holder(entry: CallEntry) -> dict[str, str | int]:
    """A lapsed hold is free by its time; DynamoDB deletes its item some day."""
    lapses = {} if entry.state == "active" else {TTL_ATTRIBUTE: _seconds(entry.lease_expires_at + LAPSED_KEPT)}
    return {
        "call_id": entry.call_id,
        "tenant_id": entry.order.tenant_id,
        "process_id": entry.process_id,
        "until_us": held_until_us(entry),
        "ends_us": microseconds(latest_end(entry)),
        "weight": entry.order.weight,
        **lapses,
    }


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
