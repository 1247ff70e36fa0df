"""Tenants as bundles, over every kind of store: what goes out comes in again, all faults are told at once, and nothing is half made."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from nexus.domain.knowledge import prompt_text
from tests.fakes.control_plane import House

SHOP, COPY = "corner_shop", "copied_shop"
HOME, SECRET = f"/v1/tenants/{SHOP}", "sk-live-0123456789"
TOOL = {
    "name": "find_customer",
    "description": "Find a customer by phone",
    "effect": "read",
    "method": "GET",
    "url": "https://crm.example.com/customers/{phone}",
    "parameters": {"phone": "string"},
    "headers": {"Authorization": "Bearer {{secret:CRM_TOKEN}}"},
}


@pytest.fixture
async def shop(door: House) -> House:
    """A tenant that uses everything."""
    at = door.client
    await good(at.post("/v1/tenants", json={"id": SHOP, "name": "Corner Shop", "timezone": "Europe/Berlin", "language": "de-DE"}))
    await good(at.put(f"{HOME}/secrets/CRM_TOKEN", json={"value": SECRET}))
    await good(at.put(f"{HOME}/secrets/UNUSED", json={"value": SECRET}))
    for number, more in enumerate(({}, {"http_tools": [TOOL], "enabled_tools": ["find_customer"]}), start=1):
        draft = {"system_prompt": f"prompt {number}", **more}
        await good(at.put(f"{HOME}/config/draft", json=draft))
        await good(at.post(f"{HOME}/config:publish", json={"note": f"note {number}"}))
    await good(at.put(f"{HOME}/config/draft", json={"system_prompt": "next", "greting": "faulty, and kept so"}))
    await good(at.post(f"{HOME}/knowledge", json={"name": "Parking", "text": "Free behind the shop."}))
    hook = await good(at.post(f"{HOME}/webhooks", json={"url": "https://crm.example.com/hook", "events": ["call.analyzed"]}))
    await good(at.patch(f"{HOME}/webhooks/{hook['id']}", json={"status": "paused"}))
    return door


async def good(asked: Any) -> dict[str, Any]:
    answer: httpx.Response = await asked
    assert answer.is_success, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def exported(shop: House, tenant_id: str = SHOP) -> dict[str, Any]:
    return await good(shop.client.get(f"/v1/tenants/{tenant_id}:export"))


async def imported(shop: House, bundle: dict[str, Any], tenant_id: str = COPY) -> httpx.Response:
    return await shop.client.post("/v1/tenants:import", json={"id": tenant_id, "bundle": bundle})


async def nothing_is_there(shop: House, tenant_id: str = COPY) -> bool:
    answer = await shop.client.get(f"/v1/tenants/{tenant_id}")
    return answer.status_code == 404 and await shop.stores.documents.list(tenant_id, "", limit=9) == ()


async def test_what_goes_out_comes_in_again(shop: House) -> None:
    bundle = await exported(shop)
    assert [one["version"] for one in bundle["versions"]] == [1, 2] and bundle["active_version"] == 2
    assert bundle["secrets"] == ["CRM_TOKEN", "UNUSED"]
    assert SECRET not in json.dumps(bundle) and "whsec_" not in json.dumps(bundle)
    answer = await imported(shop, bundle)
    told = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v1/tenants/{COPY}")
    assert told["missing_secrets"] == ["CRM_TOKEN", "UNUSED"]
    assert (told["tenant"]["name"], told["tenant"]["timezone"], told["tenant"]["config_version"]) == ("Corner Shop", "Europe/Berlin", 2)
    (hook,) = told["webhooks"]
    assert hook["secret"].startswith("whsec_") and hook["url"] == "https://crm.example.com/hook"
    assert [one["status"] for one in told["knowledge"]] == ["ready"]
    again = await exported(shop, COPY)
    for part in ("profile", "active_version", "draft", "knowledge", "webhooks"):
        assert again[part] == bundle[part], part
    assert [{**one, "config": {**one["config"], "tenant_id": SHOP}} for one in again["versions"]] == bundle["versions"]
    terms = await shop.stores.tenants.for_call(COPY)
    assert (terms.config.tenant_id, terms.version) == (COPY, 2) and "Free behind the shop" in prompt_text(terms.config)
    await good(shop.client.put(f"/v1/tenants/{COPY}/config/draft", json={"system_prompt": "three"}, headers={"If-Match": "*"}))
    assert (await good(shop.client.post(f"/v1/tenants/{COPY}/config:publish")))["version"] == 3
    assert (await good(shop.client.post(f"/v1/tenants/{COPY}/config:rollback", json={"version": 1})))["config"]["tenant_id"] == COPY


async def test_all_faults_are_told_at_once_and_nothing_is_made(shop: House) -> None:
    bundle = await exported(shop)
    bundle["versions"][0]["config"]["greting"] = "Hi"
    bundle["versions"][1]["config"]["limits"]["concurrent_calls"] = 0
    bundle["knowledge"].append({"name": "x", "content_type": "application/pdf", "text": ""})
    bundle["profile"]["timezone"] = "Mars/Olympus"
    bundle["is_admin"] = True
    refused = await imported(shop, bundle)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_config")
    assert {one["pointer"] for one in refused.json()["errors"]} == {
        "/bundle/versions/0/config/greting",
        "/bundle/versions/1/config/limits/concurrent_calls",
        "/bundle/knowledge/1/content_type",
        "/bundle/knowledge/1/text",
        "/bundle/profile/timezone",
        "/bundle/is_admin",
    }
    assert await nothing_is_there(shop)


async def test_what_does_not_fit_together_is_told_at_once_too(shop: House) -> None:
    bundle = await exported(shop)
    bundle["versions"].append(bundle["versions"][0])
    bundle["active_version"] = 9
    bundle["knowledge"] *= 2
    bundle["webhooks"].append({"url": "https://169.254.169.254/", "events": ["call.ended"]})
    bundle["webhooks"].append({"url": "http://plain.example.com/", "events": ["call.ended"]})
    refused = (await imported(shop, bundle)).json()
    assert {(one["pointer"], one["code"]) for one in refused["errors"]} == {
        ("/bundle/versions/2/version", "twice"),
        ("/bundle/active_version", "unknown"),
        ("/bundle/knowledge/0/name", "twice"),
        ("/bundle/knowledge/1/name", "twice"),
        ("/bundle/webhooks/1/url", "url_not_allowed"),
        ("/bundle/webhooks/2/url", "url_not_allowed"),
    }
    assert await nothing_is_there(shop)


@pytest.mark.parametrize("bundle", [{}, {"versions": 7, "draft": []}, {"versions": [None, {"config": 1}]}, {"object": "lead"}])
async def test_what_is_no_bundle_is_refused(shop: House, bundle: dict[str, Any]) -> None:
    refused = await imported(shop, bundle)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_config")
    assert all(one["pointer"].startswith("/bundle") for one in refused.json()["errors"])


async def test_an_id_that_is_taken_stays_as_it_is(shop: House) -> None:
    bundle = await exported(shop)
    for taken in (SHOP, "barber_shop"):
        refused = await imported(shop, bundle, taken)
        assert (refused.status_code, refused.json()["code"]) == (409, "tenant_exists")
    assert {**await exported(shop), "exported_at": ""} == {**bundle, "exported_at": ""}
    assert (await imported(shop, bundle, "Not A Slug")).json()["code"] == "invalid_tenant_id"


async def test_a_repeated_import_is_one_tenant_with_the_same_secrets(shop: House) -> None:
    bundle = await exported(shop)
    body, key = {"id": COPY, "bundle": bundle}, {"Idempotency-Key": "once"}
    first, again = [await shop.client.post("/v1/tenants:import", json=body, headers=key) for _ in range(2)]
    assert (first.status_code, first.json()) == (201, again.json())
    assert len((await good(shop.client.get(f"/v1/tenants/{COPY}/webhooks")))["data"]) == 1


async def test_a_folders_tenant_and_an_empty_one_go_out_and_in(shop: House) -> None:
    bundle = await exported(shop, "barber_shop")
    assert (bundle["active_version"], bundle["versions"][0]["note"]) == (1, "from the tenant's folder")
    assert (await imported(shop, bundle)).json()["tenant"]["config_version"] == 1
    await good(shop.client.post("/v1/tenants", json={"id": "empty_shop"}))
    empty = await exported(shop, "empty_shop")
    assert (empty["versions"], empty["active_version"], empty["draft"]) == ([], None, None)
    assert (await imported(shop, empty, "empty_copy")).json()["tenant"]["config_version"] is None
    unknown = await shop.client.get("/v1/tenants/nobody_here:export")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "tenant_not_found")


async def test_a_bundle_fits_into_a_request_however_much_there_is(door: House) -> None:
    """Long versions: the active one and the canary go always, others as far as there is room."""
    at = door.client
    await good(at.post("/v1/tenants", json={"id": SHOP}))
    for number in range(1, 6):
        await good(at.put(f"{HOME}/config/draft", json={"system_prompt": f"{number} " + "long " * 44_000}))
        await good(at.post(f"{HOME}/config:publish"))
    await good(at.post(f"{HOME}/config:rollback", json={"version": 1}))
    answer = await at.get(f"{HOME}:export")
    bundle = answer.json()
    assert len(answer.content) < 950_000
    assert [one["version"] for one in bundle["versions"]] == [3, 4, 5, 6] and bundle["active_version"] == 6
    await good(imported(door, bundle))


async def test_more_than_ten_versions_leave_the_newest_and_the_canary(door: House) -> None:
    at = door.client
    await good(at.post("/v1/tenants", json={"id": SHOP}))
    for number in range(1, 13):
        await good(at.put(f"{HOME}/config/draft", json={"system_prompt": f"{number}"}))
        await good(at.post(f"{HOME}/config:publish"))
    await good(at.post(f"{HOME}/config:canary", json={"version": 1, "percent": 10}))
    assert [one["version"] for one in (await exported(door))["versions"]] == [1, 4, 5, 6, 7, 8, 9, 10, 11, 12]


async def test_knowledge_that_does_not_fit_is_carried_and_told(shop: House) -> None:
    bundle = await exported(shop)
    bundle["knowledge"].append({"name": "late", "content_type": "text/plain", "text": "late " * 4_000})
    told = (await imported(shop, bundle)).json()
    assert [one["status"] for one in told["knowledge"]] == ["ready", "failed"]
    assert "limits.knowledge_chars" in told["knowledge"][1]["detail"]


async def test_a_bundle_leaves_room_for_the_versions_that_follow(shop: House) -> None:
    """Keys of versions have eight digits: behind 99,999,999 the newest would sort as the oldest."""
    bundle = await exported(shop)
    last = {**bundle["versions"][-1], "version": 99_999_999}
    refused = await imported(shop, {**bundle, "versions": [last], "active_version": 99_999_999})
    assert [(one["pointer"], refused.status_code) for one in refused.json()["errors"]] == [("/bundle/versions/0/version", 422)]
    assert await nothing_is_there(shop)
