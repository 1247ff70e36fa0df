"""What a reservation is decided by: the wish, what was read for it, and the places that it may take. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from nexus.adapters import rules
from nexus.adapters.aws import places
from nexus.adapters.aws.ledger_items import HeldCall
from nexus.adapters.aws.places import Place, microseconds
from nexus.adapters.waiting import Hold
from nexus.domain.call import CallOrder, MediaProcess


@dataclass(frozen=True, slots=True)
class Wish:
    """A reservation that is asked for."""

    order: CallOrder
    call_id: str
    nonce: str
    tenant_limit: int
    lease_expires_at: datetime
    now: datetime
    standing: int | None


@dataclass(frozen=True, slots=True)
class View:
    """What a reservation decides by."""

    processes: dict[str, MediaProcess]
    slots: list[Place]
    seats: list[Place]
    requested: HeldCall | None
    """The call that the Idempotency-Key stands for."""
    request_call_id: str
    """Its id, also when the call itself is gone; empty when the key is new."""


def fair_slot(wish: Wish, view: View, salt: str) -> tuple[str, int]:
    """A free slot that the tenant may take, where most are free. All who see the same choose among the same few, so that racers of one
    tenant together leave what is not its own. Raises QuotaExceeded."""
    processes = [*view.processes.values()]
    slots = [slot for slot in view.slots if slot.until_us > microseconds(wish.now)]
    process = places.chosen_process(processes, Counter(slot.process_id for slot in slots), wish.now, salt)
    held = [rules.HeldSlot(slot.process_id, slot.tenant_id, slot.weight) for slot in slots]
    allowed = places.lowest(rules.fair_room(wish.order, processes, held, wish.now), processes, slots, wish.now)
    if process.process_id not in allowed:  # what is left there is for others
        process_id = max(allowed, key=lambda one: len(allowed[one]))
        return process_id, places.chosen(allowed[process_id], salt)
    return process.process_id, places.chosen(allowed[process.process_id], salt)


def holds_of(view: View, now: datetime) -> Iterator[Hold]:
    """What holds the places that count: slots of living processes; a tenant's seat goes with its slot."""
    return (places.hold_of(slot) for slot in view.slots if places.holds(slot, view.processes, now))


def repeated(view: View, wish: Wish, unplaced: str) -> HeldCall | None:
    """The call that the wish repeats; not one whose place somebody with a clock ahead has been given (``unplaced``)."""
    call = view.requested
    if call is None or rules.repeated([call.entry], wish.order, view.processes, wish.now) is None:
        return None
    return None if call.entry.state == "ready" and call.entry.call_id == unplaced else call
