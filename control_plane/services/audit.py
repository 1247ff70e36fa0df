"""Who changed what or listened to what, and when: one event each, kept for as long as the settings say."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from control_plane.services.cursors import Listing, Page, read_cursor, sign_cursor
from nexus.clock import Clock
from nexus.domain.ids import ulid
from nexus.ports.documents import DocumentStore, Put
from nexus.ports.ids import Ids

_PREFIX = "audit/"
_SCANNED_AT_ONCE = 200
_MOST_SCANNED = 2000


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did. Neither bodies nor secrets: what it changed is told by the object itself.

    Attributes:
        actor_kind, actor_id: the credential.
        operation: the operation id of the API.
        object_id: what was changed; empty where the request names nothing.
        address: where the request came from; only a keyed hash of it is kept.
    """

    actor_kind: str
    actor_id: str
    operation: str
    object_id: str
    request_id: str
    status: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event as it is kept."""

    id: str
    at: datetime
    actor_kind: str
    actor_id: str
    operation: str
    object_id: str
    request_id: str
    status: int
    address_hash: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events to list; empty and None mean any."""

    operation: str = ""
    actor_id: str = ""
    object_id: str = ""
    from_: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditRules:
    """How long events are kept, and what addresses are hashed and cursors signed with."""

    retention: timedelta
    secret: bytes


class AuditBook:
    """Writes and lists events. The owner is a tenant, or the platform.

    Args:
        documents: where events lie.
        ids: gives event ids.
        clock: wall time.
        rules: how they are kept.
    """

    def __init__(self, documents: DocumentStore, ids: Ids, clock: Clock, rules: AuditRules) -> None:
        self._documents = documents
        self._ids = ids
        self._clock = clock
        self._rules = rules

    async def note(self, owner: str, deed: Deed) -> AuditEvent:
        """Write one event. Raises StoreError."""
        now = self._clock.now()
        known = asdict(deed)
        address = known.pop("address")
        event = AuditEvent(id=self._ids.new("audit"), at=now, address_hash=self._address_hash(owner, address), **known)
        body = {**asdict(event), "at": now.isoformat()}
        await self._documents.write(owner, Put(_PREFIX + event.id, body, expected=0, expires_at=now + self._rules.retention))
        return event

    async def list(self, owner: str, where: AuditFilter, *, limit: int, cursor: str = "") -> Page[AuditEvent]:
        """Newest first. A rare filter may give a short page, or an empty one, that still has a next one.

        Raises:
            RequestRejected: ``invalid_cursor``.
        """
        listing = Listing("audit-events", owner, repr(where))
        after = read_cursor(self._rules.secret, listing, cursor) or _bound(where.before)
        found: list[AuditEvent] = []
        for _ in range(_MOST_SCANNED // _SCANNED_AT_ONCE):
            rows = await self._documents.list(
                owner, _PREFIX, limit=_SCANNED_AT_ONCE, after=_PREFIX + after if after else "", newest_first=True
            )
            for row in rows:
                event = _event(row.body)
                if where.from_ is not None and event.at < where.from_:
                    return Page(tuple(found))
                if _matches(event, where):
                    if len(found) == limit:
                        return Page(tuple(found), sign_cursor(self._rules.secret, listing, found[-1].id))
                    found.append(event)
                after = event.id
            if len(rows) < _SCANNED_AT_ONCE:
                return Page(tuple(found))
        return Page(tuple(found), sign_cursor(self._rules.secret, listing, after))

    def _address_hash(self, owner: str, address: str) -> str:
        """The same address of the same owner has the same hash; two owners cannot compare theirs."""
        if not address:
            return ""
        return hmac.new(self._rules.secret, f"audit address\0{owner}\0{address}".encode(), hashlib.sha256).hexdigest()[:32]


def _bound(before: datetime | None) -> str:
    """The id that sorts above every event of an earlier millisecond."""
    return f"audit_{ulid(int(before.timestamp() * 1000), bytes(10))}" if before is not None else ""


def _event(body: Mapping[str, Any]) -> AuditEvent:
    return AuditEvent(**{**body, "at": datetime.fromisoformat(body["at"])})


def _matches(event: AuditEvent, where: AuditFilter) -> bool:
    return (
        where.operation in ("", event.operation)
        and where.actor_id in ("", event.actor_id)
        and where.object_id in ("", event.object_id)
        and (where.before is None or event.at < where.before)
    )
