"""Guards, ids and headers that every request meets."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.api.services import Check
from tests.fakes.control_plane import House, house, memory_stores

CALLS = "/v1/tenants/barber_shop/calls"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Origin": "http://localhost:8000"}, 201),
        ({"Origin": "https://www.example.com"}, 201),
        ({"Origin": "http://localhost:9999"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "rebound.evil.example:8000"}, 403),
        ({"Host": "["}, 403),
        ({"Host": "127.0.0.1:8000"}, 201),
        ({"Host": "[::1]:8000"}, 201),
    ],
)
async def test_a_strangers_page_cannot_drive_the_api(door: House, headers: dict[str, str], status: int) -> None:
    answer = await door.client.post(CALLS, json={}, headers={"Idempotency-Key": "k", **headers})
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["code"] in {"origin_not_allowed", "host_not_allowed"}


async def test_reading_is_guarded_by_the_host_name_too(door: House) -> None:
    assert (await door.client.get("/v1/tenants", headers={"Host": "rebound.evil.example"})).status_code == 403


async def test_a_request_id_is_taken_over_when_it_is_sane(door: House) -> None:
    taken = await door.client.get("/health/live", headers={"X-Request-Id": "trace-1234-abcd"})
    assert taken.headers["x-request-id"] == "trace-1234-abcd"
    made = await door.client.get("/health/live", headers={"X-Request-Id": "x" * 300})
    assert made.headers["x-request-id"].startswith("req_")


async def test_every_answer_carries_safe_headers(door: House) -> None:
    for answer in (await door.client.get("/v1/tenants"), await door.client.get("/nowhere")):
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
    assert (await door.client.get("/v1/tenants")).headers["cache-control"] == "no-store"


async def test_probes_are_told_apart(door: House) -> None:
    assert (await door.client.get("/health/ready")).json() == {"status": "ready", "checks": {"store": {"ok": True, "detail": ""}}}
    door.checks["engine"] = Check(False, "the speech models are not installed: make setup")
    refused = await door.client.get("/health/ready")
    assert refused.status_code == 503 and refused.headers["retry-after"]
    assert refused.json()["checks"]["engine"]["detail"].startswith("the speech models")
    assert (await door.client.get("/health/checks/engine")).status_code == 503
    assert (await door.client.get("/health/checks/store")).status_code == 200
    assert (await door.client.get("/health/checks/nothing")).status_code == 404
    assert (await door.client.get("/health/live")).json() == {"status": "ok"}
    assert (await door.client.get("/health")).json()["status"] == "degraded"
    assert (await door.client.get("/v1/.well-known/nexus")).json()["protocol"] == "nexus.v1"


ISSUER: dict[str, Any] = {
    "oidc_issuer": "https://login.example.com/pool",
    "oidc_audience": "client-1",
    "oidc_token_origin": "https://tokens.example.com",
}


async def test_the_console_is_told_how_people_sign_in_and_may_ask_there_and_nowhere_else() -> None:
    client = house(memory_stores(), **ISSUER, oidc_scopes="openid profile", oidc_roles_claim="roles").client
    described = await client.get("/v1/.well-known/nexus")
    assert described.json()["sign_in"] == {
        "issuer": "https://login.example.com/pool",
        "client_id": "client-1",
        "scopes": ["openid", "profile"],
        "roles_claim": "roles",
    }
    assert "connect-src 'self' https://login.example.com https://tokens.example.com;" in described.headers["content-security-policy"]


async def test_where_people_are_sent_to_no_page_nothing_is_asked_there(door: House) -> None:
    keys_only = await door.client.get("/v1/.well-known/nexus")
    assert keys_only.json()["sign_in"] is None
    pasted = await house(memory_stores(), **ISSUER).client.get("/v1/.well-known/nexus")
    assert pasted.json()["sign_in"]["scopes"] == []
    for answer in (keys_only, pasted):
        assert "connect-src 'self';" in answer.headers["content-security-policy"]
