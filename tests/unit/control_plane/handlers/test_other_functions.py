"""The authorizer, the scheduled functions, and what a cold start checks."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nexus.adapters.aws import AwsStores
from nexus.errors import ConfigurationError
from tests.fakes.control_plane import finished_call, private_of
from tests.fakes.lambda_events import Context, authorizer_request, scheduled
from tests.unit.control_plane.handlers.conftest import KEYS, PACKAGE, Deployment, Door
from tests.unit.control_plane.handlers.test_api import shop_with_key


def test_the_authorizer_lets_in_keys_and_people_and_nobody_else(deployment: Deployment) -> None:
    key = shop_with_key(deployment, Door(deployment.load("api")), "tenants:read")
    module = deployment.load("authorizer")

    def asked(**headers: str) -> dict[str, Any]:
        answer: dict[str, Any] = module.handler(authorizer_request("/v1/tenants/corner_shop", **headers), Context("nexus-authorizer"))
        return answer

    let_in = asked(authorization=key)
    assert let_in["isAuthorized"] and let_in["context"]["kind"] == "api_key" and let_in["context"]["tenant_id"] == "corner_shop"
    person = asked(authorization=deployment.person("analyst", tenant_id="corner_shop"))
    assert person == {"isAuthorized": True, "context": {"kind": "person", "id": "person-1", "tenant_id": "corner_shop"}}
    forged = key[:-1] + ("a" if key[-1] != "a" else "b")
    for headers in ({}, {"authorization": forged}, {"authorization": "Basic eDp5"}, {"authorization": "Bearer a.b.c"}):
        assert asked(**headers)["isAuthorized"] is False


def test_webhooks_jobs_and_expiry_run_by_the_clock(deployment: Deployment) -> None:
    door = Door(deployment.load("api"))
    shop_with_key(deployment, door)
    assert deployment.load("webhooks").handler(scheduled("webhooks"), Context()) == {"tenants": 1, "failed": 0}
    operator = deployment.person("platform_admin")
    status, told, _ = door.ask("DELETE", "/v1/tenants/corner_shop", authorization=operator)
    assert status == 202, told
    assert deployment.load("jobs").handler(scheduled("jobs"), Context()) == {"open": 1}  # it waits for stragglers
    _, job, _ = door.ask("GET", f"/v1/tenants/corner_shop/jobs/{told['id']}", authorization=operator)
    assert {"archive", "analytics", "documents"} <= set(job["done"])

    async def put(stores: AwsStores) -> None:
        old, young = finished_call(0), finished_call(1)
        await stores.archive.put(old, private_of(old).model_copy(update={"delete_after": datetime.now(UTC) - timedelta(days=1)}))
        await stores.archive.put(young, private_of(young))
        for call, days in ((old, -1), (young, 1)):
            await stores.recordings.put(call.tenant_id, call.id, Path(__file__), delete_after=datetime.now(UTC) + timedelta(days=days))

    deployment.with_stores(put)
    expire = deployment.load("expire")
    assert [expire.handler(scheduled("expire"), Context()) for _ in range(2)] == [
        {"deleted": 1, "recordings": 1},
        {"deleted": 0, "recordings": 0},
    ]


def test_a_webhook_to_the_functions_own_machine_is_refused_whatever_the_environment_says(deployment: Deployment) -> None:
    deployment.patch.setenv("ENVIRONMENT", "development")
    door = Door(deployment.load("api"))
    shop_with_key(deployment, door)
    admin = deployment.person("tenant_admin", tenant_id="corner_shop")
    for url in ("http://127.0.0.1:9000/hooks", "http://localhost:9000/hooks", "https://127.0.0.1/hooks"):
        status, told, _ = door.ask("POST", "/v1/tenants/corner_shop/webhooks", {"url": url}, authorization=admin)
        assert (status, told["code"]) == (422, "url_not_allowed")


def test_webhooks_out_of_time_stay_due(deployment: Deployment) -> None:
    shop_with_key(deployment, Door(deployment.load("api")))
    answer = deployment.load("webhooks").handler(scheduled("webhooks"), Context(remaining_ms=4_000))
    assert answer == {"tenants": 1, "failed": 1}


def test_a_cold_start_tells_every_missing_name(deployment: Deployment) -> None:
    deployment.patch.delenv("NEXUS_TABLE")
    deployment.patch.setenv("PUBLIC_URL", "http://plain.example.com")
    with pytest.raises(ConfigurationError) as caught:
        deployment.load("expire")
    assert [fault.partition(":")[0] for fault in caught.value.faults] == ["NEXUS_TABLE", "PUBLIC_URL"]


def test_a_cold_start_names_what_is_wrong_with_the_keys_and_shows_none(deployment: Deployment) -> None:
    deployment.keys(seal="not hex at all", cursors=KEYS["cursors"][2:])
    with pytest.raises(ConfigurationError) as caught:
        deployment.load("api")
    assert [fault.partition(":")[0] for fault in caught.value.faults] == ["cursors", "seal"]
    assert "not hex" not in str(caught.value) and KEYS["cursors"][2:] not in str(caught.value)


@pytest.mark.parametrize(("function", "needs"), [("authorizer", "api_keys"), ("after_call", "gemini_api_key"), ("webhooks", "seal")])
def test_a_function_that_works_with_a_key_and_is_told_of_no_secret_says_so(deployment: Deployment, function: str, needs: str) -> None:
    deployment.load("expire")  # is told of none, and of no key of KMS
    with pytest.raises(ConfigurationError, match=f"NEXUS_KEYS_SECRET.*{needs}"):
        importlib.reload(importlib.import_module(f"{PACKAGE}.{function}"))
