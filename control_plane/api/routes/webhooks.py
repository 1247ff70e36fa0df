"""Webhooks: a tenant's receivers of events, and the log of what went to them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from control_plane.api.asked import Services
from control_plane.api.etags import IfMatch, body_tag, check_match
from control_plane.api.wire import DEFAULT_LIMIT, Cursor, Limit, TenantId, encoded, refusals, told
from control_plane.services.webhook_book import MOST_WEBHOOKS, Delivery, PauseReason, Webhook
from control_plane.services.webhooks import WebhookChanges
from nexus.domain.webhook import EventType

router = APIRouter(prefix="/v1/tenants/{tenant_id}/webhooks", tags=["webhooks"])
WebhookId = Annotated[str, Path(pattern=r"^whk_[0-7][0-9A-HJKMNP-TV-Z]{25}$", examples=["whk_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"])]
EventId = Annotated[str, Path(pattern=r"^evt_[0-7][0-9A-HJKMNP-TV-Z]{25}$", examples=["evt_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"])]
Subscribable = Literal["call.ended", "call.artifacts_ready", "call.analyzed", "webhook.paused"]
Url = Annotated[str, Field(min_length=1, max_length=2000, description="https, public", examples=["https://crm.example.com/hooks/nexus"])]
Events = Annotated[tuple[Subscribable, ...], Field(min_length=1, max_length=4)]
_EVERY_CALL_EVENT: Events = ("call.ended", "call.artifacts_ready", "call.analyzed")


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Given(BaseModel):
    model_config = ConfigDict(frozen=True)


class WebhookBody(_Asked):
    """A receiver to be named."""

    url: Url
    events: Events = _EVERY_CALL_EVENT
    description: str = Field(default="", max_length=200)


class WebhookChange(_Asked):
    """What to change; what is left out stays."""

    url: Url | None = None
    events: Events | None = None
    description: str | None = Field(default=None, max_length=200)
    status: Literal["active", "paused"] | None = Field(default=None, description="active begins anew after a pause")


class SecretRotation(_Asked):
    """How the secret before goes."""

    overlap_s: int = Field(default=24 * 3600, ge=0, le=7 * 24 * 3600, description="so long both secrets sign")


class SigningSecret(_Given):
    """A secret that signs just now, by its last four characters."""

    last4: str
    expires_at: datetime | None


class WebhookDetail(_Given):
    """A receiver."""

    id: str = Field(examples=["whk_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"])
    object: Literal["webhook"] = "webhook"
    tenant_id: str
    url: str
    events: tuple[EventType, ...]
    description: str
    status: Literal["active", "paused"]
    paused_reason: PauseReason = Field(description="by_hand, gone (it answered 410) or failing (nothing arrived for five days)")
    paused_at: datetime | None
    failures: int = Field(description="failed attempts in a row")
    failing_since: datetime | None
    secrets: tuple[SigningSecret, ...] = Field(description="two while the secret is being rotated")
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(WebhookDetail):
    """A receiver with its secret, which is shown this once."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class WebhookPage(_Given):
    data: tuple[WebhookDetail, ...]
    has_more: bool
    next_cursor: str | None


class AttemptDetail(_Given):
    """One try. Neither body nor answer is kept."""

    at: datetime
    status: int | None = Field(description="of the answer; null where none came")
    duration_ms: float
    error: str = Field(description="timeout, unreachable, tls_failed, address_not_allowed or url_not_allowed where no answer came")


class DeliveryDetail(_Given):
    """One event on its way to one receiver; ``id`` is the event's, and what the header webhook-id says."""

    id: str = Field(examples=["evt_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"])
    object: Literal["webhook_delivery"] = "webhook_delivery"
    webhook_id: str
    type: EventType
    status: Literal["pending", "delivered", "failed"]
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: tuple[AttemptDetail, ...] = Field(description="the newest 25, oldest first")


class DeliveryPage(_Given):
    data: tuple[DeliveryDetail, ...]
    has_more: bool
    next_cursor: str | None


@router.post("", operation_id="createWebhook", status_code=201, response_model=WebhookWithSecret, responses=refusals(404, 413, 415, 429))
async def create_webhook(tenant_id: TenantId, body: WebhookBody, services: Services) -> Response:
    """Name a receiver of events. Its signing secret is in this answer and in no other."""
    await services.tenants.get(tenant_id)
    events = tuple(EventType(one) for one in body.events)
    webhook, secret = await services.webhooks.create(tenant_id, body.url, events, body.description)
    location = f"/v1/tenants/{tenant_id}/webhooks/{webhook.id}"
    return told(_with_secret(webhook, secret), status=201, headers={"Location": location})


