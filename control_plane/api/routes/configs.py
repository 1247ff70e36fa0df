"""A tenant's configuration: the active one, its versions, the draft, what is wrong with it, publishing and rolling back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from control_plane.api.asked import Services
from control_plane.api.etags import IfMatch, matched_version, version_tag
from control_plane.api.problems import Fault, finding_told
from control_plane.api.wire import DEFAULT_LIMIT, Cursor, Limit, TenantId, encoded, refusals, told
from control_plane.services.configs import CanaryWish, ConfigView, VersionList
from control_plane.services.drafts import ABSENT, Draft
from nexus.domain.tenancy import Canary, Publication
from nexus.domain.tenant import TenantConfig

router = APIRouter(prefix="/v1/tenants/{tenant_id}/config", tags=["config"])
Version = Annotated[int, Path(ge=0, le=99_999_999, description="0: the configuration in the tenant's folder", examples=[3])]
Note = Annotated[str, Field(max_length=500, description="why, for people", examples=["Christmas hours"])]


class PublishBody(BaseModel):
    """What people should know about the version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    note: Note = ""


class RollbackBody(BaseModel):
    """The version to take again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=0, le=99_999_999, examples=[3])
    note: Note = ""


class CanaryBody(BaseModel):
    """What a part of new calls is started with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    percent: int = Field(ge=1, le=100, description="of new calls", examples=[10])
    version: int | None = Field(default=None, ge=1, le=99_999_999, description="left out: the draft, which becomes the next version by it")
    note: Note = ""


class CanaryDetail(BaseModel):
    """The version that a part of new calls gets in place of the active one."""

    model_config = ConfigDict(frozen=True)

    version: int
    percent: int
    config_hash: str
    started_at: datetime


class ConfigVersionItem(BaseModel):
    """A published version, without its body."""

    model_config = ConfigDict(frozen=True)

    version: int
    object: Literal["config_version"] = "config_version"
    config_hash: str = Field(examples=["sha256:5f0c…"])
    active: bool
    canary: bool = Field(description="a part of new calls is started with it")
    published_at: datetime
    note: str
    rolled_back_to: int | None = Field(description="the version whose body was taken again")


class ConfigVersionPage(BaseModel):
    model_config = ConfigDict(frozen=True)

    data: tuple[ConfigVersionItem, ...]
    has_more: bool
    next_cursor: str | None


class ConfigDetail(BaseModel):
    """A configuration that is or was active."""

    model_config = ConfigDict(frozen=True)

    object: Literal["config"] = "config"
    tenant_id: str
    version: int = Field(description="0: the tenant's folder, edited in place")
    source: Literal["folder", "published"]
    config_hash: str
    published_at: datetime | None
    note: str
    rolled_back_to: int | None
    canary: CanaryDetail | None = Field(description="what a part of new calls gets in place of this; only beside the active version")
    config: TenantConfig


class DraftDetail(BaseModel):
    """What may be published next, as it was written, faults and all."""

    model_config = ConfigDict(frozen=True)

    object: Literal["config_draft"] = "config_draft"
    tenant_id: str
    updated_at: datetime
    config: dict[str, Any]


class ConfigVerdict(BaseModel):
    """What was found in the draft."""

    model_config = ConfigDict(frozen=True)

    object: Literal["config_verdict"] = "config_verdict"
    valid: bool = Field(description="whether it can be published")
    config_hash: str | None = Field(description="of what would be published")
    errors: tuple[Fault, ...] = Field(description="every fault, with its place in the draft")
    warnings: tuple[Fault, ...] = Field(description="what is allowed, and probably not meant")


@router.get("", operation_id="getConfig", response_model=ConfigDetail, responses=refusals(404, 409))
async def get_config(tenant_id: TenantId, services: Services) -> Response:
    """What new calls are started with."""
    return _told(tenant_id, await services.configs.active(tenant_id))


