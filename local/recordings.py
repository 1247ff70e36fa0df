"""Gives out recordings of this machine to whoever holds a signed address, whole or in parts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Protocol

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from nexus.clock import Clock

_MEDIA_TYPE = "audio/ogg"
_HEADERS = {"Cache-Control": "private, no-store", "Content-Disposition": "inline"}


class SignedRecordings(Protocol):
    """The part of ``FileRecordings`` that is served."""

    async def opened(self, tenant_id: str, call_id: str, *, expires: int, signature: str, now: datetime) -> Path: ...


def recordings_route(recordings: SignedRecordings, clock: Clock, path: str) -> Route:
    """``GET`` and ``HEAD`` below ``path``. Refusals are ``NexusError``."""

    async def answer(request: Request) -> Response:
        query, place = request.query_params, request.path_params
        told = query.get("expires", "")
        expires = int(told) if told.isascii() and told.isdigit() and len(told) <= 12 else 0
        file = await recordings.opened(
            place["tenant_id"], place["call_id"], expires=expires, signature=query.get("signature", ""), now=clock.now()
        )
        return FileResponse(file, media_type=_MEDIA_TYPE, headers=_HEADERS)

    return Route(f"{path}/{{tenant_id}}/{{call_id}}", answer, methods=["GET"])
