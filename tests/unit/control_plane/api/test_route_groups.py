"""Routes that are made when they are asked for: each where it belongs, none missing, and as well guarded as the others."""

from __future__ import annotations

import httpx
import pytest

from control_plane.api.app import build_app, operations
from control_plane.api.route_groups import GROUPS, OPENAPI_PATH, group_of, operations_of, router_of
from tests.fakes.control_plane import House


@pytest.mark.parametrize("group", GROUPS)
def test_every_route_of_a_group_is_found_by_its_path(group: str) -> None:
    routes = operations_of(router_of(group))
    assert routes
    for route in routes:
        assert group_of(route.path.replace("{tenant_id}", "barber_shop")) == group, route.path


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/console.js", "/v1/tenant", "/v1/tenants/a/nothing", "/V1/tenants", ""])
def test_other_paths_belong_to_none(path: str) -> None:
    assert group_of(path) == ""


async def test_only_the_group_that_is_asked_for_is_made(door: House) -> None:
    app = build_app(door.plane.services, lazily=True)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000") as client:
        assert (await client.get("/health/live")).status_code == 200
        made = {getattr(route, "path", "") for router in app.router.routes for route in getattr(router, "routes", [router])}
        assert "/v1/tenants/{tenant_id}/leads" not in made
        assert (await client.get("/v1/tenants/barber_shop/leads")).status_code == 200
        assert (await client.delete("/v1/tenants/barber_shop/leads")).status_code == 405
        assert (await client.get("/v1/tenants/barber_shop/nothing")).status_code == 404
        told = (await client.get(OPENAPI_PATH)).json()
    described = {operation["operationId"] for path in told["paths"].values() for operation in path.values()}
    assert described == {route.operation_id for route in operations()}
