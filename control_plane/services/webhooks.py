"""A tenant's receivers: named, changed, given new secrets, tried out; and the log of what went to them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from control_plane.services.courier import Courier, Means
from control_plane.services.cursors import Listing, Page, page_of, read_cursor
from control_plane.services.webhook_book import (
    MOST_WEBHOOKS,
    Delivery,
    KeptSecret,
    Webhook,
    WebhookBook,
    delete_webhook,
    put_delivery,
    put_event,
    put_webhook,
    waits,
)
from nexus.clock import Clock
from nexus.domain.ids import check_tenant_id
from nexus.domain.webhook import SECRET_BYTES, Event, EventType, new_secret
from nexus.errors import Conflict, NotFound, QuotaExceeded
from nexus.ports.documents import Delete
from nexus.ports.ids import Ids

_TRIES = 5


def unheard() -> None:
    """Nobody waits to hear that something is due."""


@dataclass(frozen=True, slots=True)
class WebhookRules:
    """How cursors are signed, what ids are made of, and whom to nudge when something is due now."""

    cursor_key: bytes
    ids: Ids
    nudge: Callable[[], None] = unheard
    entropy: Callable[[int], bytes] = secrets.token_bytes


@dataclass(frozen=True, slots=True)
class WebhookChanges:
    """What to change; None leaves it."""

    url: str | None = None
    events: tuple[EventType, ...] | None = None
    description: str | None = None
    active: bool | None = None


class WebhookDesk:
    """Keeps receivers and their deliveries.

    Args:
        book: where they lie.
        courier: sends tests at once.
        means: who checks addresses, what seals secrets.
        clock: wall time.
        rules: cursors, ids.
    """

    def __init__(self, book: WebhookBook, courier: Courier, means: Means, clock: Clock, rules: WebhookRules) -> None:
        self._book = book
        self._courier = courier
        self._means = means
        self._clock = clock
        self._rules = rules

    async def create(self, tenant_id: str, url: str, events: tuple[EventType, ...], description: str = "") -> tuple[Webhook, str]:
        """A new receiver and its secret, which is shown this once.

        Raises:
            RequestRejected: ``url_not_allowed``.
            QuotaExceeded: ``too_many_webhooks``.
        """
        webhook, secret = await self.prepared(check_tenant_id(tenant_id), url, events, description)
        if len(await self._book.webhooks(tenant_id)) >= MOST_WEBHOOKS:
            raise QuotaExceeded("too_many_webhooks", f"A tenant has at most {MOST_WEBHOOKS} webhooks; delete one.", retry_after_s=60)
        await self._book.write(tenant_id, put_webhook(webhook, 0))
        return webhook, secret

    def check(self, url: str) -> None:
        """Raises RequestRejected ``url_not_allowed``."""
        self._means.sender.check(url)

    async def prepared(self, tenant_id: str, url: str, events: tuple[EventType, ...], description: str) -> tuple[Webhook, str]:
        """A receiver and its secret, not kept yet. Raises RequestRejected ``url_not_allowed``."""
        self._means.sender.check(url)
        now = self._clock.now()
        secret = self._new_secret()
        webhook = Webhook(
            id=self._rules.ids.new("whk"),
            tenant_id=tenant_id,
            url=url,
            events=events,
            description=description,
            created_at=now,
            updated_at=now,
            secrets=(await self._kept(tenant_id, secret),),
        )
        return webhook, secret

    async def list(self, tenant_id: str) -> tuple[Webhook, ...]:
        """Every receiver, oldest first."""
        return await self._book.webhooks(check_tenant_id(tenant_id))

    async def get(self, tenant_id: str, webhook_id: str) -> Webhook:
        """One receiver. Raises NotFound ``webhook_not_found``."""
        return (await self._found(tenant_id, webhook_id))[0]

    async def update(
        self, tenant_id: str, webhook_id: str, changes: WebhookChanges, check: Callable[[Webhook], None] = lambda _: None
    ) -> Webhook:
        """Change a receiver; made active again, it begins without failures.

        Args:
            check: looks at what is changed, in the same transaction; what it raises changes nothing.

        Raises:
            RequestRejected, NotFound: like ``create`` and ``get``.
        """
        if changes.url is not None:
            self._means.sender.check(changes.url)

        def change(webhook: Webhook, now: datetime) -> Webhook:
            check(webhook)
            return _changed(webhook, changes, now)

        return await self._replace(tenant_id, webhook_id, change)

    async def delete(self, tenant_id: str, webhook_id: str) -> None:
        """Forget a receiver. What is on its way to it is not sent. Raises like ``get``."""
        _, version = await self._found(tenant_id, webhook_id)
        await self._book.write(tenant_id, delete_webhook(webhook_id, version))

    async def rotate(self, tenant_id: str, webhook_id: str, overlap_s: int) -> tuple[Webhook, str]:
        """A new secret, shown this once; the one before it signs too for ``overlap_s`` more seconds. Raises like ``get``."""
        secret = self._new_secret()
        kept = await self._kept(tenant_id, secret)
        return await self._replace(tenant_id, webhook_id, lambda webhook, now: _rotated(webhook, kept, overlap_s, now)), secret

    async def test(self, tenant_id: str, webhook_id: str) -> Delivery:
        """Send a test event now, whatever the receiver's status and filter; what became of it. It is not tried again by itself."""
        webhook, _ = await self._found(tenant_id, webhook_id)
        now = self._clock.now()
        event = Event(
            id=self._rules.ids.new("evt"),
            type=EventType.WEBHOOK_TEST,
            created_at=now,
            tenant_id=tenant_id,
            data={"webhook_id": webhook_id, "message": "This is a test; nothing happened."},
        )
        delivery = Delivery(webhook_id=webhook_id, event_id=event.id, type=event.type, created_at=now)
        await self._book.write(tenant_id, put_event(event, now), put_delivery(delivery, now, 0))
        return await self._courier.try_once(webhook, event, delivery)

    async def deliveries(self, tenant_id: str, webhook_id: str, *, limit: int, cursor: str = "") -> Page[Delivery]:
        """What went to a receiver, newest event first. Raises NotFound, RequestRejected ``invalid_cursor``."""
        await self._found(tenant_id, webhook_id)
        listing = Listing("deliveries", tenant_id, webhook_id)
        before = read_cursor(self._rules.cursor_key, listing, cursor)
        rows = await self._book.deliveries(tenant_id, webhook_id, limit=limit + 1, before=before)
        return page_of(self._rules.cursor_key, listing, rows, limit, lambda delivery: delivery.event_id)

    async def redeliver(self, tenant_id: str, webhook_id: str, event_id: str) -> Delivery:
        """Send an event again, under the same id, with all its attempts before it.

        Raises:
            NotFound: ``webhook_not_found``, ``delivery_not_found``.
        """
        await self._found(tenant_id, webhook_id)
        for _ in range(_TRIES):
            kept = await self._book.delivery(tenant_id, webhook_id, event_id)
            if kept is None or await self._book.event(tenant_id, event_id) is None:
                raise NotFound("delivery_not_found", "There is no such delivery any more; events are kept for 30 days.")
            now = self._clock.now()
            fresh = kept[0].model_copy(update={"state": "pending", "tries": 0, "next_attempt_at": now})
            delivery, queued = waits(fresh, now)
            leave = [Delete(kept[0].due_key)] if kept[0].due_key not in ("", delivery.due_key) else []
            try:
                await self._book.write(tenant_id, put_delivery(delivery, now, kept[1]), queued, *leave)
            except Conflict:
                continue
            self._rules.nudge()
            return delivery
        raise _busy()

    async def _found(self, tenant_id: str, webhook_id: str) -> tuple[Webhook, int]:
        found = await self._book.webhook(check_tenant_id(tenant_id), webhook_id) if webhook_id.startswith("whk_") else None
        if found is None:
            raise NotFound("webhook_not_found", "There is no such webhook for this tenant.")
        return found

    async def _replace(self, tenant_id: str, webhook_id: str, change: Callable[[Webhook, datetime], Webhook]) -> Webhook:
        for _ in range(_TRIES):
            webhook, version = await self._found(tenant_id, webhook_id)
            changed = change(webhook, self._clock.now())
            try:
                await self._book.write(tenant_id, put_webhook(changed, version))
            except Conflict:
                continue
            return changed
        raise _busy()

    def _new_secret(self) -> str:
        return new_secret(self._rules.entropy(SECRET_BYTES))

    async def _kept(self, tenant_id: str, secret: str) -> KeptSecret:
        return KeptSecret(sealed=await self._means.seal.close(tenant_id, secret), last4=secret[-4:])


def _changed(webhook: Webhook, changes: WebhookChanges, now: datetime) -> Webhook:
    given = {"url": changes.url, "events": changes.events, "description": changes.description}
    update: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    if changes.active is False and webhook.status == "active":
        update |= {"status": "paused", "paused_reason": "by_hand", "paused_at": now}
    if changes.active is True:
        update |= {"status": "active", "paused_reason": "", "paused_at": None, "failures": 0, "failing_since": None}
    return webhook.model_copy(update={**update, "updated_at": now})


def _rotated(webhook: Webhook, fresh: KeptSecret, overlap_s: int, now: datetime) -> Webhook:
    """Two secrets live at most: the new one and the newest before it."""
    before = webhook.secrets[0].model_copy(update={"expires_at": now + timedelta(seconds=overlap_s)})
    return webhook.model_copy(update={"secrets": (fresh, before) if overlap_s else (fresh,), "updated_at": now})


def _busy() -> Conflict:
    return Conflict("conflict", "The webhook is being changed by others; try again.")
