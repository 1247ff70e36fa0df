"""API keys of a tenant: made, listed, rotated, revoked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from control_plane.api.asked import Services
from control_plane.api.guard import principal_of
from control_plane.api.wire import DEFAULT_LIMIT, Cursor, Limit, TenantId, refusals, told
from control_plane.services.api_keys import ApiKey, IssuedKey, KeySecret, KeyWish

router = APIRouter(prefix="/v1/tenants/{tenant_id}/api-keys", tags=["api-keys"])
KeyId = Annotated[str, Path(pattern=r"^key_[0-7][0-9A-HJKMNP-TV-Z]{25}$", examples=["key_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"])]
Origin = Annotated[str, StringConstraints(pattern=r"^(https://[a-z0-9.-]{1,253}|http://(localhost|127\.0\.0\.1))(:[0-9]{1,5})?$")]
Scope = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}:[a-z_]{1,20}$")]


class ApiKeyBody(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100, examples=["booking page"])
    kind: Literal["secret", "publishable"] = Field(
        default="secret", description="publishable: may stand in a web page, only orders calls, only from its origins"
    )
    mode: Literal["live", "test"] = Field(default="live", description="test: a secret key that touches only calls ordered with test: true")
    scopes: tuple[Scope, ...] = Field(default=(), max_length=50, examples=[["calls:write", "sessions:read"]])
    origins: tuple[Origin, ...] = Field(default=(), max_length=20, examples=[["https://www.example.com"]])
    expires_at: AwareDatetime | None = None


class RotateBody(BaseModel):
    """How the old secret goes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    overlap_s: int = Field(default=24 * 3600, ge=0, le=30 * 24 * 3600, description="so long the secret before stays good")


class LiveSecret(BaseModel):
    """A secret that is good just now, by its last four characters."""

    model_config = ConfigDict(frozen=True)

    last4: str
    created_at: datetime
    expires_at: datetime | None


class ApiKeyDetail(BaseModel):
    """A key without its secret."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(examples=["key_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"])
    object: Literal["api_key"] = "api_key"
    tenant_id: str
    name: str
    kind: Literal["secret", "publishable"]
    mode: Literal["live", "test"]
    status: Literal["active", "expired", "revoked"]
    scopes: tuple[str, ...]
    origins: tuple[str, ...]
    secrets: tuple[LiveSecret, ...] = Field(description="two while the key is being rotated")
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_on: str | None = Field(description="the day, in UTC", examples=["2026-11-21"])


class IssuedApiKey(ApiKeyDetail):
    """A key with its secret, which is shown this once."""

    secret: str = Field(description="send it as Authorization: Bearer; it is not kept and cannot be shown again")


class ApiKeyPage(BaseModel):
    model_config = ConfigDict(frozen=True)

    data: tuple[ApiKeyDetail, ...]
    has_more: bool
    next_cursor: str | None


@router.post("", operation_id="createApiKey", status_code=201, response_model=IssuedApiKey, responses=refusals(404, 413, 415))
async def create_api_key(tenant_id: TenantId, body: ApiKeyBody, request: Request, services: Services) -> Response:
    """Make a key. Its secret is shown in this answer and never again."""
    await services.tenants.get(tenant_id)
    mode = "pub" if body.kind == "publishable" else body.mode
    wish = KeyWish(body.name, mode, body.scopes, body.origins, body.expires_at.astimezone(UTC) if body.expires_at else None)
    issued = await services.api_keys.create(tenant_id, wish, by=principal_of(request).id)
    return told(_issued(issued, services.policy.now()), status=201, headers={"Location": f"{request.url.path}/{issued.key.key_id}"})


@router.get("", operation_id="listApiKeys", response_model=ApiKeyPage, responses=refusals(404))
async def list_api_keys(tenant_id: TenantId, services: Services, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> Response:
    """Keys of the tenant, newest first; revoked ones for 30 days."""
    page = await services.api_keys.list(tenant_id, limit=limit, cursor=cursor)
    await services.tenants.check_known(tenant_id, page.data)
    data = tuple(_detail(key, services.policy.now()) for key in page.data)
    return told(ApiKeyPage(data=data, has_more=page.next_cursor is not None, next_cursor=page.next_cursor))


@router.get("/{key_id}", operation_id="getApiKey", response_model=ApiKeyDetail, responses=refusals(404))
async def get_api_key(tenant_id: TenantId, key_id: KeyId, services: Services) -> Response:
    """One key."""
    return told(_detail(await services.api_keys.get(tenant_id, key_id), services.policy.now()))


@router.post("/{key_id}:rotate", operation_id="rotateApiKey", response_model=IssuedApiKey, responses=refusals(404, 409, 413, 415))
async def rotate_api_key(tenant_id: TenantId, key_id: KeyId, body: RotateBody, services: Services) -> Response:
    """Give the key a fresh secret, shown this once. The one before stays good for ``overlap_s``."""
    issued = await services.api_keys.rotate(tenant_id, key_id, overlap_s=body.overlap_s)
    return told(_issued(issued, services.policy.now()))


@router.post("/{key_id}:revoke", operation_id="revokeApiKey", response_model=ApiKeyDetail, responses=refusals(404, 409))
async def revoke_api_key(tenant_id: TenantId, key_id: KeyId, services: Services) -> Response:
    """The key dies at once, with all its secrets. Revoking again is harmless."""
    return told(_detail(await services.api_keys.revoke(tenant_id, key_id), services.policy.now()))


def _issued(issued: IssuedKey, now: datetime) -> IssuedApiKey:
    return IssuedApiKey(**_detail(issued.key, now).model_dump(), secret=issued.text)


def _detail(key: ApiKey, now: datetime) -> ApiKeyDetail:
    wish = key.wish
    return ApiKeyDetail(
        id=key.key_id,
        tenant_id=key.tenant_id,
        name=wish.name,
        kind="publishable" if wish.mode == "pub" else "secret",
        mode="test" if wish.mode == "test" else "live",
        status=key.state(now),
        scopes=wish.scopes,
        origins=wish.origins,
        secrets=tuple(_secret(one) for one in key.secrets if one.expires_at is None or one.expires_at > now),
        created_at=key.created_at,
        created_by=key.created_by,
        expires_at=wish.expires_at,
        revoked_at=key.revoked_at,
        last_used_on=key.last_used_on or None,
    )


def _secret(one: KeySecret) -> LiveSecret:
    return LiveSecret(last4=one.last4, created_at=one.created_at, expires_at=one.expires_at)
