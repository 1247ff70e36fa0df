"""What the conventions of all routes add to each operation of the OpenAPI document."""

from __future__ import annotations

from typing import Any

from control_plane.access.matrix import MATRIX
from control_plane.api.conventions import is_change, is_tagged, takes_key
from control_plane.api.problems import MEDIA_TYPE
from control_plane.services.idempotency import LONGEST_KEY

_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "a fresh random value; with the same one a repeated request is answered again for 24 hours, and not done again",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[ -~]+$"},
}
_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "the ETag of the copy that the client has",
    "schema": {"type": "string"},
}
_TEXT = {"schema": {"type": "string"}}
_NUMBER = {"schema": {"type": "integer"}}
_TAG = {"ETag": {"description": "changes when the object does", **_TEXT}}
_LIMITS = {
    "RateLimit-Limit": {"description": "requests a minute; left out where nothing is limited", **_NUMBER},
    "RateLimit-Remaining": {"description": "what is left of them", **_NUMBER},
    "RateLimit-Reset": {"description": "seconds until the minute ends", **_NUMBER},
}
_RETRY = {"Retry-After": {"description": "seconds to wait", **_NUMBER}}


def tell_conventions(operation: dict[str, Any], method: str) -> None:
    """Add parameters, headers and answers to one operation."""
    name = operation.get("operationId", "")
    rule = MATRIX.get(name)
    if rule is None or rule.reach == "public":
        return
    answers = operation["responses"]
    answers["429"] = _problem("The limit is reached; Retry-After says when to ask again", {**_RETRY, **_LIMITS})
    if takes_key(name, method) and is_change(name, method):
        operation.setdefault("parameters", []).append(_KEY)
        answers["409"] = _problem("The state of things does not allow it, or the same request is being done just now")
    if is_tagged(name, method):
        operation.setdefault("parameters", []).append(_NONE_MATCH)
        answers["200"].setdefault("headers", {}).update(_TAG)
        answers["304"] = {"description": "It has not changed", "headers": _TAG}
    operation["responses"] = dict(sorted(answers.items()))


def _problem(meaning: str, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    told: dict[str, Any] = {"description": meaning, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    return {**told, "headers": headers} if headers else told
