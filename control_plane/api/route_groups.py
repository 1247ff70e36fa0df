"""The routes in groups, each in a module of its own, made when the first request for one comes.

Making all routes takes longer than everything else that the API does to start; a function of Lambda that starts for one request pays for
one group. A server that stays makes them all at once (``GROUPS`` in this order), so that what is wrong with one shows when it starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

OPENAPI_PATH = "/v1/openapi.json"
_OF_TENANTS = {
    "": "tenants",
    "jobs": "tenants",
    "config": "configs",
    "knowledge": "knowledge",
    "calls": "calls",
    "sessions": "sessions",
    "failed-items": "failed_items",
    "leads": "leads",
    "webhooks": "webhooks",
    "secrets": "tools",
    "tools": "tools",
    "conversations": "conversations",
    "api-keys": "api_keys",
    "usage": "usage",
    "audit-events": "audit",
}
"""By what stands behind ``/v1/tenants/{tenant_id}/``, up to a colon."""
GROUPS = tuple(dict.fromkeys(("health", *_OF_TENANTS.values())))


def group_of(path: str) -> str:
    """The group to which a path's routes belong, if there are any; empty where there are none."""
    first, second, *_ = [*path.lstrip("/").split("/"), "", ""]
    if first == "health" or (first, second) == ("v1", ".well-known"):
        return "health"
    if path == "/init-session":
        return "conversations"
    if path == "/v1/audit-events":
        return "audit"
    if path == "/v1/tenants:import":
        return "tenants"
    if (first, second) != ("v1", "tenants"):
        return ""
    parts = path.split("/")
    return _OF_TENANTS.get(parts[4].partition(":")[0] if len(parts) > 4 else "", "")


def router_of(group: str) -> APIRouter:
    """The routes of a group."""
    router: APIRouter = import_module(f"control_plane.api.routes.{group}").router
    return router


class MadeRoutes:
    """What of the routes an application has by now.

    Args:
        app: the application that gets them.
        more: further routers; they belong to no group, and stand behind the same guard.
    """

    def __init__(self, app: FastAPI, more: Iterable[APIRouter] = ()) -> None:
        self.routes: list[APIRoute] = []
        self._app = app
        self._groups: set[str] = set()
        for router in more:
            self._include(router)

    def need(self, group: str) -> None:
        """Make a group, unless it is there."""
        if group and group not in self._groups:
            self._include(router_of(group))
            self._groups.add(group)

    def need_all(self) -> None:
        """Make every group."""
        for group in GROUPS:
            self.need(group)

    def _include(self, router: APIRouter) -> None:
        self._app.include_router(router)
        self.routes += operations_of(router)


def operations_of(router: APIRouter) -> list[APIRoute]:
    """A router's own routes."""
    return [route for route in router.routes if isinstance(route, APIRoute)]


class RoutesWhenAsked:
    """ASGI step before the guard: makes the group that a request is for.

    Args:
        app: what stands behind it.
        made: the routes so far.
    """

    def __init__(self, app: ASGIApp, made: MadeRoutes) -> None:
        self._app = app
        self._made = made

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] == "http":
            if scope["path"] == OPENAPI_PATH:
                self._made.need_all()
            self._made.need(group_of(scope["path"]))
        await self._app(scope, receive, send)
