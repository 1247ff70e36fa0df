"""The OpenAPI document: what FastAPI derives, with the one error shape in place of its own."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from control_plane.access.matrix import MATRIX
from control_plane.api.convention_schema import tell_conventions
from control_plane.api.problems import MEDIA_TYPE, Fault, Problem

VERSION = "2026-11-21"
_TAGS = [
    {"name": "calls", "description": "Order a spoken call, look at it, end it."},
    {"name": "sessions", "description": "Finished calls."},
    {"name": "leads", "description": "What finished calls were worth."},
    {"name": "webhooks", "description": "Who is told of finished calls."},
    {"name": "tenants", "description": "The businesses whose agents answer."},
    {"name": "config", "description": "What a tenant's agent is: draft, publish, roll back."},
    {"name": "knowledge", "description": "Documents that the agent answers from."},
    {"name": "conversations", "description": "Talking with an agent in text."},
    {"name": "api-keys", "description": "Credentials of a tenant's machines and web pages."},
    {"name": "usage", "description": "What was used, by day."},
    {"name": "audit", "description": "Who changed what."},
    {"name": "service", "description": "Probes and self-description."},
]
_CREDENTIAL = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key (nx_live_, nx_test_), a publishable key (nx_pub_, for createCall only), or a person's token of the issuer.",
}
_NO_CREDENTIAL = {
    "description": "The credential is missing, wrong, expired or revoked; WWW-Authenticate says which",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_NOT_JSON = {
    "description": "The body is not JSON, or nests too deeply",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_DESCRIPTION = "Everything before and after a spoken call. docs/api.md says how it is used; every error is a problem document (RFC 9457)."


def install(app: FastAPI) -> None:
    """Make ``app.openapi()`` give our document, made once."""
    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(document(app))
        return made

    app.openapi = openapi  # type: ignore[method-assign]


def document(app: FastAPI) -> dict[str, Any]:
    """The whole OpenAPI document."""
    described = get_openapi(title=app.title, version=VERSION, description=_DESCRIPTION, routes=app.routes, tags=_TAGS)
    components = described["components"]["schemas"]
    components.pop("HTTPValidationError", None)
    components.pop("ValidationError", None)
    _, problems = models_json_schema([(Problem, "serialization"), (Fault, "serialization")], ref_template="#/components/schemas/{model}")
    components.update(problems["$defs"])
    described["components"]["schemas"] = dict(sorted(components.items()))
    described["components"]["securitySchemes"] = {"credential": _CREDENTIAL}
    for path in described["paths"].values():
        for method, operation in path.items():
            _tell_access(operation)
            _tell_body(operation)
            tell_conventions(operation, method.upper())
    return described


def _tell_body(operation: dict[str, Any]) -> None:
    """What is taken in can be no JSON at all."""
    if "requestBody" in operation:
        operation["responses"]["400"] = _NOT_JSON


def _tell_access(operation: dict[str, Any]) -> None:
    """Which permission the operation asks for; nothing where it asks for none."""
    rule = MATRIX.get(operation.get("operationId", ""))
    if rule is None or rule.reach == "public":
        return
    operation["security"] = [{"credential": []}]
    operation["x-permission"] = rule.permission
    operation["responses"]["401"] = _NO_CREDENTIAL
    operation["responses"] = dict(sorted(operation["responses"].items()))
