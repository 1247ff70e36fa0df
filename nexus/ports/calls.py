"""Living calls: the ledger of capacity, the lines that somebody leaves for a call, the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from nexus.domain.call import CallEntry, CallOrder, EndReason, LineOrder, MediaProcess
from nexus.domain.journal import JournalEntry


@dataclass(frozen=True, slots=True)
class CallRef:
    """Which call of which tenant."""

    tenant_id: str
    call_id: str


@dataclass(frozen=True, slots=True)
class CallLinesTaken:
    """Lines for one call, in the order in which they came."""

    call_id: str
    lines: tuple[LineOrder, ...]


@dataclass(frozen=True, slots=True)
class LedgerOrders:
    """What the ledger wants of a process: its own calls to end, and the active calls of dead processes for somebody to record (every
    process is told of them until one has released them)."""

    to_end: tuple[str, ...] = ()
    ready: tuple[CallEntry, ...] = ()
    """Calls that hold a slot of this process and wait for their caller: its engine can be primed."""
    orphaned: tuple[CallRef, ...] = ()
    lines: tuple[CallLinesTaken, ...] = ()
    """For calls of this process; each is given once, also where this answer is lost."""


class CallLedger(Protocol):
    """Capacity and single use: which process holds which call. Every method is one transaction."""

    async def heartbeat(self, process: MediaProcess) -> LedgerOrders:
        """Register or refresh a process, and give its orders."""
        ...

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
        """Take a tenant seat and an engine slot for a call that is about to connect.

        Args:
            standing: the version that the tenant's head must have in the moment of the reservation (0: there must be none); None: whatever
                it is. So no call is made of a tenant that has been suspended meanwhile.

        The same tenant and ``order.idempotency_key`` again, while the call is ``ready``, gives the same call with the new nonce and a
        fresh lease. Ready calls whose lease has passed, and calls of dead processes, hold nothing: a request that repeats one is a new
        call. While slots are scarce, a tenant that has its weighted share of them waits for the others (``order.weight``).

        Raises:
            QuotaExceeded: ``tenant_concurrency_exceeded``, ``fair_share_exceeded`` (both with the numbers) or ``no_engine_slot`` (also
                when no live process takes calls).
            RequestRejected: ``idempotency_key_reused`` (other body).
            Conflict: ``call_already_connected`` (the call has begun, or is over), ``conflict`` (the tenant's head is not as ``standing``
                says).
        """
        ...

    async def redeem(self, tenant_id: str, call_id: str, *, nonce: str, process_id: str, now: datetime) -> CallEntry:
        """Burn the nonce and make the call active in this process.

        Raises:
            NotFound: ``call_not_found``, also for another tenant's call.
            NotAuthorised: ``ticket_used`` (the nonce is not the newest, or already burnt, or the call is over), ``ticket_expired`` (the
                lease has passed).
        """
        ...

    async def release(self, tenant_id: str, call_id: str, reason: EndReason, now: datetime) -> bool:
        """End the call and give seat and slot back; silent when it is ended already, and where the tenant has no such call.

        Returns:
            Whether it ended by this: of all who release one call, only one is told so (and none, where an answer is lost on its way).
        """
        ...

    async def get(self, tenant_id: str, call_id: str) -> CallEntry:
        """Raises NotFound ``call_not_found``, also for another tenant's call."""
        ...

    async def request_end(self, tenant_id: str, call_id: str) -> CallEntry:
        """Ask for the end of the call; asking again changes nothing.

        A call that is not connected is ended by this, as ``tenant_ended``: its seat and slot are free, its ticket opens nothing. For a
        connected one the flag is set that its process sees at its next heartbeat. Of this and ``redeem`` at once, one is first and the
        other meets what it made. Raises like ``get``.
        """
        ...


class CallLines(Protocol):
    """Lines for living calls; every ledger is one."""

    async def request_line(self, tenant_id: str, call_id: str, line: LineOrder) -> CallEntry:
        """Leave a line for the process that holds the call, which takes it with its next heartbeat.

        Raises:
            NotFound: ``call_not_found``, also for another tenant's call.
            Conflict: ``call_not_active``: the call is not connected yet, or over.
            QuotaExceeded: ``too_many_lines``: eight of this call wait already.
        """
        ...


class LiveLedger(CallLedger, CallLines, Protocol):
    """What a ledger's adapters are."""


class CallJournal(Protocol):
    """What a living call has written so far: survives the death of its process."""

    async def append(self, call_id: str, entries: Sequence[JournalEntry]) -> None:
        """Add entries in order; they are durable against the death of the process when this returns."""
        ...

    async def read(self, call_id: str) -> tuple[JournalEntry, ...]:
        """Everything written, in order; a torn last line is left out. Empty for an unknown call."""
        ...

    async def open_calls(self) -> tuple[str, ...]:
        """Calls that have a journal, oldest first."""
        ...

    async def discard(self, call_id: str) -> None:
        """Forget the journal of an archived call; silent where none is."""
        ...
