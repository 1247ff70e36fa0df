"""Delivers events to receivers: claimed, signed, sent, and noted; at least once under one id."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from control_plane.ports import WebhookSender
from control_plane.services.outbox import Outbox
from control_plane.services.webhook_book import (
    Attempt,
    Delivery,
    Webhook,
    WebhookBook,
    due_at,
    put_delivery,
    put_webhook,
    waiting,
    waits,
)
from nexus.clock import Clock, instant
from nexus.context import working_for
from nexus.domain.webhook import Event, EventType, Sent, event_id, next_attempt, pause_reason, signed_headers
from nexus.errors import Conflict, StoreError
from nexus.ports.documents import Delete, Document, Put
from nexus.ports.secrets import Seal

CLAIM = timedelta(seconds=60)
"""How long one attempt may take; the process that began it being gone, another takes it up then."""
_AT_ONCE = 50
_ABREAST = 8
_TRIES = 5
_log = logging.getLogger("nexus.webhooks")
Pausing = Callable[[Webhook], Awaitable[None]]


async def untold(webhook: Webhook) -> None:
    """Tells nobody that a receiver was paused."""


@dataclass(frozen=True, slots=True)
class Means:
    """What sending takes: who sends, what opens the secrets, and whom to tell (the audit book) when a receiver is paused."""

    sender: WebhookSender
    seal: Seal
    on_pause: Pausing = untold


class Courier:
    """Delivers what is due.

    Args:
        book: where deliveries wait.
        outbox: tells a tenant's other receivers of a paused one.
        means: what sending takes.
        clock: wall time.
    """

    def __init__(self, book: WebhookBook, outbox: Outbox, means: Means, clock: Clock) -> None:
        self._book = book
        self._outbox = outbox
        self._means = means
        self._clock = clock

    async def deliver_due(self, tenant_id: str) -> datetime | None:
        """Try everything of one tenant whose time has come; when the next is due, or None when nothing waits.

        Any number of processes may do this at once: each delivery is claimed first. Cancelled, what was under way is tried again.

        Raises:
            StoreError: the store failed; what was not tried is still due.
        """
        with working_for(tenant_id=tenant_id):
            while True:
                rows = await self._book.due(tenant_id, limit=_AT_ONCE)
                now = self._clock.now()
                ready = [row for row in rows if due_at(row) <= now]
                if not ready:
                    return due_at(rows[0]) if rows else None
                abreast = asyncio.Semaphore(_ABREAST)
                async with asyncio.TaskGroup() as group:
                    for row in ready:
                        group.create_task(self._one(tenant_id, row, abreast))

    async def attempt(self, tenant_id: str, row: Document) -> None:
        """Try one waiting delivery now; nothing when it is gone or somebody else has it."""
        claimed = await self._claim(tenant_id, row)
        if claimed is None:
            return
        webhook, event, delivery = claimed
        sent = await self._send(webhook, event)
        await self._note(tenant_id, delivery, sent)
        await self._judge(webhook, sent)

    async def try_once(self, webhook: Webhook, event: Event, delivery: Delivery) -> Delivery:
        """Send a delivery that waits nowhere, note what became of it, and leave it at that."""
        sent = await self._send(webhook, event)
        now = self._clock.now()
        tried = delivery.tried(_attempt(sent, now))
        noted = tried.model_copy(update={"state": "delivered" if sent.ok else "failed"})
        await self._book.write(webhook.tenant_id, put_delivery(noted, now))
        return noted

    async def _one(self, tenant_id: str, row: Document, abreast: asyncio.Semaphore) -> None:
        async with abreast:
            await self.attempt(tenant_id, row)

    async def _claim(self, tenant_id: str, row: Document) -> tuple[Webhook, Event, Delivery] | None:
        """Move the delivery's place in the queue beyond this attempt. Of two at once one gets it."""
        webhook_id, event_id = waiting(row)
        kept = await self._book.delivery(tenant_id, webhook_id, event_id)
        found = await self._book.webhook(tenant_id, webhook_id)
        event = await self._book.event(tenant_id, event_id)
        leave = Delete(row.key, row.version)
        now = self._clock.now()
        try:
            if kept is None or kept[0].due_key != row.key:
                await self._book.write(tenant_id, leave)
                return None
            if found is None or event is None or found[0].status == "paused":
                await self._book.write(tenant_id, leave, put_delivery(_given_up(kept[0]), now, kept[1]))
                return None
            delivery, queued = waits(kept[0], now + CLAIM)
            await self._book.write(tenant_id, leave, queued, put_delivery(delivery, now, kept[1]))
        except Conflict:
            return None
        return found[0], event, delivery

    async def _send(self, webhook: Webhook, event: Event) -> Sent:
        now = self._clock.now()
        body = body_of(event)
        live = [one for one in webhook.secrets if one.expires_at is None or one.expires_at > now]
        secrets = [await self._means.seal.open(webhook.tenant_id, one.sealed) for one in live]
        headers = {"content-type": "application/json", "user-agent": "Nexus-Webhooks/1", **signed_headers(event.id, now, body, secrets)}
        return await self._means.sender.send(webhook.url, headers, body)

    async def _note(self, tenant_id: str, delivery: Delivery, sent: Sent) -> None:
        now = self._clock.now()
        for _ in range(_TRIES):
            kept = await self._book.delivery(tenant_id, delivery.webhook_id, delivery.event_id)
            if kept is None:
                return
            noted, changes = _outcome(kept[0].tried(_attempt(sent, now)), sent, now)
            try:
                await self._book.write(tenant_id, put_delivery(noted, now, kept[1]), *_left(kept[0]), *changes)
            except Conflict:
                continue
            return
        # Still queued behind the claim, it will be tried again.

    async def _judge(self, webhook: Webhook, sent: Sent) -> None:
        """Count failures in a row; pause a receiver that is gone or has not answered for days."""
        for _ in range(_TRIES):
            found = await self._book.webhook(webhook.tenant_id, webhook.id)
            if found is None or (sent.ok and not found[0].failures):
                return
            judged = _judged(found[0], sent, self._clock.now())
            changes = await self._outbox.changes(_paused_event(judged)) if judged.status != found[0].status else ()
            try:
                await self._book.write(webhook.tenant_id, put_webhook(judged, found[1]), *changes)
            except Conflict:
                continue
            if judged.status != found[0].status:
                await self._tell_pause(judged)
            return

    async def _tell_pause(self, webhook: Webhook) -> None:
        _log.warning("webhook %s is paused: %s", webhook.id, webhook.paused_reason)
        try:
            await self._means.on_pause(webhook)
        except StoreError as error:
            _log.error("that webhook %s is paused could not be noted: %s", webhook.id, error)


