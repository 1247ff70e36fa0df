"""Secrets and declared tools at the door: written, never shown; tried out against a real server."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from control_plane.wiring import Stores
from nexus.adapters.tenant_secrets import MOST_SECRETS
from nexus.ports.documents import Put
from tests.fakes.control_plane import House, house
from tests.fakes.tls_server import TenantServer, tenant_server

SHOP = "/v1/tenants/corner_shop"
TOKEN = "sk-live-0123456789"
TOOL = {
    "name": "find_customer",
    "description": "Find a customer by phone",
    "parameters": {"phone": "string"},
    "effect": "read",
    "method": "GET",
    "url": "https://tools.example.com/customers",
    "headers": {"Authorization": "Bearer {{secret:CRM_TOKEN}}"},
}


@pytest.fixture
async def server() -> AsyncIterator[TenantServer]:
    async with tenant_server() as made:
        yield made


@pytest.fixture
async def shop(stores: Stores, server: TenantServer) -> AsyncIterator[House]:
    """A tenant whose tools can reach ``server``."""
    built = house(stores, outbound=server.rules)
    async with built.client:
        assert (await built.client.post("/v1/tenants", json={"id": "corner_shop", "name": "Corner Shop"})).status_code == 201
        yield built


async def put(shop: House, name: str, value: object, tenant: str = SHOP) -> httpx.Response:
    return await shop.client.put(f"{tenant}/secrets/{name}", json={"value": value})


async def draft(shop: House, *tools: dict[str, Any], enabled: tuple[str, ...] = ("find_customer",)) -> dict[str, Any]:
    body = {"system_prompt": "You sell milk.", "http_tools": tools, "enabled_tools": enabled}
    assert (await shop.client.put(f"{SHOP}/config/draft", json=body, headers={"If-Match": "*"})).status_code == 200
    told: dict[str, Any] = (await shop.client.post(f"{SHOP}/config/draft:validate")).json()
    return told


async def publish(shop: House, **changes: Any) -> None:
    await draft(shop, {**TOOL, **changes})
    assert (await shop.client.post(f"{SHOP}/config:publish")).status_code == 200


async def tried(shop: House, name: str = "find_customer", **body: Any) -> httpx.Response:
    return await shop.client.post(f"{SHOP}/tools/{name}:test", json=body)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_secret_is_written_and_never_shown(shop: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    written = await put(shop, "CRM_TOKEN", TOKEN)
    assert (written.status_code, written.json()["name"], written.json()["last4"]) == (200, "CRM_TOKEN", "6789")
    assert (await put(shop, "CRM_TOKEN", TOKEN + "-new")).json()["last4"] == "-new"
    listed = await shop.client.get(f"{SHOP}/secrets")
    assert [(one["name"], one["last4"]) for one in listed.json()["data"]] == [("CRM_TOKEN", "-new")]
    audit = await shop.client.get(f"{SHOP}/audit-events")
    assert "putSecret" in audit.text
    kept = json.dumps([dict(one.body) for one in await shop.stores.documents.list("corner_shop", "", limit=100)])
    assert not any(TOKEN in text for text in (written.text, listed.text, audit.text, kept, caplog.text))
    assert (await shop.client.delete(f"{SHOP}/secrets/CRM_TOKEN")).status_code == 204
    assert refusal(await shop.client.delete(f"{SHOP}/secrets/CRM_TOKEN")) == (404, "secret_not_found")
    assert (await shop.client.get(f"{SHOP}/secrets/CRM_TOKEN")).status_code in (404, 405)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lower", TOKEN),
        ("A" * 65, TOKEN),
        ("A", "tiny-xy"),
        ("A", "with\nnewline-xx"),
        ("A", "ümläut-xxxx"),
        ("A", " spaced-xx "),
        ("A", 12345678),
    ],
)
async def test_what_can_be_no_secret(shop: House, name: str, value: object) -> None:
    answer = await put(shop, name, value)
    assert refusal(answer) == (422, "invalid_request")
    assert str(value) not in answer.text


async def test_a_tenant_has_its_own_secrets_and_not_too_many(shop: House) -> None:
    assert refusal(await put(shop, "A", TOKEN, "/v1/tenants/nobody")) == (404, "tenant_not_found")
    await put(shop, "A", TOKEN)
    assert (await shop.client.get("/v1/tenants/barber_shop/secrets")).json()["data"] == []
    held = await shop.stores.documents.list("corner_shop", "secret/", limit=1)
    for number in range(MOST_SECRETS - 1):  # beside the door: each put looks through all of them, which is slow in the emulation of AWS
        await shop.stores.documents.write("corner_shop", Put(f"secret/S{number}", held[0].body))
    assert refusal(await put(shop, "ONE_MORE", TOKEN)) == (429, "too_many_secrets")


async def test_a_declaration_is_looked_through_with_the_configuration(shop: House) -> None:
    verdict = await draft(shop, TOOL, {**TOOL, "name": "other"})
    assert verdict["valid"]
    warned = {one["pointer"]: one["code"] for one in verdict["warnings"]}
    assert warned == {"/http_tools/0/headers": "secret_missing", "/http_tools/1": "never_used", "/http_tools/1/headers": "secret_missing"}
    await put(shop, "CRM_TOKEN", TOKEN)
    assert (await draft(shop, TOOL))["warnings"] == []
    shown = await draft(shop, {**TOOL, "headers": {"Authorization": "Bearer abc"}})
    assert [one["code"] for one in shown["warnings"]] == ["credential_shown"]
    faulty = await draft(shop, {**TOOL, "url": "https://169.254.169.254/latest"}, {**TOOL, "name": "b", "retries": 9})
    assert not faulty["valid"] and {one["pointer"] for one in faulty["errors"]} == {"/http_tools/0/url", "/http_tools/1/retries"}
    assert refusal(await shop.client.post(f"{SHOP}/config:publish")) == (422, "invalid_config")


async def test_a_tool_is_tried_out(shop: House, server: TenantServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await put(shop, "CRM_TOKEN", TOKEN)
    await publish(shop)
    server.answers(json.dumps({"name": "Dana", "seen": f"Bearer {TOKEN}"}))
    answer = await tried(shop, arguments={"phone": 15550100})
    told = answer.json()
    assert (answer.status_code, told["status"], told["http_status"], told["problem"]) == (200, "done", 200, "")
    assert "Dana" in told["output"] and told["duration_ms"] > 0
    assert told["request"]["url"] == "https://tools.example.com/customers?phone=15550100"
    assert told["request"]["headers"]["Authorization"] == "Bearer {{secret:CRM_TOKEN}}"
    _, headers, _ = server.receiver.requests[0]
    assert headers["authorization"] == f"Bearer {TOKEN}" and headers["idempotency-key"].startswith("test_")
    assert TOKEN not in answer.text and TOKEN not in caplog.text


async def test_a_trial_tells_what_went_wrong(shop: House, server: TenantServer) -> None:
    await publish(shop)
    assert "CRM_TOKEN" in (await tried(shop, arguments={"phone": "1"})).json()["problem"]
    await put(shop, "CRM_TOKEN", TOKEN)
    server.answers('{"detail": "Nobody of that number."}', 404, 500, 302)
    found = [(await tried(shop, arguments={"phone": "1"})).json() for _ in range(3)]
    assert [(one["status"], one["http_status"]) for one in found] == [("refused", 404), ("unknown", 500), ("unknown", 302)]
    assert found[0]["output"] == "Nobody of that number."
    server.answers(json.dumps("x" * 10_000))
    long = (await tried(shop, arguments={"phone": "1"})).json()
    assert len(long["output"]) == 4_000 and long["output_cut"]


async def test_a_draft_can_be_tried_out_before_it_is_published(shop: House, server: TenantServer) -> None:
    assert refusal(await tried(shop)) == (409, "config_not_published")
    assert refusal(await tried(shop, config="draft")) == (404, "draft_not_found")
    await put(shop, "CRM_TOKEN", TOKEN)
    await draft(shop, TOOL, {"name": "broken", "url": "https://10.0.0.1/"})
    assert (await tried(shop, config="draft", arguments={"phone": "1"})).json()["status"] == "done"
    assert refusal(await tried(shop, "broken", config="draft")) == (422, "invalid_config")
    assert refusal(await tried(shop, "unknown", config="draft")) == (404, "tool_not_found")
    assert refusal(await tried(shop, config="draft", arguments={})) == (422, "tool_arguments_invalid")
    assert len(server.receiver.requests) == 1
