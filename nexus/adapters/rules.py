"""What every ledger and index adapter must decide the same way: pure rules over the values of the ports."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from nexus.domain.call import CallEntry, Caller, CallOrder, EndReason, LineOrder, MediaProcess
from nexus.domain.session import SessionRow
from nexus.errors import Conflict, NotAuthorised, NotFound, QuotaExceeded, RequestRejected
from nexus.ports.calls import CallLinesTaken, CallRef, LedgerOrders
from nexus.ports.documents import MOST_CHANGES, Change, Document
from nexus.ports.sessions import SessionFilter

DEAD_AFTER = timedelta(seconds=10)
"""A process not seen for so long is dead: its slots are gone, its calls are for others to record."""


def is_alive(process: MediaProcess, now: datetime) -> bool:
    """Whether the process has been seen lately."""
    return now - process.seen_at <= DEAD_AFTER


def holds_seat(entry: CallEntry, processes: Mapping[str, MediaProcess], now: datetime) -> bool:
    """Whether a call takes a seat and a slot now: while its process lives, and while ready no longer than its lease."""
    process = processes.get(entry.process_id)
    if process is None or not is_alive(process, now):
        return False
    return entry.state == "active" or (entry.state == "ready" and entry.lease_expires_at > now)


MOST_LINES = 8


def with_line(entry: CallEntry, line: LineOrder) -> CallEntry:
    """The call with one more line for it. Raises Conflict ``call_not_active``, QuotaExceeded ``too_many_lines``."""
    if entry.state != "active" or entry.end_requested:
        what = "is not connected yet" if entry.state == "ready" else "is over, or about to end"
        raise Conflict("call_not_active", f"This call {what}: nobody can be told anything in it.")
    if len(entry.lines) >= MOST_LINES:
        words = f"{MOST_LINES} lines wait for this call already; wait until it has taken them."
        raise QuotaExceeded("too_many_lines", words, retry_after_s=2, usage=(len(entry.lines), MOST_LINES))
    return entry.model_copy(update={"lines": (*entry.lines, line)})


def with_lines_taken(entry: CallEntry, process_id: str) -> CallEntry | None:
    """The call without its lines, once its process has them; None where there is nothing to take."""
    mine = entry.state == "active" and entry.process_id == process_id and entry.lines
    return entry.model_copy(update={"lines": ()}) if mine else None


def orders(process: MediaProcess, entries: Iterable[CallEntry], processes: dict[str, MediaProcess]) -> LedgerOrders:
    """What a heartbeat of ``process`` is answered with, from the entries that have not ended."""
    open_calls = [*entries]
    active = [entry for entry in open_calls if entry.state == "active"]
    ready = [entry for entry in open_calls if entry.state == "ready" and entry.process_id == process.process_id]
    return LedgerOrders(
        to_end=tuple(one.call_id for one in active if one.process_id == process.process_id and one.end_requested),
        ready=tuple(one for one in ready if one.lease_expires_at > process.seen_at),
        lines=tuple(CallLinesTaken(one.call_id, one.lines) for one in active if with_lines_taken(one, process.process_id) is not None),
        orphaned=tuple(CallRef(one.order.tenant_id, one.call_id) for one in active if not holds_seat(one, processes, process.seen_at)),
    )


def check_standing(standing: int | None, found: int) -> None:
    """Raises Conflict ``conflict`` where the tenant's head has another version than the one that the order was made by."""
    if standing is not None and standing != found:
        raise tenant_changed()


def tenant_changed() -> Conflict:
    """The tenant is not as it was when the order was made."""
    return Conflict("conflict", "The tenant was changed in this moment; ask again.")


def check_tenant_room(order: CallOrder, used: int, limit: int) -> None:
    """Raises QuotaExceeded ``tenant_concurrency_exceeded``."""
    if used >= limit:
        raise QuotaExceeded(
            "tenant_concurrency_exceeded",
            f"{order.tenant_id} has {used} of {limit} calls; end one, or raise limits.concurrent_calls.",
            usage=(used, limit),
        )


def choose_process(processes: Iterable[MediaProcess], taken: dict[str, int], now: datetime) -> MediaProcess:
    """The live process with the most free slots; one that yields only where no other has room. Raises QuotaExceeded ``no_engine_slot``."""
    fit = [one for one in processes if is_alive(one, now) and not one.draining and one.slots > taken.get(one.process_id, 0)]
    if not fit:
        raise QuotaExceeded("no_engine_slot", "Every engine slot is taken; try again after Retry-After.")
    return max(fit, key=lambda one: (not one.yields, one.slots - taken.get(one.process_id, 0), one.process_id))


@dataclass(frozen=True, slots=True)
class HeldSlot:
    """A slot that is taken: where, whose, and how much its tenant weighs."""

    process_id: str
    tenant_id: str
    weight: int = 1


