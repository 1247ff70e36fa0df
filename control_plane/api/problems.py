"""Errors as problem documents, one shape for every refusal and failure of the API.

**Source:** RFC 9457 (problem details for HTTP APIs), RFC 6901 (JSON pointer).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from nexus.domain.config_check import FaultyConfig, Finding
from nexus.errors import HTTP_STATUS, ConfigurationError, NexusError, QuotaExceeded

MEDIA_TYPE = "application/problem+json"
_DEFAULT_RETRY_S = 5
_RETRY_STATUS = frozenset({429, 503})


class Fault(BaseModel):
    """One thing that is wrong with the request or the configuration."""

    model_config = ConfigDict(frozen=True)

    pointer: str | None = Field(default=None, description="JSON pointer into the body", examples=["/caller/phone"])
    parameter: str | None = Field(default=None, description="query parameter or header", examples=["limit"])
    code: str = Field(examples=["extra_forbidden"])
    detail: str = Field(examples=["Extra inputs are not permitted"])


class Problem(BaseModel):
    """What every error answers with."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="names the kind of error; equal for equal codes", examples=["urn:nexus:error:call_not_found"])
    title: str = Field(examples=["Call not found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="what to do about it", examples=["There is no such call for this tenant."])
    code: str = Field(description="stable machine word; docs/errors.md lists all", examples=["call_not_found"])
    request_id: str = Field(description="the same as in X-Request-Id and in the logs", examples=["req_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"])
    retryable: bool = Field(description="whether the same request may succeed later")
    errors: tuple[Fault, ...] = ()
    used: int | None = Field(default=None, description="with a limit that is reached: how much is taken")
    max: int | None = Field(default=None, description="with a limit that is reached: how much there may be")


def problem(code: str, detail: str, request_id: str, *, retryable: bool = False, errors: tuple[Fault, ...] = ()) -> Problem:
    """The problem for a code of ``nexus.errors.HTTP_STATUS``; an unlisted code is an internal error."""
    return Problem(
        type=f"urn:nexus:error:{code}",
        title=code.replace("_", " ").capitalize(),
        status=HTTP_STATUS.get(code, 500),
        detail=detail,
        code=code,
        request_id=request_id,
        retryable=retryable,
        errors=errors,
    )


def problem_of(error: NexusError, request_id: str) -> Problem:
    """The problem that tells of one of our errors."""
    told = problem(error.code, error.public_message, request_id, retryable=error.retryable, errors=_faults_in(error))
    if not isinstance(error, QuotaExceeded) or error.usage is None:
        return told
    used, limit = error.usage
    return told.model_copy(update={"used": used, "max": limit})


def finding_told(finding: Finding) -> Fault:
    """A fault or warning of a configuration."""
    return Fault(pointer=finding.pointer, code=finding.code, detail=finding.detail)


def _faults_in(error: NexusError) -> tuple[Fault, ...]:
    if isinstance(error, FaultyConfig):
        return tuple(finding_told(one) for one in error.found)
    faults = error.faults if isinstance(error, ConfigurationError) else ()
    return tuple(Fault(code="config_fault", detail=fault) for fault in faults)


def retry_after_s(error: NexusError) -> int:
    """How long a client should wait before it asks again."""
    return error.retry_after_s if isinstance(error, QuotaExceeded) else _DEFAULT_RETRY_S


def answer(told: Problem, *, wait_s: int = _DEFAULT_RETRY_S, headers: Mapping[str, str] | None = None) -> Response:
    """The HTTP answer; 429 and 503 say when to try again."""
    extra = {"Retry-After": str(wait_s)} if told.status in _RETRY_STATUS else {}
    content = json.dumps(told.model_dump(exclude_none=True), ensure_ascii=False).encode()
    return Response(content, status_code=told.status, media_type=MEDIA_TYPE, headers={**extra, **(headers or {})})


def faults_of(found: Sequence[Mapping[str, Any]]) -> tuple[Fault, ...]:
    """FastAPI's list of validation errors in our words; the refused values themselves are not repeated."""
    return tuple(_fault(tuple(each["loc"]), str(each["type"]), str(each["msg"])) for each in found)


def _fault(place: tuple[str | int, ...], code: str, detail: str) -> Fault:
    where, path = (str(place[0]), place[1:]) if place else ("body", ())
    if where == "body":
        return Fault(pointer="".join(f"/{_escape(str(step))}" for step in path), code=code, detail=detail)
    return Fault(parameter=".".join(str(step) for step in path), code=code, detail=detail)


def _escape(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