@router.get("", operation_id="listWebhooks", response_model=WebhookPage, responses=refusals(404))
async def list_webhooks(tenant_id: TenantId, services: Services) -> Response:
    """Every receiver of a tenant, oldest first, in one page."""
    data = tuple(_detail(one) for one in await services.webhooks.list(tenant_id))
    await services.tenants.check_known(tenant_id, data)
    return told(WebhookPage(data=data[:MOST_WEBHOOKS], has_more=False, next_cursor=None))


@router.get("/{webhook_id}", operation_id="getWebhook", response_model=WebhookDetail, responses=refusals(404))
async def get_webhook(tenant_id: TenantId, webhook_id: WebhookId, services: Services) -> Response:
    """One receiver."""
    return told(_detail(await services.webhooks.get(tenant_id, webhook_id)))


@router.patch("/{webhook_id}", operation_id="updateWebhook", response_model=WebhookDetail, responses=refusals(404, 409, 412, 413, 415))
async def update_webhook(
    tenant_id: TenantId, webhook_id: WebhookId, body: WebhookChange, services: Services, if_match: IfMatch = ""
) -> Response:
    """Change a receiver, pause it, or set it to work again. Fields that are left out stay; ``If-Match`` names what was read."""
    changes = WebhookChanges(
        url=body.url,
        events=None if body.events is None else tuple(EventType(one) for one in body.events),
        description=body.description,
        active=None if body.status is None else body.status == "active",
    )

    def check(webhook: Webhook) -> None:
        check_match(if_match, body_tag(encoded(_detail(webhook).model_dump())), required=False)

    return told(_detail(await services.webhooks.update(tenant_id, webhook_id, changes, check)))


@router.delete("/{webhook_id}", operation_id="deleteWebhook", status_code=204, response_class=Response, responses=refusals(404, 409))
async def delete_webhook(tenant_id: TenantId, webhook_id: WebhookId, services: Services) -> Response:
    """Forget a receiver. What is on its way to it is not sent."""
    await services.webhooks.delete(tenant_id, webhook_id)
    return Response(status_code=204)


@router.post(
    "/{webhook_id}:rotate", operation_id="rotateWebhookSecret", response_model=WebhookWithSecret, responses=refusals(404, 409, 413, 415)
)
async def rotate_secret(tenant_id: TenantId, webhook_id: WebhookId, body: SecretRotation, services: Services) -> Response:
    """A new signing secret, shown this once. The one before it signs beside it for ``overlap_s`` seconds."""
    return told(_with_secret(*await services.webhooks.rotate(tenant_id, webhook_id, body.overlap_s)))


@router.post("/{webhook_id}:test", operation_id="testWebhook", response_model=DeliveryDetail, responses=refusals(404))
async def test_webhook(tenant_id: TenantId, webhook_id: WebhookId, services: Services) -> Response:
    """Send ``webhook.test`` now, to a paused receiver too; what became of it. It is tried once."""
    return told(_delivery(await services.webhooks.test(tenant_id, webhook_id)))


@router.get("/{webhook_id}/deliveries", operation_id="listDeliveries", response_model=DeliveryPage, responses=refusals(404))
async def list_deliveries(
    tenant_id: TenantId, webhook_id: WebhookId, services: Services, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> Response:
    """What went to a receiver in the last 30 days, newest event first."""
    page = await services.webhooks.deliveries(tenant_id, webhook_id, limit=limit, cursor=cursor)
    data = tuple(_delivery(one) for one in page.data)
    return told(DeliveryPage(data=data, has_more=page.next_cursor is not None, next_cursor=page.next_cursor))


@router.post(
    "/{webhook_id}/deliveries/{event_id}:redeliver",
    operation_id="redeliverWebhook",
    status_code=202,
    response_model=DeliveryDetail,
    responses=refusals(404, 409),
)
async def redeliver(tenant_id: TenantId, webhook_id: WebhookId, event_id: EventId, services: Services) -> Response:
    """Send an event again, under the same webhook-id, with all attempts before it."""
    return told(_delivery(await services.webhooks.redeliver(tenant_id, webhook_id, event_id)), status=202)


def _detail(webhook: Webhook) -> WebhookDetail:
    return WebhookDetail(**_shown(webhook))


def _with_secret(webhook: Webhook, secret: str) -> WebhookWithSecret:
    return WebhookWithSecret(**_shown(webhook), secret=secret)


def _shown(webhook: Webhook) -> dict[str, object]:
    secrets = tuple(SigningSecret(last4=one.last4, expires_at=one.expires_at) for one in webhook.secrets)
    return {**webhook.model_dump(exclude={"secrets"}), "secrets": secrets}


def _delivery(delivery: Delivery) -> DeliveryDetail:
    return DeliveryDetail(
        id=delivery.event_id,
        webhook_id=delivery.webhook_id,
        type=delivery.type,
        status=delivery.state,
        created_at=delivery.created_at,
        next_attempt_at=delivery.next_attempt_at,
        attempts=tuple(AttemptDetail(**one.model_dump()) for one in delivery.attempts),
    )
