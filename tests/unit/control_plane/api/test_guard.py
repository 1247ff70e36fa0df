"""The guard at the door of the API: what is asked for when, how refusals look, and that nothing comes around it."""

from __future__ import annotations

import logging
from dataclasses import replace

import httpx
import pytest
from fastapi import APIRouter

from control_plane.api.app import build_app
from control_plane.services.authentication import Authenticator
from nexus.errors import Unavailable
from tests.fakes.control_plane import House

SESSIONS = "/v1/tenants/barber_shop/sessions"


def required(door: House, keys: object = None) -> httpx.AsyncClient:
    """The same house, asking for credentials."""
    authenticator = Authenticator(keys or door.plane.services.api_keys, required=True)  # type: ignore[arg-type]
    app = build_app(replace(door.plane.services, authenticator=authenticator))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000")


async def made(door: House, **wish: object) -> str:
    answer = await door.client.post("/v1/tenants/barber_shop/api-keys", json={"name": "k", **wish})
    assert answer.status_code == 201, answer.text
    secret: str = answer.json()["secret"]
    return secret


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def test_on_loopback_in_development_nobody_is_asked(door: House) -> None:
    assert (await door.client.get(SESSIONS)).status_code == 200


async def test_but_a_credential_that_is_shown_counts(door: House) -> None:
    assert (await door.client.get(SESSIONS, headers=bearer("junk"))).json()["code"] == "credential_invalid"
    key = await made(door, scopes=["leads:read"])
    assert (await door.client.get(SESSIONS, headers=bearer(key))).json()["code"] == "forbidden"


async def test_a_401_says_how_to_prove_oneself(door: House) -> None:
    async with required(door) as client:
        missing, wrong = await client.get(SESSIONS), await client.get(SESSIONS, headers=bearer("junk"))
    assert missing.headers["www-authenticate"] == 'Bearer realm="nexus"'
    assert wrong.headers["www-authenticate"] == 'Bearer realm="nexus", error="invalid_token", error_description="credential_invalid"'
    for answer in (missing, wrong):
        assert (
            answer.headers["content-type"] == "application/problem+json" and answer.json()["request_id"] == answer.headers["x-request-id"]
        )


async def test_probes_need_no_credential_even_with_a_wrong_one(door: House) -> None:
    async with required(door) as client:
        for path in ("/health/live", "/health", "/health/ready", "/v1/.well-known/nexus"):
            assert (await client.get(path, headers=bearer("junk"))).status_code == 200
        assert (await client.get("/nowhere")).status_code == 404


async def test_a_credential_is_asked_for_before_anything_else_is_said(door: House) -> None:
    """No fault of the request, no id, no method is told to somebody unknown."""
    async with required(door) as client:
        for request in (
            client.post("/v1/tenants/barber_shop/calls", json={"colour": "red"}),
            client.get("/v1/tenants/nobody_here/sessions?limit=0"),
            client.get("/v1/tenants/!!/sessions"),
            client.post("/v1/tenants/barber_shop/api-keys", content=b"{", headers={"Content-Type": "application/json"}),
        ):
            assert (await request).json()["code"] == "credential_missing"


async def test_a_foreign_tenant_and_none_are_answered_alike(door: House) -> None:
    key = await made(door, scopes=["sessions:read"])
    async with required(door) as client:
        told = [
            (await client.get(f"/v1/tenants/{name}/sessions", headers=bearer(key))).json() for name in ("pizza_shop", "nobody_here", "!!")
        ]
    assert len({(one["code"], one["detail"], one["status"]) for one in told}) == 1


async def test_a_store_that_is_away_lets_nobody_in(door: House) -> None:
    class Away:
        async def principal(self, text: str, origin: str = "") -> None:
            raise Unavailable("store_unavailable", "the store is away")

    key = await made(door, scopes=["sessions:read"])
    async with required(door, Away()) as client:
        answer = await client.get(SESSIONS, headers=bearer(key))
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable") and answer.headers["retry-after"]


async def test_a_route_that_came_around_the_guard_is_refused(door: House, caplog: pytest.LogCaptureFixture) -> None:
    stray = APIRouter()

    @stray.get("/v1/stray", operation_id="stray")
    async def answer() -> dict[str, str]:
        return {"secret": "everything"}

    app = build_app(door.plane.services)
    app.include_router(stray)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000") as client:
        with caplog.at_level(logging.ERROR, "nexus.api"):
            told = await client.get("/v1/stray")
    assert told.status_code == 500 and "everything" not in told.text
    assert any("without the guard" in str(record.exc_info) for record in caplog.records if record.exc_info)