def body_of(event: Event) -> bytes:
    """The bytes that are sent and signed; the same for every attempt."""
    told = {**event.model_dump(mode="json"), "created_at": instant(event.created_at)}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _given_up(delivery: Delivery) -> Delivery:
    return delivery.model_copy(update={"state": "failed", "next_attempt_at": None, "due_key": ""})


def _attempt(sent: Sent, now: datetime) -> Attempt:
    return Attempt(at=now, status=sent.status, duration_ms=round(sent.duration_ms, 1), error=sent.error)


def _left(delivery: Delivery) -> tuple[Delete, ...]:
    return (Delete(delivery.due_key),) if delivery.due_key else ()


def _outcome(delivery: Delivery, sent: Sent, now: datetime) -> tuple[Delivery, tuple[Put, ...]]:
    if sent.ok:
        return delivery.model_copy(update={"state": "delivered", "next_attempt_at": None, "due_key": ""}), ()
    again = next_attempt(f"{delivery.webhook_id}/{delivery.event_id}", delivery.tries, now, sent.retry_after_s)
    if again is None:
        return _given_up(delivery), ()
    delivery, queued = waits(delivery.model_copy(update={"state": "pending", "next_attempt_at": again}), again)
    return delivery, (queued,)


def _judged(webhook: Webhook, sent: Sent, now: datetime) -> Webhook:
    if sent.ok:
        return webhook.model_copy(update={"failures": 0, "failing_since": None})
    since = webhook.failing_since or now
    failed = webhook.model_copy(update={"failures": webhook.failures + 1, "failing_since": since})
    reason = pause_reason(sent.status, failed.failures, since, now)
    if not reason or webhook.status == "paused":
        return failed
    return failed.model_copy(update={"status": "paused", "paused_reason": reason, "paused_at": now})


def _paused_event(webhook: Webhook) -> Event:
    at = webhook.paused_at or webhook.updated_at
    return Event(
        id=event_id(at, webhook.tenant_id, webhook.id, "paused", at.isoformat()),
        type=EventType.WEBHOOK_PAUSED,
        created_at=at,
        tenant_id=webhook.tenant_id,
        data={"webhook_id": webhook.id, "reason": webhook.paused_reason, "failures": webhook.failures},
    )
