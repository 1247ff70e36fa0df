"""Values as JSON answers: RFC 3339 times in UTC with milliseconds, and what every route documents."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator
from starlette.responses import Response

from control_plane.api.problems import MEDIA_TYPE
from nexus.clock import instant

DEFAULT_LIMIT = 20
MOST = 100
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")

# The forms are told here and checked by nexus.domain.ids, whose refusals name what is wrong.
TenantId = Annotated[
    str, Path(description="the tenant", examples=["barber_shop_demo"], json_schema_extra={"pattern": "^[a-z0-9][a-z0-9_-]{1,62}$"})
]
CallId = Annotated[
    str,
    Path(
        description="the call, or its session",
        examples=["call_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"],
        json_schema_extra={"pattern": "^call_[0-7][0-9A-HJKMNP-TV-Z]{25}$"},
    ),
]
Limit = Annotated[int, Query(ge=1, le=MOST, description="the longest page")]


def _as_rfc3339(value: object) -> object:
    if not isinstance(value, str):
        return value
    if _NUMBER.fullmatch(value.strip()):  # which would be read as seconds, or milliseconds, since 1970
        raise ValueError("write the time as 2026-11-21T09:00:00Z")
    # A plus sign in a query string arrives as a space: 2026-11-21T09:00:00+01:00 is meant.
    return value.strip().replace(" ", "+") if "T" in value else value


Moment = Annotated[datetime | None, BeforeValidator(_as_rfc3339)]
"""A time in a query; see ``in_utc``."""
Cursor = Annotated[str, Query(max_length=512, description="next_cursor of the page before, with the same filters")]

_MEANINGS: Mapping[int, str] = {
    401: "The credential is missing or wrong",
    403: "Host or origin is not allowed",
    404: "There is no such thing for this tenant",
    409: "The state of the call does not allow it",
    412: "It has changed since it was read",
    413: "The body is too large",
    415: "The body does not say it is JSON",
    422: "Something in the request must change; errors[] says what",
    428: "This change is taken only with If-Match",
    429: "The tenant's limit is reached; Retry-After says when to ask again",
    500: "A defect on our side",
    503: "Not possible just now; Retry-After says when to ask again",
}


def told(model: BaseModel, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The model as a JSON answer."""
    return Response(encoded(model.model_dump()), status_code=status, media_type="application/json", headers=dict(headers or {}))


def encoded(value: Any) -> bytes:
    """JSON bytes of dumped values; times become RFC 3339 UTC with milliseconds."""
    return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def in_utc(moment: datetime | None) -> datetime | None:
    """A moment of a query; without an offset it is UTC."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses=`` of a route: its own refusals, and those that any route may give."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _MEANINGS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in sorted({403, 422, 500, 503, *statuses})
    }


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return instant(value)
    raise TypeError(f"{type(value).__name__} does not go into an answer")
