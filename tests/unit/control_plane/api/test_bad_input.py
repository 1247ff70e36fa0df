"""Everything wrong that a client can send is answered with one shape of error, and the process lives."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx
import pytest

from tests.fakes.control_plane import FAULTS, House

CALLS = "/v1/tenants/barber_shop/calls"
KEY = {"Idempotency-Key": "k"}
JSON = {"Content-Type": "application/json", **KEY}


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["status"], told["code"]) == (status, status, code)
    assert told["type"] == f"urn:nexus:error:{code}" and told["title"] and told["detail"]
    assert told["request_id"] == answer.headers["x-request-id"]
    return told


@pytest.mark.parametrize(
    "path",
    [
        "/v1/tenants/%2e%2e/sessions",
        "/v1/tenants/..%5c..%5cetc/sessions",
        "/v1/tenants/a%00b/leads",
        "/v1/tenants/all",
        "/v1/tenants/BARBER",
        "/v1/tenants/_platform/audit-events",
        "/v1/tenants/x%C3%B6x/usage",
    ],
)
async def test_an_id_that_is_no_slug_is_refused_before_any_store(door: House, path: str) -> None:
    raw = httpx.URL(scheme="http", host="localhost", port=8000, raw_path=path.encode())
    check_problem(await door.client.get(raw), 422, "invalid_tenant_id")


async def test_an_encoded_slash_leads_nowhere(door: House) -> None:
    answer = await door.client.get("/v1/tenants/..%2F..%2Fetc%2Fpasswd/sessions")
    check_problem(answer, 404, "route_not_found")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/tenants/nobody_here", 404, "tenant_not_found"),
        ("GET", "/nowhere", 404, "route_not_found"),
        ("DELETE", "/v1/tenants", 405, "method_not_allowed"),
        ("GET", f"{CALLS}/call_short", 422, "invalid_request"),
        ("GET", f"{CALLS}/call_01KAQ2Z3M4N5P6Q7R8S9T0V1W2", 404, "call_not_found"),
        ("GET", "/v1/tenants/barber_shop/sessions/call_01KAQ2Z3M4N5P6Q7R8S9T0V1W2", 404, "session_not_found"),
        ("GET", "/v1/tenants/barber_shop/leads/lead_01KAQ2Z3M4N5P6Q7R8S9T0V1W2", 404, "lead_not_found"),
        ("GET", "/v1/tenants/barber_shop/leads/nolead", 422, "invalid_request"),
        ("GET", "/v1/tenants/barber_shop/sessions?limit=0", 422, "invalid_request"),
        ("GET", "/v1/tenants/barber_shop/sessions?started_at[gte]=yesterday", 422, "invalid_request"),
        ("GET", "/v1/tenants/barber_shop/sessions?duration_ms[gte]=nan", 422, "invalid_request"),
        ("GET", "/v1/tenants/barber_shop/sessions?outcom=booked", 422, "invalid_request"),
        ("GET", "/v1/tenants/barber_shop/sessions?cursor=junk", 422, "invalid_cursor"),
        ("GET", "/v1/tenants/barber_shop/leads?cursor=%C3%BC%00", 422, "invalid_cursor"),
    ],
)
async def test_wrong_addresses_and_queries(door: House, method: str, path: str, status: int, code: str) -> None:
    check_problem(await door.client.request(method, path), status, code)


async def test_all_faults_of_a_broken_tenant_are_told_at_once(door: House) -> None:
    for answer in (
        await door.client.get("/v1/tenants/broken_shop"),
        await door.client.post("/v1/tenants/broken_shop/calls", json={}, headers=KEY),
    ):
        told = check_problem(answer, 422, "invalid_config")
        assert tuple(fault["detail"] for fault in told["errors"]) == FAULTS


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"colour": "red"}, "/colour"),
        ({"caller": {"phone": "+49123", "fax": "1"}}, "/caller/fax"),
        ({"caller": {"phone": "call me maybe"}}, "/caller/phone"),
        ({"metadata": {"a/b": "x"}}, "/metadata/a~1b/[key]"),
        ({"metadata": {"a": 7}}, "/metadata/a"),
        ({"max_duration_s": 1}, "/max_duration_s"),
        ([], ""),
    ],
)
async def test_an_unfit_body_is_answered_with_pointers_and_without_its_values(door: House, body: Any, pointer: str) -> None:
    told = check_problem(await door.client.post(CALLS, json=body, headers=KEY), 422, "invalid_request")
    assert [fault["pointer"] for fault in told["errors"]] == [pointer]
    assert "maybe" not in json.dumps(told)


async def test_bodies_that_are_no_json(door: House) -> None:
    check_problem(await door.client.post(CALLS, content=b'{"a": ', headers=JSON), 400, "message_not_json")
    check_problem(await door.client.post(CALLS, content=b"\xff\xfe\x00", headers=JSON), 400, "message_not_json")
    check_problem(
        await door.client.post(CALLS, content=b"{}", headers={**KEY, "Content-Type": "text/plain"}), 415, "content_type_unsupported"
    )
    check_problem(await door.client.post(CALLS, content=b"{}", headers=KEY), 415, "content_type_unsupported")
    check_problem(await door.client.post(CALLS, content=b"[" * 100_000, headers=JSON), 400, "message_not_json")


async def test_a_huge_body_is_refused_whether_it_says_its_length_or_not(door: House) -> None:
    async def chunks() -> Any:
        for _ in range(40):
            yield b"x" * 50_000

    check_problem(await door.client.post(CALLS, content=b"x" * 1_000_001, headers=JSON), 413, "message_too_large")
    check_problem(await door.client.post(CALLS, content=chunks(), headers=JSON), 413, "message_too_large")


async def test_a_defect_is_answered_logged_and_not_leaked(door: House, caplog: pytest.LogCaptureFixture) -> None:
    opened = (await door.client.post("/v1/tenants/barber_shop/conversations", json={})).json()
    with caplog.at_level(logging.ERROR, "nexus.api"):
        answer = await door.client.post(f"/v1/tenants/barber_shop/conversations/{opened['id']}/messages", json={"text": "break"})
    check_problem(answer, 500, "internal_error")
    assert "inner detail" not in answer.text and "Traceback" not in answer.text
    assert any(record.exc_info and "inner detail" in str(record.exc_info[1]) for record in caplog.records)
    assert (await door.client.get("/health/live")).status_code == 200
