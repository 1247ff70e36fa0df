"""Events for a tenant's receivers, as changes that belong into the transaction of what they tell of."""

from __future__ import annotations

from control_plane.services.webhook_book import Delivery, WebhookBook, put_delivery, put_event, waits
from nexus.clock import Clock
from nexus.domain.webhook import Event
from nexus.ports.documents import Change


class Outbox:
    """Makes an event known exactly once: its deliveries are written together with the mark that it happened.

    Args:
        book: which receivers there are.
        clock: wall time.
    """

    def __init__(self, book: WebhookBook, clock: Clock) -> None:
        self._book = book
        self._clock = clock

    async def changes(self, event: Event) -> tuple[Change, ...]:
        """What to write so that every active receiver that asked for such events is told; nothing where none did."""
        receivers = [one for one in await self._book.webhooks(event.tenant_id) if one.status == "active" and event.type in one.events]
        if not receivers:
            return ()
        now = self._clock.now()
        changes: list[Change] = [put_event(event, now)]
        for receiver in receivers:
            fresh = Delivery(webhook_id=receiver.id, event_id=event.id, type=event.type, created_at=now, next_attempt_at=now)
            delivery, queued = waits(fresh, now)
            changes += [put_delivery(delivery, now), queued]
        return tuple(changes)
