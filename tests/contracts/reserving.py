"""A reservation in a call ledger, with only what a test wants to say about it."""

from __future__ import annotations

from datetime import datetime

from nexus.domain.call import CallEntry, CallOrder
from nexus.ports.calls import CallLedger
from tests.fakes.stored import NOON, call_id, order

LEASE_S = 60


async def reserve_call(
    ledger: CallLedger,
    number: int,
    ordered: CallOrder | None = None,
    *,
    limit: int = 100,
    nonce: str = "",
    now: datetime = NOON,
    standing: int | None = None,
) -> CallEntry:
    return await ledger.reserve(
        ordered or order(),
        call_id=call_id(number),
        nonce=nonce or f"n{number}",
        tenant_limit=limit,
        lease_s=LEASE_S,
        now=now,
        standing=standing,
    )
