"""Webhooks, events and deliveries as documents: the one place that builds their keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from nexus.domain.call import Value
from nexus.domain.webhook import Event, EventType
from nexus.ports.documents import Change, Delete, Document, DocumentStore, Put

MOST_WEBHOOKS = 10
"""For each tenant: the transaction that tells all of them of one event has at most 25 changes."""
KEPT_FOR = timedelta(days=30)
_MOST_ATTEMPTS_SHOWN = 25
PauseReason = Literal["", "by_hand", "gone", "failing"]
DeliveryState = Literal["pending", "delivered", "failed"]


class KeptSecret(Value):
    """A sealed secret; ``expires_at`` while a newer one takes its place."""

    sealed: str
    last4: str
    expires_at: datetime | None = None


class Webhook(Value):
    """A receiver that a tenant named."""

    id: str
    tenant_id: str
    url: str
    events: tuple[EventType, ...]
    description: str = ""
    created_at: datetime
    updated_at: datetime
    secrets: tuple[KeptSecret, ...]
    status: Literal["active", "paused"] = "active"
    paused_reason: PauseReason = ""
    paused_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None


class Attempt(Value):
    """One try to deliver. Neither body nor answer is kept."""

    at: datetime
    status: int | None
    duration_ms: float
    error: str = ""


class Delivery(Value):
    """One event on its way to one receiver. ``tries`` counts since it was last asked for, ``due_key`` is where it waits."""

    webhook_id: str
    event_id: str
    type: EventType
    created_at: datetime
    state: DeliveryState = "pending"
    tries: int = 0
    attempts: tuple[Attempt, ...] = ()
    next_attempt_at: datetime | None = None
    due_key: str = ""

    def tried(self, attempt: Attempt) -> Delivery:
        """With one more attempt on record."""
        attempts = (*self.attempts, attempt)[-_MOST_ATTEMPTS_SHOWN:]
        return self.model_copy(update={"tries": self.tries + 1, "attempts": attempts})


class WebhookBook:
    """Reads and writes them.

    Args:
        documents: where they lie.
    """

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    async def webhook(self, tenant_id: str, webhook_id: str) -> tuple[Webhook, int] | None:
        """A receiver and its version."""
        found = await self._documents.get(tenant_id, f"webhook/{webhook_id}")
        return (Webhook.model_validate(found.body), found.version) if found else None

    async def webhooks(self, tenant_id: str) -> tuple[Webhook, ...]:
        """Every receiver of a tenant, oldest first."""
        rows = await self._documents.list(tenant_id, "webhook/", limit=MOST_WEBHOOKS + 1)
        return tuple(Webhook.model_validate(row.body) for row in rows)

    async def delivery(self, tenant_id: str, webhook_id: str, event_id: str) -> tuple[Delivery, int] | None:
        """A delivery and its version."""
        found = await self._documents.get(tenant_id, f"delivery/{webhook_id}/{event_id}")
        return (Delivery.model_validate(found.body), found.version) if found else None

    async def deliveries(self, tenant_id: str, webhook_id: str, *, limit: int, before: str = "") -> tuple[Delivery, ...]:
        """Newest event first, only events that sort below ``before`` (when given)."""
        prefix = f"delivery/{webhook_id}/"
        after = prefix + before if before else ""
        rows = await self._documents.list(tenant_id, prefix, limit=limit, after=after, newest_first=True)
        return tuple(Delivery.model_validate(row.body) for row in rows)

    async def event(self, tenant_id: str, event_id: str) -> Event | None:
        """An event, as long as it is kept."""
        found = await self._documents.get(tenant_id, f"event/{event_id}")
        return Event.model_validate(found.body) if found else None

    async def due(self, tenant_id: str, *, limit: int) -> tuple[Document, ...]:
        """What waits, the earliest first; see ``due_at`` and ``waiting``."""
        return await self._documents.list(tenant_id, "due/", limit=limit)

    async def write(self, tenant_id: str, *changes: Change) -> tuple[int, ...]:
        """One transaction. Raises Conflict."""
        return await self._documents.write(tenant_id, *changes)


def put_webhook(webhook: Webhook, expected: int) -> Put:
    """The write of a receiver."""
    return Put(f"webhook/{webhook.id}", webhook.model_dump(mode="json"), expected)


def delete_webhook(webhook_id: str, expected: int) -> Delete:
    """The removal of a receiver; what is on its way to it ends at its next attempt."""
    return Delete(f"webhook/{webhook_id}", expected)


def put_event(event: Event, now: datetime) -> Put:
    """The write of an event, kept for ``KEPT_FOR`` from now on."""
    return Put(f"event/{event.id}", event.model_dump(mode="json"), expires_at=now + KEPT_FOR)


def put_delivery(delivery: Delivery, now: datetime, expected: int | None = None) -> Put:
    """The write of a delivery."""
    key = f"delivery/{delivery.webhook_id}/{delivery.event_id}"
    return Put(key, delivery.model_dump(mode="json"), expected, expires_at=now + KEPT_FOR)


def waits(delivery: Delivery, at: datetime) -> tuple[Delivery, Put]:
    """The delivery as one that waits until ``at``, and the write that puts it into the queue."""
    stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    key = f"due/{stamp}/{delivery.webhook_id}/{delivery.event_id}"
    return delivery.model_copy(update={"due_key": key}), Put(key, {"at": at.isoformat()}, expires_at=at + KEPT_FOR)


def due_at(row: Document) -> datetime:
    """When a waiting delivery is to be tried."""
    return datetime.fromisoformat(row.body["at"])


def waiting(row: Document) -> tuple[str, str]:
    """Receiver and event of a waiting delivery."""
    _, _, webhook_id, event_id = row.key.split("/")
    return webhook_id, event_id