def fair_room(order: CallOrder, processes: Iterable[MediaProcess], held: Iterable[HeldSlot], now: datetime) -> int:
    """How many of the free slots the tenant may still take.

    A tenant's share is its weight's part of all slots, among the tenants that have calls now. Below it, it may take up to it; all that
    is free but a reserve of a tenth (at least one slot) is anybody's. A tenant that is alone may take all.

    Raises:
        QuotaExceeded: ``fair_share_exceeded``: none.
    """
    open_slots = {one.process_id: one.slots for one in processes if is_alive(one, now) and not one.draining}
    there = [slot for slot in held if slot.process_id in open_slots]
    weights = {**{slot.tenant_id: slot.weight for slot in there}, order.tenant_id: order.weight}
    total = sum(open_slots.values())
    free = sum(max(0, slots - sum(slot.process_id == process_id for slot in there)) for process_id, slots in open_slots.items())
    used = sum(slot.tenant_id == order.tenant_id for slot in there)
    share = total * order.weight / sum(weights.values())
    room = min(free, max(math.ceil(share - used), free - max(1, total // 10)))
    if free > 0 and room <= 0:
        raise QuotaExceeded(
            "fair_share_exceeded",
            f"Slots are scarce, and {order.tenant_id} has {used} calls where its share is {math.ceil(share)}; try again after Retry-After.",
            usage=(used, math.ceil(share)),
        )
    return room


def repeated(entries: Iterable[CallEntry], order: CallOrder, processes: Mapping[str, MediaProcess], now: datetime) -> CallEntry | None:
    """The call that this order repeats: same tenant and Idempotency-Key, and not a ready call that holds no seat any more (its lease has
    passed, or its process is dead)."""
    if not order.idempotency_key:
        return None
    for entry in entries:
        same = entry.order.tenant_id == order.tenant_id and entry.order.idempotency_key == order.idempotency_key
        if same and (entry.state != "ready" or holds_seat(entry, processes, now)):
            return entry
    return None


def renewed(entry: CallEntry, order: CallOrder, nonce: str, lease_expires_at: datetime) -> CallEntry:
    """The same call with a fresh ticket, for a repeated request.

    Raises:
        RequestRejected: ``idempotency_key_reused``.
        Conflict: ``call_already_connected``.
    """
    if entry.order.body_hash != order.body_hash:
        raise RequestRejected("idempotency_key_reused", "This Idempotency-Key was used with another body; take a fresh key.")
    if entry.state != "ready":
        what = "has begun" if entry.state == "active" else "is over"
        raise Conflict("call_already_connected", f"The call of this Idempotency-Key {what}; take a fresh key for another call.")
    return entry.model_copy(update={"nonce": nonce, "lease_expires_at": lease_expires_at})


def held_slots(seated: Iterable[CallEntry]) -> list[HeldSlot]:
    """The slots of calls that hold one."""
    return [HeldSlot(one.process_id, one.order.tenant_id, one.order.weight) for one in seated]


def redeemed(entry: CallEntry | None, nonce: str, process_id: str, now: datetime) -> CallEntry:
    """The call as active in ``process_id``. Raises NotFound, NotAuthorised."""
    if entry is None:
        raise NotFound("call_not_found", "There is no such call.")
    if entry.state == "ended":
        raise NotAuthorised("ticket_used", "The call of this ticket is over; ask POST /calls again, with a fresh Idempotency-Key.")
    if entry.state != "ready" or entry.nonce != nonce:
        raise NotAuthorised("ticket_used", "The ticket has been used or replaced; ask POST /calls again.")
    if entry.lease_expires_at <= now:
        raise NotAuthorised("ticket_expired", "The ticket's seat has been given back; ask POST /calls again.")
    return entry.model_copy(update={"state": "active", "process_id": process_id})


def ended(entry: CallEntry, reason: EndReason) -> CallEntry:
    """The call as it stays in the ledger: without anything personal."""
    order = entry.order.model_copy(update={"caller": Caller()})
    return entry.model_copy(update={"state": "ended", "end_reason": reason, "order": order, "lines": ()})


def asked_to_end(entry: CallEntry) -> CallEntry:
    """The call once its end is asked for: one that nobody is connected to is over by that, a living one is ended by its process."""
    wanted = entry.model_copy(update={"end_requested": True})
    return ended(wanted, EndReason.TENANT_ENDED) if entry.state == "ready" else wanted


def matches(row: SessionRow, where: SessionFilter) -> bool:
    """Whether a session is wanted."""
    return all(
        (
            where.status is None or row.status == where.status,
            where.end_reason is None or row.end_reason == where.end_reason,
            where.outcome is None or row.outcome == where.outcome,
            where.started_from is None or row.started_at >= where.started_from,
            where.started_before is None or row.started_at < where.started_before,
            where.min_duration_ms is None or row.duration_ms >= where.min_duration_ms,
            where.below_duration_ms is None or row.duration_ms < where.below_duration_ms,
            where.config_version is None or row.config_version == where.config_version,
            where.test is None or row.test == where.test,
            all(row.metadata.get(name) == value for name, value in where.metadata),
        )
    )


def check_changes(changes: tuple[Change, ...]) -> None:
    """Raises ValueError for a transaction that no store takes: too many changes, or two of one key."""
    if not 0 < len(changes) <= MOST_CHANGES or len({change.key for change in changes}) < len(changes):
        raise ValueError(f"a transaction has 1 to {MOST_CHANGES} changes, each of another key")


def check_expected(change: Change, found: Document | None) -> None:
    """Raises Conflict ``conflict`` when the document has not the version that the change expects."""
    if change.expected is not None and change.expected != (0 if found is None else found.version):
        raise Conflict("conflict", "Somebody else was first: read it again and repeat the change.")
