"""Living calls in memory: the ledger, the journal, the effects of tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from nexus.adapters import rules
from nexus.adapters.memory.documents import MemoryDocumentStore
from nexus.adapters.waiting import hold_of, with_wait
from nexus.domain import tenancy
from nexus.domain.call import CallEntry, CallOrder, EndReason, LineOrder, MediaProcess
from nexus.domain.journal import JournalEntry
from nexus.errors import NotFound, QuotaExceeded
from nexus.ports.calls import LedgerOrders
from nexus.ports.tools import Effect


class MemoryCallLedger:
    """One transaction at a time by nature: no method awaits between reading and writing.

    Args:
        documents: where tenants' heads lie; without them a standing that is named is held against nothing.
    """

    def __init__(self, documents: MemoryDocumentStore | None = None) -> None:
        self._documents = documents
        self._entries: dict[str, CallEntry] = {}
        self._processes: dict[str, MediaProcess] = {}

    async def heartbeat(self, process: MediaProcess) -> LedgerOrders:
        self._processes[process.process_id] = process
        told = rules.orders(process, (one for one in self._entries.values() if one.state != "ended"), self._processes)
        for taken in told.lines:
            self._entries[taken.call_id] = self._entries[taken.call_id].model_copy(update={"lines": ()})
        return told

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
        if self._documents is not None:
            rules.check_standing(standing, self._documents.version(order.tenant_id, tenancy.HEAD_KEY))
        lease_expires_at = now + timedelta(seconds=lease_s)
        before = rules.repeated(self._entries.values(), order, self._processes, now)
        if before is not None:
            self._entries[before.call_id] = rules.renewed(before, order, nonce, lease_expires_at)
            return self._entries[before.call_id]
        seated = [entry for entry in self._entries.values() if rules.holds_seat(entry, self._processes, now)]
        used = sum(one.order.tenant_id == order.tenant_id for one in seated)
        try:
            rules.check_tenant_room(order, used, tenant_limit)
            process = rules.choose_process(self._processes.values(), Counter(one.process_id for one in seated), now)
            rules.fair_room(order, self._processes.values(), rules.held_slots(seated), now)
        except QuotaExceeded as refusal:
            raise with_wait(refusal, order, map(hold_of, seated), now) from None
        entry = CallEntry(
            call_id=call_id,
            order=order,
            nonce=nonce,
            process_id=process.process_id,
            created_at=now,
            lease_expires_at=lease_expires_at,
            seats_used=used + 1,
            process_url=process.url,
        )
        self._entries[call_id] = entry
        return entry

    async def redeem(self, tenant_id: str, call_id: str, *, nonce: str, process_id: str, now: datetime) -> CallEntry:
        self._entries[call_id] = rules.redeemed(self._find(tenant_id, call_id), nonce, process_id, now)
        return self._entries[call_id]

    async def release(self, tenant_id: str, call_id: str, reason: EndReason, now: datetime) -> bool:
        entry = self._find(tenant_id, call_id)
        if entry is None or entry.state == "ended":
            return False
        self._entries[call_id] = rules.ended(entry, reason)
        return True

    async def get(self, tenant_id: str, call_id: str) -> CallEntry:
        entry = self._find(tenant_id, call_id)
        if entry is None:
            raise NotFound("call_not_found", "There is no such call.")
        return entry

    async def request_end(self, tenant_id: str, call_id: str) -> CallEntry:
        self._entries[call_id] = rules.asked_to_end(await self.get(tenant_id, call_id))
        return self._entries[call_id]

    async def request_line(self, tenant_id: str, call_id: str, line: LineOrder) -> CallEntry:
        self._entries[call_id] = rules.with_line(await self.get(tenant_id, call_id), line)
        return self._entries[call_id]

    async def erase_tenant(self, tenant_id: str) -> bool:
        mine = [one for one in self._entries.values() if one.order.tenant_id == tenant_id]
        for entry in mine:
            if entry.state == "active":
                self._entries[entry.call_id] = entry.model_copy(update={"end_requested": True})
            else:
                del self._entries[entry.call_id]
        return all(entry.state != "active" for entry in mine)

    def _find(self, tenant_id: str, call_id: str) -> CallEntry | None:
        entry = self._entries.get(call_id)
        return entry if entry is not None and entry.order.tenant_id == tenant_id else None


class MemoryCallJournal:
    def __init__(self) -> None:
        self._journals: dict[str, list[JournalEntry]] = {}

    async def append(self, call_id: str, entries: Sequence[JournalEntry]) -> None:
        self._journals.setdefault(call_id, []).extend(entries)

    async def read(self, call_id: str) -> tuple[JournalEntry, ...]:
        return tuple(self._journals.get(call_id, ()))

    async def open_calls(self) -> tuple[str, ...]:
        return tuple(sorted(self._journals))

    async def discard(self, call_id: str) -> None:
        self._journals.pop(call_id, None)


class MemoryEffectLog:
    def __init__(self) -> None:
        self._effects: dict[tuple[str, str, str], Effect] = {}

    async def begin(self, tenant_id: str, call_id: str, effect_id: str, tool: str) -> Effect:
        key = (tenant_id, call_id, effect_id)
        known = self._effects.get(key)
        if known is None:
            self._effects[key] = Effect("pending")
            return Effect("new")
        return known

    async def finish(self, tenant_id: str, call_id: str, effect_id: str, *, output: str, failed: bool = False) -> None:
        self._effects[tenant_id, call_id, effect_id] = Effect("done", output, failed)

    async def forget(self, tenant_id: str, call_id: str, effect_id: str) -> None:
        self._effects.pop((tenant_id, call_id, effect_id), None)

    async def erase_tenant(self, tenant_id: str) -> bool:
        for key in [key for key in self._effects if key[0] == tenant_id]:
            del self._effects[key]
        return True
