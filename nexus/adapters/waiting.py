"""How long until a seat or a slot is free: what refusals tell in ``Retry-After``. Pure.

What is known is what holds the places now. One that waits for its caller is free when its lease ends, at the latest. A connected call ends
some time before its cap; it is taken to be as likely to end in one moment as in another, so that of ``n`` calls with equal caps the first
ends after an ``n``-th of the time that is left to them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from nexus.adapters.rules import DEAD_AFTER
from nexus.domain.call import CallEntry, CallOrder
from nexus.domain.tenant import Limits
from nexus.errors import QuotaExceeded

LONGEST_S = 300
"""Nobody is told to wait longer: calls end early more often than not."""
_UNCAPPED_S = Limits().max_duration_s


@dataclass(frozen=True, slots=True)
class Hold:
    """What holds a place. ``until``: the end of its lease; the latest end of a connected call."""

    tenant_id: str
    connected: bool
    until: datetime


def latest_end(entry: CallEntry) -> datetime:
    """When a call has ended at the latest: it is connected within its lease, and has its cap."""
    return entry.lease_expires_at + timedelta(seconds=entry.order.max_duration_s or _UNCAPPED_S)


def hold_of(entry: CallEntry) -> Hold:
    """The hold of a call that has not ended."""
    connected = entry.state == "active"
    return Hold(entry.order.tenant_id, connected, latest_end(entry) if connected else entry.lease_expires_at)


def wait_s(holds: Iterable[Hold], now: datetime) -> int:
    """Until the first of these places is free, in whole seconds, at least one. Where nothing holds any (no process takes calls): the time
    in which a process is found dead or alive."""
    left = [(hold.connected, max(1.0, (hold.until - now).total_seconds())) for hold in holds]
    ends = [1.0 / sum(1.0 / seconds for connected, seconds in left if connected)] if any(connected for connected, _ in left) else []
    lapses = [seconds for connected, seconds in left if not connected]
    return max(1, min(LONGEST_S, math.ceil(min([*ends, *lapses], default=DEAD_AFTER.total_seconds()))))


def with_wait(refusal: QuotaExceeded, order: CallOrder, holds: Iterable[Hold], now: datetime) -> QuotaExceeded:
    """The refusal with an honest wait: at its own limit a tenant waits for a call of its own, else for anybody's."""
    own = refusal.code == "tenant_concurrency_exceeded"
    refusal.retry_after_s = wait_s((hold for hold in holds if not own or hold.tenant_id == order.tenant_id), now)
    return refusal
