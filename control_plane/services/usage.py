"""What tenants used, by day: small counters, written once a call when it is finished.

A day of a tenant lies in a few documents (a call's id says which), so that calls that end together seldom write the same one. A call and
its mark, which says that it has been counted, are written in one transaction: however often a call is finished, it counts once.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any

from nexus.clock import Clock
from nexus.domain.session import SessionRecord
from nexus.errors import Conflict, RequestRejected
from nexus.ports.documents import DocumentStore, Put

MOST_DAYS = 366
SHARDS = 4
MARKS_KEPT = timedelta(days=400)
"""How long a call's mark is kept. Older calls are not counted at all: nothing would say whether they were."""
_LATEST_FIRST_COUNT = timedelta(days=399)
_ATTEMPTS = 12
_READ_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Used:
    """Amounts. ``slot_ms`` is how long engine slots (GPUs) were held; test calls are in every amount."""

    calls: int = 0
    test_calls: int = 0
    failed_calls: int = 0
    call_ms: float = 0.0
    caller_talk_ms: float = 0.0
    agent_talk_ms: float = 0.0
    tool_calls: int = 0
    slot_ms: float = 0.0

    def plus(self, other: Used) -> Used:
        """The sum."""
        return Used(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(Used)})


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Days with anything on them, oldest first, and their sum."""

    first: date
    last: date
    days: tuple[tuple[date, Used], ...]

    @property
    def total(self) -> Used:
        """Every day together."""
        total = Used()
        for _, used in self.days:
            total = total.plus(used)
        return total


class UsageBook:
    """Counts calls and reports days. A call belongs to the day, in UTC, on which it was connected.

    Args:
        documents: where counters lie.
        clock: wall time.
    """

    def __init__(self, documents: DocumentStore, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock

    async def count(self, record: SessionRecord) -> bool:
        """Count a finished call; False when it has been counted before, or is too old to say.

        Raises:
            Conflict: too many calls end at this moment; do it again.
            Unavailable: do it again.
        """
        if record.connected_at < self._clock.now() - _LATEST_FIRST_COUNT:
            return False
        mark, place = f"usage-counted/{record.id}", _place(record)
        for _ in range(_ATTEMPTS):
            if await self._documents.get(record.tenant_id, mark) is not None:
                return False
            found = await self._documents.get(record.tenant_id, place)
            so_far = _used(found.body) if found else Used()
            counted = Put(place, asdict(so_far.plus(used_by(record))), expected=found.version if found else 0)
            once = Put(mark, {}, expected=0, expires_at=record.connected_at + MARKS_KEPT)
            try:
                await self._documents.write(record.tenant_id, counted, once)
            except Conflict:
                continue
            return True
        raise Conflict("conflict", "Too many calls of this tenant end at this moment; finish the call again.")

    async def report(self, tenant_id: str, first: date, last: date) -> UsageReport:
        """The days from ``first`` to ``last``, both included. Raises RequestRejected ``invalid_request``."""
        if not timedelta(0) <= last - first < timedelta(days=MOST_DAYS):
            raise RequestRejected("invalid_request", f"from and to are days, in that order, at most {MOST_DAYS} of them.")
        by_day: dict[date, Used] = {}
        after, end = f"usage/{first.isoformat()}", f"usage/{last.isoformat()}~"
        while True:
            rows = await self._documents.list(tenant_id, "usage/", limit=_READ_AT_ONCE, after=after)
            for row in rows:
                if row.key > end:
                    break
                day = date.fromisoformat(row.key.split("/")[1])
                by_day[day] = by_day.get(day, Used()).plus(_used(row.body))
            if len(rows) < _READ_AT_ONCE or rows[-1].key > end:
                return UsageReport(first, last, tuple(sorted(by_day.items())))
            after = rows[-1].key

    def today(self) -> date:
        """The day it is, in UTC."""
        return self._clock.now().date()


def used_by(record: SessionRecord) -> Used:
    """What one call used."""
    return Used(
        calls=1,
        test_calls=int(record.test),
        failed_calls=int(record.status == "failed"),
        call_ms=record.duration_ms,
        caller_talk_ms=record.talk_ms.caller,
        agent_talk_ms=record.talk_ms.agent,
        tool_calls=len(record.tools),
        slot_ms=record.slot_ms,
    )


def _place(record: SessionRecord) -> str:
    return f"usage/{_day(record.connected_at)}/{zlib.crc32(record.id.encode()) % SHARDS}"


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()


def _used(body: Mapping[str, Any]) -> Used:
    known = {one.name for one in fields(Used)}
    return Used(**{name: value for name, value in body.items() if name in known})
