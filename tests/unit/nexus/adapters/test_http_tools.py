"""Declared tools over a real server: secrets filled in, writes repeated under one key, doubt kept as doubt."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from nexus.adapters.http_tools import GuardedHttpTools
from nexus.adapters.memory import MemoryDocumentStore
from nexus.adapters.outbound import GuardedHttp
from nexus.adapters.seal import AesSeal
from nexus.adapters.tenant_secrets import SealedSecrets
from nexus.clock import Clock
from nexus.domain.http_tool import HttpOutcome, HttpTool
from tests.fakes.tls_server import Resolver, TenantServer, tenant_server

TOKEN = "sk-live-0123456789"


def declared(**changes: Any) -> HttpTool:
    return HttpTool.model_validate(
        {
            "name": "book",
            "description": "Book a time",
            "parameters": {"time": "string"},
            "url": "https://tools.example.com/bookings",
            "headers": {"Authorization": "Bearer {{secret:TOKEN}}"},
            **changes,
        }
    )


@pytest.fixture
async def server() -> AsyncIterator[TenantServer]:
    async with tenant_server() as made:
        yield made


async def run(server: TenantServer, tool: HttpTool, *, with_secret: bool = True, timeout_s: float = 5.0, **rules: Any) -> HttpOutcome:
    clock = Clock(speed=50)
    secrets = SealedSecrets(MemoryDocumentStore(), AesSeal(b"k" * 32), clock)
    if with_secret:
        await secrets.put("shop", "TOKEN", TOKEN)
    http = GuardedHttp(replace(server.rules, **rules))
    return await GuardedHttpTools(http, secrets, clock).run("shop", tool, {"time": "ten"}, key="call_1.ab", timeout_s=timeout_s)


async def test_a_secret_goes_out_and_does_not_come_back(server: TenantServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.answers(f'{{"said": "Booked.", "you": "Bearer {TOKEN}"}}')
    outcome = await run(server, declared())
    first, headers, body = server.receiver.requests[0]
    assert first == "POST /bookings HTTP/1.1" and body == b'{"time": "ten"}'
    assert headers["authorization"] == f"Bearer {TOKEN}" and headers["idempotency-key"] == "call_1.ab"
    assert outcome.kind == "done" and "Booked." in outcome.output and TOKEN not in outcome.output
    assert TOKEN not in caplog.text


async def test_a_secret_that_is_not_there_is_named(server: TenantServer) -> None:
    outcome = await run(server, declared(), with_secret=False)
    assert (outcome.kind, server.receiver.requests) == ("failed", []) and "TOKEN" in outcome.problem


async def test_a_write_is_repeated_under_the_same_key(server: TenantServer) -> None:
    server.answers('"Booked."', 503, 500)
    outcome = await run(server, declared(retries=3))
    assert (outcome.kind, outcome.output, outcome.attempts) == ("done", "Booked.", 3)
    assert [headers["idempotency-key"] for _, headers, _ in server.receiver.requests] == ["call_1.ab"] * 3


@pytest.mark.parametrize(
    ("changes", "statuses", "kind", "attempts"),
    [
        ({}, (500, 200), "unknown", 1),
        ({"retries": 1}, (500, 500), "unknown", 2),
        ({"retries": 1}, (429, 429), "failed", 2),
        ({"retries": 2}, (401, 200), "failed", 1),
        ({"retries": 2}, (409, 200), "refused", 1),
        ({"retries": 1}, (500, 409), "unknown", 2),
        ({"retries": 2}, (500, 429, 401), "unknown", 3),
        ({"effect": "read", "retries": 3}, (500, 200), "unknown", 1),
    ],
)
async def test_doubt_stays_doubt(
    server: TenantServer, changes: dict[str, Any], statuses: tuple[int, ...], kind: str, attempts: int
) -> None:
    server.answers('{"detail": "No."}', *statuses)
    outcome = await run(server, declared(**changes))
    assert (outcome.kind, outcome.attempts, len(server.receiver.requests)) == (kind, attempts, attempts)


async def test_no_answer_in_time(server: TenantServer) -> None:
    server.receiver.hold = True
    assert (await run(server, declared(), timeout_s=0.4)).kind == "timeout"


async def test_a_name_that_leads_inside(server: TenantServer) -> None:
    outcome = await run(server, declared(retries=3), resolve=Resolver(["10.0.0.1"]))
    assert (outcome.kind, outcome.problem, outcome.attempts, server.receiver.requests) == ("failed", "address_not_allowed", 1, [])
