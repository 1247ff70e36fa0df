"""What the console's tenant page asks of a canned server: a shelf of documents and a few versions, which nobody changes."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

SINCE = "2026-11-20T08:00:00Z"
DOCUMENT = {
    "id": "doc_1",
    "name": "Parking",
    "content_type": "text/markdown",
    "status": "ready",
    "detail": "",
    "bytes": 412,
    "updated_at": SINCE,
}
LONG = "A very long name of a document that nobody would choose but somebody will, without-a-single-place-to-break-it-in-two"
FAILED = {**DOCUMENT, "id": "doc_2", "name": LONG, "status": "failed", "detail": "The prompt has no room for it: shorten it."}
VERSION = {"version": 3, "active": True, "canary": False, "note": "Winter hours", "published_at": SINCE, "rolled_back_to": None}
CANARY = {"version": 4, "percent": 10, "started_at": SINCE}


def add_shelves(app: FastAPI) -> None:
    """The routes."""

    @app.get("/v1/tenants/{tenant}/knowledge")
    async def knowledge(tenant: str) -> Any:
        return {"data": [DOCUMENT, FAILED], "used_bytes": 824, "max_documents": 50, "max_bytes": 200_000}

    @app.get("/v1/tenants/{tenant}/config")
    async def config(tenant: str) -> Any:
        return {"version": 3, "published_at": SINCE, "canary": CANARY}

    @app.get("/v1/tenants/{tenant}/config/versions")
    async def versions(tenant: str, limit: int) -> Any:
        return {"data": [{**VERSION, "version": 4, "active": False, "canary": True, "note": "Kinder"}, VERSION], "has_more": False}

    @app.get("/v1/tenants/{tenant}/config/draft")
    async def draft(tenant: str) -> Any:
        return {"updated_at": SINCE, "config": {}}

    @app.get("/v1/.well-known/nexus")
    async def described() -> Any:
        return {"sign_in": None}
