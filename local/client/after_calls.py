"""What goes on after calls: webhooks, and steps that failed for good."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from local.client import schemas
from local.client.wire import Wire, tenant_path


class Webhooks:
    """Who is told of finished calls."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def create(self, tenant_id: str, url: str, *, events: Sequence[str] = (), description: str = "") -> schemas.WebhookWithSecret:
        """Name a receiver; the answer holds its secret, this once. Without ``events`` it is told of all that concerns calls."""
        body: dict[str, Any] = {"url": url, "description": description, **({"events": list(events)} if events else {})}
        return cast(schemas.WebhookWithSecret, self._wire.post(tenant_path(tenant_id, "webhooks"), body))

    def each(self, tenant_id: str) -> Iterator[schemas.WebhookDetail]:
        """All, oldest first."""
        return self._wire.each(tenant_path(tenant_id, "webhooks"))

    def get(self, tenant_id: str, webhook_id: str) -> schemas.WebhookDetail:
        """One."""
        return cast(schemas.WebhookDetail, self._wire.get(tenant_path(tenant_id, "webhooks", webhook_id)))

    def update(self, tenant_id: str, webhook_id: str, **changes: object) -> schemas.WebhookDetail:
        """Change ``url``, ``events``, ``description`` or ``status``."""
        told = self._wire.ask("PATCH", tenant_path(tenant_id, "webhooks", webhook_id), json=changes)
        return cast(schemas.WebhookDetail, told.body)

    def delete(self, tenant_id: str, webhook_id: str) -> None:
        """Forget it."""
        self._wire.ask("DELETE", tenant_path(tenant_id, "webhooks", webhook_id))

    def rotate(self, tenant_id: str, webhook_id: str, *, overlap_s: int = 24 * 3600) -> schemas.WebhookWithSecret:
        """A fresh secret, shown this once."""
        path = tenant_path(tenant_id, "webhooks", f"{webhook_id}:rotate")
        return cast(schemas.WebhookWithSecret, self._wire.post(path, {"overlap_s": overlap_s}))

    def test(self, tenant_id: str, webhook_id: str) -> schemas.DeliveryDetail:
        """Send a test now; what became of it."""
        return cast(schemas.DeliveryDetail, self._wire.post(tenant_path(tenant_id, "webhooks", f"{webhook_id}:test")))

    def deliveries(self, tenant_id: str, webhook_id: str) -> Iterator[schemas.DeliveryDetail]:
        """What went to it, newest event first."""
        return self._wire.each(tenant_path(tenant_id, "webhooks", webhook_id, "deliveries"))

    def redeliver(self, tenant_id: str, webhook_id: str, event_id: str) -> schemas.DeliveryDetail:
        """Send an event again."""
        path = tenant_path(tenant_id, "webhooks", webhook_id, "deliveries", f"{event_id}:redeliver")
        return cast(schemas.DeliveryDetail, self._wire.post(path))


class FailedItems:
    """Finished calls of which a step failed for good."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def each(self, tenant_id: str) -> Iterator[schemas.FailedItem]:
        """All, oldest call first."""
        return self._wire.each(tenant_path(tenant_id, "failed-items"))

    def redrive(self, tenant_id: str, session_id: str = "") -> list[str]:
        """Begin all of them again, or the one named; which they were."""
        told = self._wire.post(tenant_path(tenant_id, "failed-items:redrive"), {"session_id": session_id})
        return [*cast(schemas.Redriven, told)["session_ids"]]