async def test_an_operation_without_a_row_is_refused(door: House) -> None:
    stray = APIRouter()

    @stray.get("/v1/stray", operation_id="stray")
    async def answer() -> dict[str, str]:
        return {"secret": "everything"}

    app = build_app(door.plane.services, more=[stray])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000") as client:
        told = await client.get("/v1/stray")
    assert (told.status_code, told.json()["code"]) == (403, "forbidden")


async def test_a_page_may_order_and_read_its_answer(door: House) -> None:
    page = "https://www.example.org"
    key = await made(door, kind="publishable", origins=[page])
    asked = {"Origin": page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}
    calls = "/v1/tenants/barber_shop/calls"
    async with required(door) as client:
        preflight = await client.options(calls, headers=asked)
        ordered = await client.post(calls, json={}, headers={**bearer(key), "Origin": page, "Idempotency-Key": "k"})
        refused = await client.post(calls, json={"colour": "red"}, headers={**bearer(key), "Origin": page, "Idempotency-Key": "k"})
    assert preflight.status_code == 204 and preflight.headers["access-control-allow-origin"] == page
    assert "idempotency-key" in preflight.headers["access-control-allow-headers"]
    assert ordered.status_code == 201 and ordered.headers["access-control-allow-origin"] == page
    assert refused.status_code == 422 and refused.headers["access-control-allow-origin"] == page
    assert "retry-after" in ordered.headers["access-control-expose-headers"]
    for answer in (preflight, ordered, refused):
        assert "Origin" in answer.headers["vary"]


async def test_the_openapi_document_names_permissions(door: House) -> None:
    paths = (await door.client.get("/v1/openapi.json")).json()["paths"]
    listed = paths["/v1/tenants/{tenant_id}/leads"]["get"]
    assert listed["x-permission"] == "leads:read" and listed["security"] == [{"credential": []}] and "401" in listed["responses"]
    assert "security" not in paths["/health/live"]["get"]


async def test_a_key_lives_its_life_over_http(door: House) -> None:
    keys = "/v1/tenants/barber_shop/api-keys"
    first = (await door.client.post(keys, json={"name": "crm", "scopes": ["sessions:read"], "mode": "test"})).json()
    assert (
        first["mode"] == "test" and first["kind"] == "secret" and first["created_by"] == "local" and first["secret"].startswith("nx_test_")
    )
    rotated = (await door.client.post(f"{keys}/{first['id']}:rotate", json={"overlap_s": 60})).json()
    assert rotated["id"] == first["id"] and rotated["secret"] != first["secret"]
    assert [one["last4"] for one in rotated["secrets"]] == [first["secret"][-4:], rotated["secret"][-4:]]
    shown = (await door.client.get(f"{keys}/{first['id']}")).json()
    assert "secret" not in shown and first["secret"][-43:] not in str(shown)
    assert (await door.client.get(keys)).json()["data"][0]["id"] == first["id"]
    assert (await door.client.post(f"{keys}/{first['id']}:revoke")).json()["status"] == "revoked"
    assert (await door.client.post(f"{keys}/{first['id']}:rotate", json={})).status_code == 409
    assert (await door.client.get(f"{keys}/key_01KAQ2Z3M4N5P6Q7R8S9T0V1W2")).json()["code"] == "api_key_not_found"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "k"},
        {"name": "k", "scopes": ["all"]},
        {"name": "k", "scopes": ["leads:read"], "tenant_id": "pizza_shop"},
        {"name": "k", "scopes": ["leads:read"], "created_by": "somebody"},
        {"name": "k", "scopes": ["leads:read"], "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "k", "scopes": ["leads:read"], "expires_at": "2030-01-01T00:00:00"},
        {"name": "k", "kind": "publishable", "origins": ["*"]},
        {"name": "k", "kind": "publishable", "origins": ["https://*.example.com"]},
        {"name": "k", "kind": "publishable", "origins": ["http://www.example.com"]},
        {"name": "k", "kind": "publishable", "origins": ["https://www.example.com/"]},
        {"name": "k", "kind": "publishable", "origins": ["null"]},
    ],
)
async def test_keys_that_are_not_made(door: House, body: dict[str, object]) -> None:
    answer = await door.client.post("/v1/tenants/barber_shop/api-keys", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), answer.text


async def test_no_key_for_a_tenant_that_is_not_there(door: House) -> None:
    answer = await door.client.post("/v1/tenants/nobody_here/api-keys", json={"name": "k", "scopes": ["leads:read"]})
    assert answer.json()["code"] == "tenant_not_found"
