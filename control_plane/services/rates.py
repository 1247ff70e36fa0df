"""How many requests a tenant may send in a minute, over all instances of the API together.

Each kind of credential of a tenant has one budget a minute. Its count lies in one document, and an instance does not write it for each
request: it takes a block (a twenty-fifth of the budget) with one conditional write, and spends the block in its own memory. So all
instances together never grant more than the budget, and a thousand requests cost some tens of writes. The price: what an instance took
and did not spend is lost when the minute ends, so with many instances a client may be told to wait a little early.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nexus.clock import Clock
from nexus.errors import Conflict, StoreError
from nexus.ports.documents import DocumentStore, Put

WINDOW_S = 60
MOST_SHARES = 4096
_BLOCKS = 25
_ATTEMPTS = 6
_log = logging.getLogger("nexus.rates")


@dataclass(frozen=True, slots=True)
class Budget:
    """Whether a request may go on, and what is told of the limit. ``remaining`` is what this instance knows of."""

    granted: bool
    limit: int
    remaining: int
    reset_s: int


@dataclass(slots=True)
class _Share:
    """What this instance holds of one budget in one window."""

    window: int
    taken: int = 0
    left: int = 0
    spent: bool = False
    refill: asyncio.Lock = field(default_factory=asyncio.Lock)


class RateLimiter:
    """Grants requests.

    Args:
        documents: where counts lie.
        clock: wall time.
        limits: requests a minute by kind of credential; a kind that is missing or 0 is not limited.
    """

    def __init__(self, documents: DocumentStore, clock: Clock, limits: Mapping[str, int]) -> None:
        self._documents = documents
        self._clock = clock
        self._limits = limits
        self._shares: dict[tuple[str, str], _Share] = {}

    async def take(self, owner: str, kind: str) -> Budget | None:
        """One request of the owner's budget; None where nothing is limited. A store that fails grants: it must not close the API."""
        limit = self._limits.get(kind, 0)
        if limit == 0:
            return None
        now_s = self._clock.now().timestamp()
        share = self._share((owner, kind), int(now_s // WINDOW_S))
        if share.left == 0 and not share.spent:
            async with share.refill:
                if share.left == 0 and not share.spent:
                    await self._refill(share, owner, kind, limit)
        granted = share.left > 0
        share.left -= granted
        reset_s = max(1, int((share.window + 1) * WINDOW_S - now_s + 0.999))
        return Budget(granted, limit, max(0, limit - share.taken) + share.left, reset_s)

    def _share(self, key: tuple[str, str], window: int) -> _Share:
        share = self._shares.get(key)
        if share is None or share.window != window:
            if len(self._shares) >= MOST_SHARES:
                self._forget(window)
            share = self._shares[key] = _Share(window)
        return share

    def _forget(self, window: int) -> None:
        """Make room: past windows go, and when that is not enough, the oldest half."""
        live = {key: share for key, share in self._shares.items() if share.window == window}
        self._shares = dict([*live.items()][-MOST_SHARES // 2 :])

    async def _refill(self, share: _Share, owner: str, kind: str, limit: int) -> None:
        key = f"rate/{kind}/{share.window}"
        expires_at = datetime.fromtimestamp((share.window + 2) * WINDOW_S, UTC)
        block = max(1, limit // _BLOCKS)
        try:
            for _ in range(_ATTEMPTS):
                found = await self._documents.get(owner, key)
                taken = int(found.body["taken"]) if found else 0
                granted = min(block, limit - taken)
                share.taken = taken + granted
                if granted <= 0:
                    share.spent = True
                    return
                try:
                    change = Put(key, {"taken": share.taken}, expected=found.version if found else 0, expires_at=expires_at)
                    await self._documents.write(owner, change)
                except Conflict:
                    continue
                share.left += granted
                return
        except StoreError as error:
            _log.warning("requests of %s are not counted: %s", owner, error.code)
        share.left += 1  # too much traffic on one count, or no store: this request passes uncounted
