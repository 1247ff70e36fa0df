"""The capacity ledger in SQLite: every method one transaction, so that seats, slots and tickets agree among processes."""

from __future__ import annotations

import sqlite3
from collections import Counter
from datetime import datetime, timedelta

from nexus.adapters import rules
from nexus.adapters.sqlite.database import Database
from nexus.adapters.sqlite.documents import read_document
from nexus.adapters.waiting import hold_of, with_wait
from nexus.domain import tenancy
from nexus.domain.call import CallEntry, CallOrder, EndReason, LineOrder, MediaProcess
from nexus.errors import NotFound, QuotaExceeded
from nexus.ports.calls import LedgerOrders


class SqliteCallLedger:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def heartbeat(self, process: MediaProcess) -> LedgerOrders:
        def write(db: sqlite3.Connection) -> LedgerOrders:
            values = (process.process_id, process.model_dump_json(), process.seen_at.timestamp())
            db.execute("INSERT OR REPLACE INTO processes VALUES (?, ?, ?)", values)
            entries = _open(db)
            told = rules.orders(process, entries, _processes(db))
            for entry in entries:
                if (emptied := rules.with_lines_taken(entry, process.process_id)) is not None:
                    _put(db, emptied)
            return told

        return await self._database.write(write)

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
        lease_expires_at = now + timedelta(seconds=lease_s)

        def write(db: sqlite3.Connection) -> CallEntry:
            if standing is not None:
                head = read_document(db, order.tenant_id, tenancy.HEAD_KEY, now.timestamp())
                rules.check_standing(standing, 0 if head is None else head.version)
            db.execute("DELETE FROM calls WHERE state = 'ready' AND lease_expires_at < ?", ((now - timedelta(hours=1)).timestamp(),))
            processes = _processes(db)
            before = _repeated(db, order, processes, now)
            if before is not None:
                return _put(db, rules.renewed(before, order, nonce, lease_expires_at))
            used, process = _room(db, order, processes, tenant_limit, now)
            return _put(
                db,
                CallEntry(
                    call_id=call_id,
                    order=order,
                    nonce=nonce,
                    process_id=process.process_id,
                    created_at=now,
                    lease_expires_at=lease_expires_at,
                    seats_used=used + 1,
                    process_url=process.url,
                ),
            )

        return await self._database.write(write)

    async def redeem(self, tenant_id: str, call_id: str, *, nonce: str, process_id: str, now: datetime) -> CallEntry:
        return await self._database.write(lambda db: _put(db, rules.redeemed(_find(db, tenant_id, call_id), nonce, process_id, now)))

    async def release(self, tenant_id: str, call_id: str, reason: EndReason, now: datetime) -> bool:
        def write(db: sqlite3.Connection) -> bool:
            entry = _find(db, tenant_id, call_id)
            if entry is None or entry.state == "ended":
                return False
            _put(db, rules.ended(entry, reason))
            return True

        return await self._database.write(write)

    async def get(self, tenant_id: str, call_id: str) -> CallEntry:
        return await self._database.read(lambda db: _of_tenant(db, tenant_id, call_id))

    async def request_end(self, tenant_id: str, call_id: str) -> CallEntry:
        return await self._database.write(lambda db: _put(db, rules.asked_to_end(_of_tenant(db, tenant_id, call_id))))

    async def request_line(self, tenant_id: str, call_id: str, line: LineOrder) -> CallEntry:
        return await self._database.write(lambda db: _put(db, rules.with_line(_of_tenant(db, tenant_id, call_id), line)))

    async def erase_tenant(self, tenant_id: str) -> bool:
        def write(db: sqlite3.Connection) -> bool:
            db.execute("DELETE FROM calls WHERE tenant_id = ? AND state <> 'active'", (tenant_id,))
            rows = db.execute("SELECT body FROM calls WHERE tenant_id = ?", (tenant_id,)).fetchall()
            for (body,) in rows:
                _put(db, CallEntry.model_validate_json(body, extra="ignore").model_copy(update={"end_requested": True}))
            return not rows

        return await self._database.write(write)


def _processes(db: sqlite3.Connection) -> dict[str, MediaProcess]:
    rows = [MediaProcess.model_validate_json(body, extra="ignore") for (body,) in db.execute("SELECT body FROM processes")]
    return {process.process_id: process for process in rows}


def _open(db: sqlite3.Connection) -> list[CallEntry]:
    return [CallEntry.model_validate_json(body, extra="ignore") for (body,) in db.execute("SELECT body FROM calls WHERE state <> 'ended'")]


def _find(db: sqlite3.Connection, tenant_id: str, call_id: str) -> CallEntry | None:
    found = db.execute("SELECT body FROM calls WHERE call_id = ? AND tenant_id = ?", (call_id, tenant_id)).fetchone()
    return None if found is None else CallEntry.model_validate_json(found[0], extra="ignore")


def _of_tenant(db: sqlite3.Connection, tenant_id: str, call_id: str) -> CallEntry:
    entry = _find(db, tenant_id, call_id)
    if entry is None:
        raise NotFound("call_not_found", "There is no such call.")
    return entry


def _room(
    db: sqlite3.Connection, order: CallOrder, processes: dict[str, MediaProcess], tenant_limit: int, now: datetime
) -> tuple[int, MediaProcess]:
    """How many seats the tenant holds, and the process that has a slot. Raises QuotaExceeded and what else the rules refuse."""
    seated = [entry for entry in _open(db) if rules.holds_seat(entry, processes, now)]
    used = sum(one.order.tenant_id == order.tenant_id for one in seated)
    try:
        rules.check_tenant_room(order, used, tenant_limit)
        process = rules.choose_process(processes.values(), Counter(one.process_id for one in seated), now)
        rules.fair_room(order, processes.values(), rules.held_slots(seated), now)
    except QuotaExceeded as refusal:
        raise with_wait(refusal, order, map(hold_of, seated), now) from None
    return used, process


def _repeated(db: sqlite3.Connection, order: CallOrder, processes: dict[str, MediaProcess], now: datetime) -> CallEntry | None:
    if not order.idempotency_key:
        return None
    query = "SELECT body FROM calls WHERE tenant_id = ? AND idempotency_key = ? AND idempotency_key <> ''"
    entries = [
        CallEntry.model_validate_json(body, extra="ignore") for (body,) in db.execute(query, (order.tenant_id, order.idempotency_key))
    ]
    return rules.repeated(entries, order, processes, now)


def _put(db: sqlite3.Connection, entry: CallEntry) -> CallEntry:
    values = (
        entry.call_id,
        entry.order.tenant_id,
        entry.order.idempotency_key,
        entry.state,
        entry.process_id,
        entry.lease_expires_at.timestamp(),
        entry.model_dump_json(),
    )
    db.execute("INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    return entry
