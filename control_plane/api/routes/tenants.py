"""Tenants: made, listed, changed, suspended, deleted; and the jobs that do it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from control_plane.api.asked import Services
from control_plane.api.etags import IfMatch, body_tag, check_match, matched_version, version_tag
from control_plane.api.schemas import TenantDetail, TenantItem, TenantPage
from control_plane.api.services import ApiServices
from control_plane.api.wire import MOST, Cursor, Limit, TenantId, encoded, refusals, told
from control_plane.services.jobs import Job
from control_plane.services.tenants import TenantView
from nexus.domain.tenancy import Language, Origin, TenantProfile, Timezone
from nexus.domain.tenant import TenantConfig
from nexus.domain.tenant_bundle import TenantBundle

router = APIRouter(prefix="/v1/tenants", tags=["tenants"])
JobId = Annotated[str, Path(examples=["job_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"])]


class TenantBody(BaseModel):
    """A tenant to be made. Configurations that do not say otherwise inherit name, timezone and language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(
        max_length=100, description="2 to 63 of a-z 0-9 _ -, beginning with a letter or digit; for ever", examples=["corner_shop"]
    )
    name: str = Field(default="", max_length=200)
    timezone: Timezone = Field(default="UTC", examples=["Europe/Berlin"])
    language: Language = Field(default="en-US", examples=["de-DE"])
    allowed_origins: tuple[Origin, ...] = Field(default=(), max_length=50, examples=[["https://www.example.com"]])


class TenantPatch(BaseModel):
    """What changes; a field left out stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="", max_length=200)
    timezone: Timezone = "UTC"
    language: Language = "en-US"
    allowed_origins: tuple[Origin, ...] = Field(default=(), max_length=50)


class JobDetail(BaseModel):
    """Work that outlives its request. It goes on by itself, also over a restart."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(examples=["job_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"])
    object: Literal["job"] = "job"
    kind: str = Field(examples=["delete_tenant"])
    tenant_id: str
    status: Literal["running", "succeeded"]
    steps: tuple[str, ...]
    done: tuple[str, ...] = Field(description="the steps that are finished")
    error: str = Field(description="code of what stopped the last try; empty when nothing did")
    created_at: datetime
    updated_at: datetime


class ImportBody(BaseModel):
    """A bundle, and the id of the tenant to be made of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(max_length=100, examples=["corner_shop_2"])
    bundle: dict[str, Any] = Field(description="as exportTenant gives it (schema TenantBundle)")


class ImportedWebhook(BaseModel):
    """A receiver and its fresh secret, which is shown this once."""

    model_config = ConfigDict(frozen=True)

    id: str
    url: str
    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class ImportedDocument(BaseModel):
    """A document as it was read here."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    status: Literal["pending", "ready", "failed"]
    detail: str = Field(description="why it is failed")


class TenantImport(BaseModel):
    """What was made of a bundle."""

    model_config = ConfigDict(frozen=True)

    object: Literal["tenant_import"] = "tenant_import"
    tenant: TenantDetail
    webhooks: tuple[ImportedWebhook, ...]
    knowledge: tuple[ImportedDocument, ...]
    missing_secrets: tuple[str, ...] = Field(description="to be set with PUT …/secrets/{name}")


# before getTenant, whose path this one's would match too
@router.get("/{tenant_id}:export", operation_id="exportTenant", response_model=TenantBundle, responses=refusals(404, 409))
async def export_tenant(tenant_id: TenantId, services: Services) -> Response:
    """The tenant as one document: configurations with their tools, draft, knowledge, webhooks without secrets, the names of its secrets.

    No calls, leads or keys. At most ten versions: the active one, the canary and the newest.
    """
    bundle = await services.bundles.export(tenant_id)
    return told(bundle, headers={"Content-Disposition": f'attachment; filename="tenant-{tenant_id}.json"'})


@router.post(":import", operation_id="importTenant", status_code=201, response_model=TenantImport, responses=refusals(409, 413, 415))
async def import_tenant(body: ImportBody, services: Services) -> Response:
    """Make a new tenant of a bundle, whole or not at all. A bundle with faults is refused with all of them."""
    made = await services.bundles.import_(body.id, body.bundle)
    answer = TenantImport(
        tenant=_detail(made.view),
        webhooks=tuple(ImportedWebhook(id=hook.id, url=hook.url, secret=secret) for hook, secret in made.webhooks),
        knowledge=tuple(ImportedDocument(id=one.id, name=one.name, status=one.status, detail=one.detail) for one in made.knowledge),
        missing_secrets=made.missing_secrets,
    )
    return told(answer, status=201, headers={"Location": f"/v1/tenants/{made.view.tenant_id}"})


@router.get("", operation_id="listTenants", response_model=TenantPage, responses=refusals())
async def list_tenants(services: Services, limit: Limit = MOST, cursor: Cursor = "") -> Response:
    """Tenants by id; those with a faulty configuration too."""
    page = await services.tenants.list(limit=limit, cursor=cursor)
    data = tuple(_item(each) for each in page.data)
    return told(TenantPage(data=data, has_more=page.next_cursor is not None, next_cursor=page.next_cursor))