@router.get("/versions", operation_id="listConfigVersions", response_model=ConfigVersionPage, responses=refusals(404))
async def list_versions(tenant_id: TenantId, services: Services, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> Response:
    """Published versions, newest first. A configuration in a folder is not among them."""
    found = await services.configs.versions(tenant_id, limit=limit, cursor=cursor)
    data = tuple(_item(each, found) for each in found.page.data)
    next_cursor = found.page.next_cursor
    return told(ConfigVersionPage(data=data, has_more=next_cursor is not None, next_cursor=next_cursor))


@router.get("/versions/{version}", operation_id="getConfigVersion", response_model=ConfigDetail, responses=refusals(404))
async def get_version(tenant_id: TenantId, version: Version, services: Services) -> Response:
    """One version; 0 is the configuration in the tenant's folder, as it is now."""
    return _told(tenant_id, await services.configs.version(tenant_id, version))


@router.get("/draft", operation_id="getConfigDraft", response_model=DraftDetail, responses=refusals(404))
async def get_draft(tenant_id: TenantId, services: Services) -> Response:
    """The draft."""
    return _draft_told(tenant_id, await services.drafts.get(tenant_id))


@router.put("/draft", operation_id="putConfigDraft", response_model=DraftDetail, responses=refusals(404, 409, 412, 413, 415, 428))
async def put_draft(
    tenant_id: TenantId,
    body: Annotated[dict[str, Any], Body(examples=[{"system_prompt": "…"}])],
    services: Services,
    if_match: IfMatch = "",
) -> Response:
    """Write the draft: the fields of ``config`` in ``GET …/config``. It is looked at only by ``:validate`` and ``:publish``.

    The first one needs no ``If-Match``; to replace a draft, send the ETag it was read with.
    """
    return _draft_told(tenant_id, await services.drafts.put(tenant_id, body, expected=_expected(if_match)))


@router.delete("/draft", operation_id="deleteConfigDraft", status_code=204, response_class=Response, responses=refusals(404, 409, 412, 428))
async def delete_draft(tenant_id: TenantId, services: Services, if_match: IfMatch = "") -> Response:
    """Throw the draft away; harmless where none is."""
    await services.drafts.drop(tenant_id, expected=_expected(if_match))
    return Response(status_code=204)


@router.post("/draft:validate", operation_id="validateConfig", response_model=ConfigVerdict, responses=refusals(404))
async def validate(tenant_id: TenantId, services: Services) -> Response:
    """Look the draft through: all faults at once, and what looks like a slip. Nothing changes."""
    verdict = await services.drafts.validate(tenant_id)
    config = verdict.config
    found = ConfigVerdict(
        valid=config is not None,
        config_hash=None if config is None else config.config_hash,
        errors=tuple(finding_told(one) for one in verdict.faults),
        warnings=tuple(finding_told(one) for one in verdict.warnings),
    )
    return told(found)


@router.post(":publish", operation_id="publishConfig", response_model=ConfigDetail, responses=refusals(404, 409, 412, 413, 415))
async def publish(tenant_id: TenantId, services: Services, body: PublishBody | None = None, if_match: IfMatch = "") -> Response:
    """Make the draft the next version, at once active for new calls. Calls that live or wait keep theirs. ``If-Match`` names the draft."""
    expected = matched_version(if_match, required=False)
    return _told(tenant_id, await services.configs.publish(tenant_id, note=body.note if body else "", expected=expected))


@router.post(":rollback", operation_id="rollbackConfig", response_model=ConfigDetail, responses=refusals(404, 409, 413, 415))
async def rollback(tenant_id: TenantId, body: RollbackBody, services: Services) -> Response:
    """Publish the body of an older version again, as a new version."""
    return _told(tenant_id, await services.configs.rollback(tenant_id, body.version, note=body.note))


@router.post(":canary", operation_id="startCanary", response_model=ConfigDetail, responses=refusals(404, 409, 412, 413, 415))
async def start_canary(tenant_id: TenantId, body: CanaryBody, services: Services, if_match: IfMatch = "") -> Response:
    """Start a part of new calls with another version, or with the draft; asked again, change the percentage. ``If-Match`` names the draft.

    The same caller always meets the same version. What is active stays active.
    """
    wish = CanaryWish(body.percent, body.version, body.note, matched_version(if_match, required=False))
    return _told(tenant_id, await services.configs.start_canary(tenant_id, wish))


@router.post(":promote", operation_id="promoteCanary", response_model=ConfigDetail, responses=refusals(404, 409))
async def promote_canary(tenant_id: TenantId, services: Services) -> Response:
    """Make the canary the active version for all new calls."""
    return _told(tenant_id, await services.configs.promote_canary(tenant_id))


@router.post(":abort", operation_id="abortCanary", response_model=ConfigDetail, responses=refusals(404, 409))
async def abort_canary(tenant_id: TenantId, services: Services) -> Response:
    """Give all new calls the active version again. Calls that began with the canary keep it."""
    return _told(tenant_id, await services.configs.abort_canary(tenant_id))


def _expected(if_match: str) -> int | None:
    return matched_version(if_match) if if_match else ABSENT


def _told(tenant_id: str, view: ConfigView) -> Response:
    config_hash = view.config.config_hash
    detail = ConfigDetail(
        tenant_id=tenant_id,
        version=view.version,
        source="published" if view.version else "folder",
        config_hash=config_hash,
        published_at=view.published_at,
        note=view.note,
        rolled_back_to=view.rolled_back_to,
        canary=_canary(view.canary),
        config=view.config,
    )
    beside = "" if view.canary is None else f"-{view.canary.publication.version}-{view.canary.percent}"
    return told(detail, headers={"ETag": f'"{view.version}-{config_hash}{beside}"'})


def _draft_told(tenant_id: str, draft: Draft) -> Response:
    detail = DraftDetail(tenant_id=tenant_id, updated_at=draft.updated_at, config=dict(draft.body))
    return Response(encoded(detail.model_dump()), media_type="application/json", headers={"ETag": version_tag(draft.revision)})


def _item(publication: Publication, found: VersionList) -> ConfigVersionItem:
    shown = publication.model_dump(include={"version", "config_hash", "published_at", "note", "rolled_back_to"})
    return ConfigVersionItem(active=publication.version == found.active, canary=publication.version == found.canary, **shown)


def _canary(found: Canary | None) -> CanaryDetail | None:
    if found is None:
        return None
    told = found.publication
    return CanaryDetail(version=told.version, percent=found.percent, config_hash=told.config_hash, started_at=found.started_at)
