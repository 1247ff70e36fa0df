"""The API's function: from a new tenant to an ordered call, by requests as API Gateway sends them."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import jwt

from nexus import tickets
from nexus.adapters.aws import ticket_key
from tests.fakes.lambda_events import Context, http_request
from tests.unit.control_plane.handlers.conftest import Deployment, Door

SHOP = {"id": "corner_shop", "name": "Corner Shop", "timezone": "Europe/Berlin", "language": "de-DE"}


def shop_with_key(deployment: Deployment, door: Door, *scopes: str) -> str:
    """A tenant with a published configuration, and a key of it."""
    operator, admin = deployment.person("platform_admin"), deployment.person("tenant_admin", tenant_id="corner_shop")
    status, _, headers = door.ask("POST", "/v1/tenants", SHOP, authorization=operator)
    assert (status, headers["location"]) == (201, "/v1/tenants/corner_shop")
    status, key, _ = door.ask(
        "POST",
        "/v1/tenants/corner_shop/api-keys",
        {"name": "page", "scopes": [*(scopes or ("tenants:read",))]},
        authorization=admin,
        idempotency_key="k-1",
    )
    assert status == 201, key
    draft = {"system_prompt": "You sell milk."}
    assert door.ask("PUT", "/v1/tenants/corner_shop/config/draft", draft, authorization=admin)[0] == 200
    assert door.ask("POST", "/v1/tenants/corner_shop/config:publish", authorization=admin)[0] == 200
    return f"Bearer {key['key'] if 'key' in key else key['secret']}"


def test_from_a_new_tenant_to_a_call(deployment: Deployment, door: Door) -> None:
    key = shop_with_key(deployment, door, "calls:write", "calls:read")
    order: dict[str, Any] = {"authorization": key, "idempotency_key": "order-1"}
    assert door.ask("POST", "/v1/tenants/corner_shop/calls", {}, **order)[1]["code"] == "no_engine_slot"
    deployment.with_stores(deployment.engine_slots)
    status, call, _ = door.ask("POST", "/v1/tenants/corner_shop/calls", {}, **order)
    assert status == 201, call
    assert "wss://media.example.com" in str(call)
    assert door.ask("POST", "/v1/tenants/corner_shop/calls", {}, **order)[1]["id"] == call["id"]
    status, seen, _ = door.ask("GET", f"/v1/tenants/corner_shop/calls/{call['id']}", authorization=key)
    assert (status, seen["id"]) == (200, call["id"])


def test_a_turned_key_signs_the_next_ticket_of_a_function_that_lives_on(deployment: Deployment, door: Door) -> None:
    key = shop_with_key(deployment, door, "calls:write")
    deployment.with_stores(deployment.engine_slots)

    def kid(number: str) -> str:
        status, call, _ = door.ask("POST", "/v1/tenants/corner_shop/calls", {}, authorization=key, idempotency_key=number)
        assert status == 201, call
        return str(jwt.get_unverified_header(call["websocket"]["ticket"])["kid"])

    before, turned = kid("1"), tickets.new_private_key()
    deployment.keys(ticket_private_key=turned)
    assert kid("2") == before, "it is not asked for at each call"
    deployment.patch.setattr(ticket_key, "BELIEVED", timedelta(0))
    assert kid("3") == tickets.key_id(tickets.public_key_of(turned)) != before


def test_without_a_credential_nothing_is_given_whatever_the_environment_says(deployment: Deployment) -> None:
    deployment.patch.setenv("ENVIRONMENT", "development")
    deployment.patch.setenv("AUTH", "off")
    door = Door(deployment.load("api"))
    status, told, headers = door.ask("GET", "/v1/tenants")
    assert (status, told["code"]) == (401, "credential_missing")
    assert headers["content-type"] == "application/problem+json" and headers["www-authenticate"].startswith("Bearer")
    assert door.ask("GET", "/health/live")[0] == 200


def test_another_tenants_key_finds_nothing(deployment: Deployment, door: Door) -> None:
    key = shop_with_key(deployment, door, "calls:read", "tenants:read")
    door.ask("POST", "/v1/tenants", {**SHOP, "id": "corner_shop2"}, authorization=deployment.person("platform_admin"))
    assert door.ask("GET", "/v1/tenants/corner_shop", authorization=key)[0] == 200
    status, told, _ = door.ask("GET", "/v1/tenants/corner_shop2", authorization=key)
    assert (status, told["code"]) == (404, "tenant_not_found")


def test_conversations_are_refused_in_words(deployment: Deployment, door: Door) -> None:
    shop_with_key(deployment, door)
    admin = deployment.person("tenant_admin", tenant_id="corner_shop")
    status, told, _ = door.ask("POST", "/v1/tenants/corner_shop/conversations", {}, authorization=admin)
    assert (status, told["code"]) == (503, "engine_unreachable")
    assert "order a call" in told["detail"]


def test_logs_name_the_request_and_hold_no_key(deployment: Deployment, door: Door, capsys: Any) -> None:
    key = shop_with_key(deployment, door, "tenants:read")
    door.module.logger.registered_handler.setStream(lines := io.StringIO())
    request = http_request("GET", "/v1/tenants/corner_shop", authorization=key, x_request_id="req-of-a-test")
    assert door.module.handler(request, Context())["statusCode"] == 200
    door.module.logger.error("given %s", key)
    logged = lines.getvalue()
    told = json.loads(logged.splitlines()[0])
    assert (told["request_id"], told["tenant"], told["service"]) == ("req-of-a-test", "corner_shop", "api")
    assert told["message"].startswith("GET /v1/tenants/corner_shop 200")
    assert '"Faults":[0.0]' in capsys.readouterr().out
    assert key.removeprefix("Bearer ") not in logged


def test_what_is_refused_is_counted_by_its_code_and_nothing_of_the_tenant(deployment: Deployment, door: Door, capsys: Any) -> None:
    shop_with_key(deployment, door)
    capsys.readouterr()
    door.ask("GET", "/v1/tenants/corner_shop")
    door.ask("GET", "/nowhere")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"Errors"' in line]
    assert [(line["Code"], line["Errors"], line["service"]) for line in lines] == [
        ("credential_missing", [1.0], "api"),
        ("route_not_found", [1.0], "api"),
    ]
    assert {tuple(one["Dimensions"][0]) for line in lines for one in line["_aws"]["CloudWatchMetrics"]} == {("service", "Code")}
    assert "corner_shop" not in json.dumps(lines)
