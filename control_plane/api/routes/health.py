"""Is the service alive, is it ready, and what is it?"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from control_plane.api.asked import Services
from control_plane.api.services import ApiServices, SignIn
from control_plane.api.wire import refusals, told
from nexus.errors import NotFound

router = APIRouter(tags=["service"], responses=refusals())
_SERVICE = "nexus-voice-engine"
_TOLD = ConfigDict(frozen=True, defer_build=True)


class CheckResult(BaseModel):
    model_config = _TOLD
    ok: bool
    detail: str = ""


class Alive(BaseModel):
    model_config = _TOLD
    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    model_config = _TOLD
    status: Literal["ready", "not_ready"]
    checks: dict[str, CheckResult]


class Health(BaseModel):
    """The original's health answer."""

    model_config = _TOLD
    status: Literal["healthy", "degraded"]
    service: str
    version: str
    tenants: int


class SignInDescription(BaseModel):
    """How people sign in: by an ID token of this issuer."""

    model_config = _TOLD
    issuer: str = Field(examples=["https://login.example.com"], description="its discovery document names its sign-in page")
    client_id: str = Field(description="for whom the token is asked for; a public client, by code and PKCE")
    scopes: tuple[str, ...] = Field(description="what to ask that page for; empty: it is not to be used")
    roles_claim: str = Field(description="where the token lists the person's roles")


class ServiceDescription(BaseModel):
    model_config = _TOLD
    name: str
    version: str
    api_version: str
    protocol: str
    engine: str
    openapi_url: str
    sign_in: SignInDescription | None = Field(description="null: only API keys are taken")


@router.get("/health/live", operation_id="getLiveness", response_model=Alive)
async def live() -> Response:
    """Answers as long as the process can answer at all. A failing answer means: restart it."""
    return told(Alive())


@router.get(
    "/health/ready",
    operation_id="getReadiness",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "A check fails"}},
)
async def ready(services: Services) -> Response:
    """Whether calls can be taken now; each check with its finding. 503 while one fails."""
    found = await _readiness(services)
    fine = found.status == "ready"
    return told(found, status=200 if fine else 503, headers={} if fine else {"Retry-After": "5"})


@router.get(
    "/health/checks/{name}",
    operation_id="getCheck",
    response_model=CheckResult,
    responses={**refusals(404), 503: {"model": CheckResult, "description": "The check fails"}},
)
async def check(name: str, services: Services) -> Response:
    """One named check of the readiness report (``engine``, ``draining`` …) as a probe of its own: 200 or 503."""
    found = (await services.ready()).get(name)
    if found is None:
        raise NotFound("route_not_found", "There is no such check; /health/ready lists them.")
    return told(CheckResult(ok=found.ok, detail=found.detail), status=200 if found.ok else 503)


@router.get("/health", operation_id="getHealth", response_model=Health)
async def health(services: Services) -> Response:
    """The original's health answer: always 200, the state is in the body."""
    found = await _readiness(services)
    status = "healthy" if found.status == "ready" else "degraded"
    return told(Health(status=status, service=_SERVICE, version=services.policy.version, tenants=await services.tenants.count()))


@router.get("/v1/.well-known/nexus", operation_id="describeService", response_model=ServiceDescription)
async def describe(services: Services) -> Response:
    """What a client needs to know before it begins."""
    policy = services.policy
    return told(
        ServiceDescription(
            name=_SERVICE,
            version=policy.version,
            api_version="2026-11-21",
            protocol="nexus.v1",
            engine=policy.engine,
            openapi_url="/v1/openapi.json",
            sign_in=_sign_in(policy.sign_in),
        )
    )


def _sign_in(found: SignIn | None) -> SignInDescription | None:
    if found is None:
        return None
    return SignInDescription(issuer=found.issuer, client_id=found.client_id, scopes=found.scopes, roles_claim=found.roles_claim)


async def _readiness(services: ApiServices) -> Readiness:
    checks = await services.ready()
    fine = all(check.ok for check in checks.values())
    return Readiness(
        status="ready" if fine else "not_ready",
        checks={name: CheckResult(ok=check.ok, detail=check.detail) for name, check in checks.items()},
    )
