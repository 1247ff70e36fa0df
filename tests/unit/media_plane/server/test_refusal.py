"""A refusal on the wire: problem+json that says what to do."""

from __future__ import annotations

import json

import pytest

from media_plane.server.refusal import refusal
from nexus.errors import HTTP_STATUS, NexusError, NotAuthorised, NotFound, QuotaExceeded


def test_it_is_a_problem_with_its_code_and_the_fix() -> None:
    status, body, headers = refusal(NotAuthorised("ticket_expired", "Ask POST /calls again."))
    problem = json.loads(body)
    assert status == problem["status"] == 401
    assert (problem["code"], problem["detail"], problem["retryable"]) == ("ticket_expired", "Ask POST /calls again.", False)
    assert problem["type"] == "urn:nexus:error:ticket_expired"
    assert headers["content-type"] == "application/problem+json"
    assert headers["cache-control"] == "no-store"
    assert "retry-after" not in headers


@pytest.mark.parametrize(("code", "status"), [("tenant_concurrency_exceeded", 429), ("no_engine_slot", 503), ("draining", 503)])
def test_a_full_house_says_when_to_come_back(code: str, status: int) -> None:
    given, body, headers = refusal(QuotaExceeded(code, "Full.", retry_after_s=7))
    assert (given, headers["retry-after"]) == (status, "7")
    assert json.loads(body)["retryable"] is True


@pytest.mark.parametrize("code", sorted(HTTP_STATUS))
def test_every_code_becomes_its_status(code: str) -> None:
    status, body, _ = refusal(NotFound(code, "Mend it – please."))
    assert status == HTTP_STATUS[code] == json.loads(body)["status"]
    assert 400 <= status < 600


def test_an_unlisted_code_is_our_own_fault() -> None:
    assert refusal(NexusError("surprise", "Oh."))[0] == 500
