"""Declared tools and the secrets they use: written here, shown never."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, field_validator
from starlette.responses import Response

from control_plane.api.asked import Services
from control_plane.api.wire import TenantId, refusals, told
from control_plane.services.declared_tools import Trial
from nexus.ports.secrets import SecretNote

router = APIRouter(prefix="/v1/tenants/{tenant_id}", tags=["tools"])
SecretName = Annotated[str, Path(pattern=r"^[A-Z][A-Z0-9_]{0,63}$", examples=["CRM_TOKEN"])]
ToolName = Annotated[str, Path(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,63}$", examples=["find_customer"])]
_OUTPUT_SHOWN = 4_000


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Given(BaseModel):
    model_config = ConfigDict(frozen=True)


class SecretBody(_Asked):
    """A secret's value; no answer shows it."""

    value: SecretStr = Field(min_length=8, max_length=4000, description="printable ASCII")

    @field_validator("value")
    @classmethod
    def _fits_a_header(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if not (text.isascii() and text.isprintable()) or text != text.strip():
            raise ValueError("printable ASCII without spaces around it")
        return value


class SecretDetail(_Given):
    """What may be told of a secret."""

    object: Literal["secret"] = "secret"
    name: str = Field(examples=["CRM_TOKEN"])
    last4: str = Field(description="its last four characters; empty for one shorter than twelve")
    updated_at: datetime


class SecretPage(_Given):
    data: tuple[SecretDetail, ...]
    has_more: bool
    next_cursor: str | None


class ToolTestBody(_Asked):
    """What to try out."""

    arguments: dict[str, JsonValue] = Field(default_factory=dict, examples=[{"phone": "+15550100"}])
    config: Literal["active", "draft"] = Field(default="active", description="where the tool is declared")


class SentRequest(_Given):
    """The request as it was sent, with references in the place of secrets."""

    method: str
    url: str
    headers: dict[str, str]
    body: str


class ToolTestResult(_Given):
    """What came of the trial."""

    object: Literal["tool_test"] = "tool_test"
    request: SentRequest
    status: Literal["done", "refused", "failed", "unknown", "timeout", "invalid"] = Field(
        description="done; refused: the server said no; failed: certainly not done; unknown and timeout: it may have been done; "
        "invalid: done, but nobody can say the answer"
    )
    http_status: int | None = Field(description="of the answer; null where none came")
    duration_ms: float
    problem: str = Field(description="why it is not done")
    output: str = Field(description="what the agent would be told, at most 4,000 characters of it")
    output_cut: bool


@router.put("/secrets/{name}", operation_id="putSecret", response_model=SecretDetail, responses=refusals(404, 413, 415, 429))
async def put_secret(tenant_id: TenantId, name: SecretName, body: SecretBody, services: Services) -> Response:
    """Write a secret, or another value of it. Headers of declared tools refer to it as ``{{secret:NAME}}``; no answer ever shows it."""
    await services.tenants.get(tenant_id)
    return told(_detail(await services.secrets.put(tenant_id, name, body.value.get_secret_value())))


@router.get("/secrets", operation_id="listSecrets", response_model=SecretPage, responses=refusals(404))
async def list_secrets(tenant_id: TenantId, services: Services) -> Response:
    """Every secret by name, in one page, without its value."""
    await services.tenants.get(tenant_id)
    data = tuple(_detail(one) for one in await services.secrets.list(tenant_id))
    return told(SecretPage(data=data, has_more=False, next_cursor=None))


@router.delete("/secrets/{name}", operation_id="deleteSecret", status_code=204, response_class=Response, responses=refusals(404, 409))
async def delete_secret(tenant_id: TenantId, name: SecretName, services: Services) -> Response:
    """Forget a secret. Tools that refer to it fail from now on."""
    await services.secrets.delete(tenant_id, name)
    return Response(status_code=204)


@router.post("/tools/{name}:test", operation_id="testTool", response_model=ToolTestResult, responses=refusals(404, 413, 415))
async def test_tool(tenant_id: TenantId, name: ToolName, body: ToolTestBody, services: Services) -> Response:
    """Run a declared tool once, for real, with the given arguments, and see what a call would see."""
    return told(_result(await services.tools.test(tenant_id, name, body.arguments, body.config)))


def _detail(note: SecretNote) -> SecretDetail:
    return SecretDetail(name=note.name, last4=note.last4, updated_at=note.updated_at)


def _result(trial: Trial) -> ToolTestResult:
    sent, outcome = trial.request, trial.outcome
    headers: dict[str, Any] = dict(sent.headers)
    return ToolTestResult(
        request=SentRequest(method=sent.method, url=sent.url, headers=headers, body=sent.body.decode("utf-8", "replace")),
        status=outcome.kind,
        http_status=outcome.http_status,
        duration_ms=round(outcome.duration_ms, 1),
        problem=outcome.problem,
        output=outcome.output[:_OUTPUT_SHOWN],
        output_cut=len(outcome.output) > _OUTPUT_SHOWN,
    )