@router.post("", operation_id="createTenant", status_code=201, response_model=TenantDetail, responses=refusals(409, 413, 415))
async def create_tenant(body: TenantBody, services: Services) -> Response:
    """Make a tenant. It takes calls once a configuration is published."""
    profile = TenantProfile(name=body.name, timezone=body.timezone, language=body.language, allowed_origins=body.allowed_origins)
    view = await services.tenants.create(body.id, profile)
    return _told(view, status=201, headers={"Location": f"/v1/tenants/{view.tenant_id}"})


@router.get("/{tenant_id}", operation_id="getTenant", response_model=TenantDetail, responses=refusals(404))
async def get_tenant(tenant_id: TenantId, services: Services) -> Response:
    """One tenant. A faulty configuration is answered with ``invalid_config`` and all its faults."""
    return _told(await services.tenants.get(tenant_id))


@router.patch("/{tenant_id}", operation_id="updateTenant", response_model=TenantDetail, responses=refusals(404, 409, 412, 413, 415))
async def update_tenant(tenant_id: TenantId, body: TenantPatch, services: Services, if_match: IfMatch = "") -> Response:
    """Change what the tenant is called and where it is at home. What is published already stays as it is."""
    fields: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    return _told(await services.tenants.change(tenant_id, fields, revision=await _revision(tenant_id, services, if_match)))


@router.delete("/{tenant_id}", operation_id="deleteTenant", status_code=202, response_model=JobDetail, responses=refusals(404, 409))
async def delete_tenant(tenant_id: TenantId, services: Services) -> Response:
    """Delete a tenant and all that is kept of it. New calls are refused at once, living ones end, the rest is a job."""
    job = await services.tenants.delete(tenant_id)
    return told(_job(job), status=202, headers={"Location": f"/v1/tenants/{tenant_id}/jobs/{job.id}"})


@router.post("/{tenant_id}:suspend", operation_id="suspendTenant", response_model=TenantDetail, responses=refusals(404, 409))
async def suspend_tenant(tenant_id: TenantId, services: Services) -> Response:
    """Take no new calls; living ones go on. Asking again changes nothing."""
    return _told(await services.tenants.suspend(tenant_id))


@router.post("/{tenant_id}:resume", operation_id="resumeTenant", response_model=TenantDetail, responses=refusals(404, 409))
async def resume_tenant(tenant_id: TenantId, services: Services) -> Response:
    """Take calls again. Asking again changes nothing."""
    return _told(await services.tenants.resume(tenant_id))


@router.get("/{tenant_id}/jobs/{job_id}", operation_id="getJob", response_model=JobDetail, responses=refusals(404))
async def get_job(tenant_id: TenantId, job_id: JobId, services: Services) -> Response:
    """How far a job is; for a month after its end, also when the tenant is gone."""
    return told(_job(await services.tenants.job(tenant_id, job_id)))


def _told(view: TenantView, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return told(_detail(view), status=status, headers={"ETag": version_tag(view.revision), **(headers or {})} if _keeps(view) else headers)


async def _revision(tenant_id: str, services: ApiServices, if_match: str) -> int | None:
    """The revision that ``If-Match`` names: its own tag, or that of the whole object where the revision does not name all of it."""
    if if_match and not _keeps(view := await services.tenants.get(tenant_id)):
        check_match(if_match, body_tag(encoded(_detail(view).model_dump())))
        return view.revision
    return matched_version(if_match, required=False)


def _keeps(view: TenantView) -> bool:
    """Whether the revision names all that is shown; a folder's configuration changes without one."""
    return view.head.active is not None or view.config is None


def _item(view: TenantView) -> TenantItem:
    config = view.config
    return TenantItem(
        id=view.tenant_id,
        name=_name(view),
        status=_status(view),
        config_version=view.config_version,
        config_hash=None if config is None else config.config_hash,
        faults=view.faults,
    )


def _detail(view: TenantView) -> TenantDetail:
    profile = view.head.profile
    return TenantDetail(
        id=view.tenant_id,
        name=_name(view),
        status=_status(view),
        allowed_origins=profile.allowed_origins,
        language=profile.language if view.config is None else view.config.voice_settings.language,
        timezone=profile.timezone if view.config is None else view.config.timezone,
        created_at=view.head.created_at if view.revision else None,
        config_version=view.config_version,
        **({} if view.config is None else _of_config(view.config)),
    )


def _of_config(config: TenantConfig) -> dict[str, Any]:
    shown = ("greeting", "first_speaker", "voice_settings", "enabled_tools", "barge_in", "limits", "recording", "config_hash")
    return {**{name: getattr(config, name) for name in shown}, "has_knowledge_base": bool(config.knowledge_base)}


def _name(view: TenantView) -> str:
    in_place = "" if view.config is None or view.head.active is not None else view.config.name
    return in_place or view.head.profile.name or view.tenant_id


def _status(view: TenantView) -> Literal["active", "suspended", "deleting", "broken"]:
    match view.head.state:
        case "suspended":
            return "suspended"
        case "deleting" | "deleted":
            return "deleting"
        case "active":
            return "broken" if view.faults else "active"


def _job(job: Job) -> JobDetail:
    shown = job.model_dump(include={"id", "kind", "tenant_id", "steps", "done", "error", "created_at", "updated_at"})
    return JobDetail(status=job.state, **shown)
