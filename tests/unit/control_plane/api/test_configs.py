"""Configurations over HTTP: draft, faults, publishing, rolling back; and which of them a call runs with."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from nexus.domain.config_check import MAX_CONFIG_BYTES
from tests.fakes.control_plane import House

AT = "/v1/tenants/corner_shop/config"
CONFIG = {"system_prompt": "You sell milk.", "greeting": "Corner Shop, hello."}


@pytest.fixture
async def shop(door: House) -> House:
    """A tenant without configuration."""
    body = {"id": "corner_shop", "name": "Corner Shop", "timezone": "Europe/Berlin", "language": "de-DE"}
    assert (await door.client.post("/v1/tenants", json=body)).status_code == 201
    return door


async def put(shop: House, config: dict[str, Any], **headers: str) -> httpx.Response:
    return await shop.client.put(f"{AT}/draft", json=config, headers=headers)


async def published(shop: House, greeting: str, note: str = "") -> dict[str, Any]:
    await put(shop, CONFIG | {"greeting": greeting}, **{"If-Match": "*"})
    answer = await shop.client.post(f"{AT}:publish", json={"note": note})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_from_a_draft_to_a_version(shop: House) -> None:
    assert refusal(await shop.client.get(AT)) == (409, "config_not_published")
    assert refusal(await shop.client.get(f"{AT}/draft")) == (404, "draft_not_found")
    assert refusal(await shop.client.post(f"{AT}:publish")) == (404, "draft_not_found")
    assert refusal(await shop.client.post(f"{AT}/draft:validate")) == (404, "draft_not_found")
    written = await put(shop, CONFIG)
    assert (written.status_code, written.json()["config"]) == (200, CONFIG)
    verdict = (await shop.client.post(f"{AT}/draft:validate")).json()
    assert (verdict["valid"], verdict["errors"], verdict["warnings"]) == (True, [], [])
    version = (await shop.client.post(f"{AT}:publish", json={"note": "first"})).json()
    assert (version["version"], version["source"], version["note"], version["rolled_back_to"]) == (1, "published", "first", None)
    assert version["config_hash"] == verdict["config_hash"]
    config = version["config"]
    assert (config["tenant_id"], config["name"], config["timezone"]) == ("corner_shop", "Corner Shop", "Europe/Berlin")
    assert config["voice_settings"]["language"] == "de-DE"
    shown = await shop.client.get(AT)
    assert shown.json() == version == (await shop.client.get(f"{AT}/versions/1")).json()
    assert shown.headers["etag"] == f'"1-{version["config_hash"]}"'
    unchanged = await shop.client.get(AT, headers={"If-None-Match": shown.headers["etag"]})
    assert unchanged.status_code == 304
    assert refusal(await shop.client.get(f"{AT}/draft")) == (404, "draft_not_found"), "a published draft is used up"


async def test_every_fault_is_named_at_once_with_its_place_and_nothing_is_published(shop: House) -> None:
    faulty = {
        "tenant_id": "other_shop",
        "greting": "Hi",
        "timezone": "Mars/Olympus",
        "limits": {"concurrent_calls": 0, "a/b": 1},
        "enabled_tools": ["book", "2book"],
        "voice_settings": None,
    }
    assert (await put(shop, faulty)).status_code == 200
    verdict = (await shop.client.post(f"{AT}/draft:validate")).json()
    places = {one["pointer"]: one["detail"] for one in verdict["errors"]}
    assert not verdict["valid"] and verdict["config_hash"] is None
    assert set(places) == {"/greting", "/timezone", "/limits/concurrent_calls", "/limits/a~1b", "/enabled_tools/1", "/system_prompt"}
    assert "did you mean 'greeting'" in places["/greting"] and "is missing" in places["/system_prompt"]
    refused = await shop.client.post(f"{AT}:publish")
    assert refusal(refused) == (422, "invalid_config")
    assert {one["pointer"] for one in refused.json()["errors"]} == set(places)
    assert refusal(await shop.client.get(AT)) == (409, "config_not_published")
    assert (await shop.client.get(f"{AT}/draft")).json()["config"] == faulty, "the draft stays as it was written"
    await put(shop, CONFIG | {"tenant_id": "other_shop"}, **{"If-Match": "*"})
    (fault,) = (await shop.client.post(f"{AT}/draft:validate")).json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/tenant_id", "other_tenant")


async def test_what_is_allowed_but_looks_like_a_slip_is_warned_of(shop: House) -> None:
    await put(
        shop,
        {
            "system_prompt": "x" * 20_001,
            "greeting": " ",
            "knowledge_base": ["long enough"] * 9,
            "limits": {"knowledge_chars": 10, "max_duration_s": 10, "no_input_s": 15},
            "recording": {"enabled": True},
            "tool_settings": {"a": 1},
            "engines": ["text"],
        },
    )
    verdict = (await shop.client.post(f"{AT}/draft:validate")).json()
    assert verdict["valid"]
    assert {(one["pointer"], one["code"]) for one in verdict["warnings"]} == {
        ("/knowledge_base", "knowledge_cut"),
        ("/system_prompt", "prompt_long"),
        ("/greeting", "greeting_empty"),
        ("/recording/consent_line", "consent_missing"),
        ("/limits/no_input_s", "never_reached"),
        ("/tool_settings", "never_read"),
        ("/engines", "no_voice"),
    }


async def test_a_tool_that_a_tenant_without_a_folder_has_nowhere_is_warned_of(shop: House, door: House) -> None:
    await put(shop, CONFIG | {"enabled_tools": ["book"]})
    warnings = (await shop.client.post(f"{AT}/draft:validate")).json()["warnings"]
    assert [(one["pointer"], one["code"]) for one in warnings] == [("/enabled_tools/0", "tool_unknown")]
    in_a_folder = "/v1/tenants/barber_shop/config/draft"
    await door.client.put(in_a_folder, json=CONFIG | {"enabled_tools": ["book"]})
    assert (await door.client.post(f"{in_a_folder}:validate")).json()["warnings"] == [], "its tools.py may have it"


async def test_a_draft_is_replaced_only_by_who_has_seen_it(shop: House) -> None:
    first = (await put(shop, CONFIG)).headers["etag"]
    assert (await shop.client.get(f"{AT}/draft")).headers["etag"] == first
    assert refusal(await put(shop, CONFIG)) == (428, "precondition_required")
    second = (await put(shop, CONFIG | {"name": "b"}, **{"If-Match": first})).headers["etag"]
    for stale in (first, '"v99"', '"junk"'):
        assert refusal(await put(shop, CONFIG, **{"If-Match": stale})) == (412, "precondition_failed")
        assert refusal(await shop.client.post(f"{AT}:publish", headers={"If-Match": stale})) == (412, "precondition_failed")
        assert refusal(await shop.client.delete(f"{AT}/draft", headers={"If-Match": stale})) == (412, "precondition_failed")
    assert refusal(await shop.client.delete(f"{AT}/draft")) == (428, "precondition_required")
    assert (await shop.client.post(f"{AT}:publish", headers={"If-Match": second})).status_code == 200
    third = (await put(shop, CONFIG)).headers["etag"]
    assert third not in (first, second), "the tag of a used draft never comes back"
    assert (await shop.client.delete(f"{AT}/draft", headers={"If-Match": third})).status_code == 204
    assert (await shop.client.delete(f"{AT}/draft")).status_code == 204
    assert refusal(await shop.client.get(f"{AT}/draft")) == (404, "draft_not_found")


async def test_rolling_back_takes_an_old_body_as_a_new_version_and_leaves_the_draft(shop: House) -> None:
    one = await published(shop, "one")
    await published(shop, "two")
    await put(shop, CONFIG | {"greeting": "three"})
    back = (await shop.client.post(f"{AT}:rollback", json={"version": 1, "note": "two was wrong"})).json()
    assert (back["version"], back["rolled_back_to"], back["config"]["greeting"]) == (3, 1, "one")
    assert back["config_hash"] == one["config_hash"]
    assert (await shop.client.get(f"{AT}/draft")).json()["config"]["greeting"] == "three"
    listed = (await shop.client.get(f"{AT}/versions")).json()
    assert [(one["version"], one["active"], one["rolled_back_to"]) for one in listed["data"]] == [
        (3, True, 1),
        (2, False, None),
        (1, False, None),
    ]
    for missing in (4, 0):
        assert refusal(await shop.client.post(f"{AT}:rollback", json={"version": missing})) == (404, "config_version_not_found")
        assert refusal(await shop.client.get(f"{AT}/versions/{missing}")) == (404, "config_version_not_found")


async def test_versions_page_by_page(shop: House) -> None:
    for number in range(1, 12):
        await published(shop, f"hello {number}")
    walked: list[int] = []
    page: dict[str, Any] = {"next_cursor": ""}
    while page["next_cursor"] is not None:
        page = (await shop.client.get(f"{AT}/versions", params={"limit": 4, "cursor": page["next_cursor"]})).json()
        walked += [one["version"] for one in page["data"]]
    assert walked == [*range(11, 0, -1)]
    strange = await shop.client.get("/v1/tenants/barber_shop/config/versions", params={"cursor": "junk"})
    assert refusal(strange) == (422, "invalid_cursor")


async def test_a_folder_is_version_zero_until_something_is_published(door: House) -> None:
    at = "/v1/tenants/barber_shop/config"
    folder = (await door.client.get(at)).json()
    assert (folder["version"], folder["source"], folder["published_at"]) == (0, "folder", None)
    assert (await door.client.get(f"{at}/versions")).json()["data"] == []
    draft = folder["config"] | {"greeting": "From now on over REST."}
    assert (await door.client.put(f"{at}/draft", json=draft)).status_code == 200
    assert (await door.client.post(f"{at}:publish")).json()["version"] == 1
    assert (await door.client.get(at)).json()["config"]["greeting"] == "From now on over REST."
    assert (await door.client.get(f"{at}/versions/0")).json() == folder
    back = (await door.client.post(f"{at}:rollback", json={"version": 0})).json()
    assert (back["version"], back["config"]) == (2, folder["config"])
    broken = await door.client.get("/v1/tenants/broken_shop/config")
    assert refusal(broken) == (422, "invalid_config")
    await door.client.put("/v1/tenants/broken_shop/config/draft", json=CONFIG)
    assert (await door.client.post("/v1/tenants/broken_shop/config:publish")).status_code == 200
    assert (await door.client.get("/v1/tenants/broken_shop")).json()["status"] == "active"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (json.dumps({"system_prompt": "x" * MAX_CONFIG_BYTES}), (413, "message_too_large")),
        ('{"a": NaN}', (422, "invalid_request")),
        ('{"a": 1e999}', (422, "invalid_request")),
        ('{"a": "\\ud800"}', (422, "invalid_request")),
        ("[]", (422, "invalid_request")),
        ("{", (400, "message_not_json")),
    ],
)
async def test_what_is_no_draft(shop: House, body: str, expected: tuple[int, str]) -> None:
    answer = await shop.client.put(f"{AT}/draft", content=body, headers={"Content-Type": "application/json"})
    assert refusal(answer) == expected
    assert refusal(await shop.client.get(f"{AT}/draft")) == (404, "draft_not_found")


async def test_a_call_stays_with_the_version_it_was_ordered_with(shop: House) -> None:
    await published(shop, "one")

    async def ordered(key: str) -> dict[str, Any]:
        answer = await shop.client.post("/v1/tenants/corner_shop/calls", json={}, headers={"Idempotency-Key": key})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    first = await ordered("first")
    two = await published(shop, "two")
    again, second = await ordered("first"), await ordered("second")
    assert again["id"] == first["id"] and again["config_hash"] == first["config_hash"] != two["config_hash"] == second["config_hash"]
    entry = await shop.stores.ledger.get("corner_shop", first["id"])
    assert entry.order.config_version == 1
    terms = await shop.stores.tenants.for_call("corner_shop", entry.order.config_version)
    assert (terms.version, terms.config.greeting) == (1, "one")
    assert (await shop.stores.tenants.for_call("corner_shop")).config.greeting == "two"


async def test_nobody_there(door: House) -> None:
    for path in ("", "/versions", "/versions/1", "/draft"):
        assert refusal(await door.client.get(f"/v1/tenants/nobody_here/config{path}")) == (404, "tenant_not_found")
    for path in (":publish", "/draft:validate"):
        assert refusal(await door.client.post(f"/v1/tenants/nobody_here/config{path}")) == (404, "tenant_not_found")
    assert refusal(await door.client.put("/v1/tenants/nobody_here/config/draft", json=CONFIG)) == (404, "tenant_not_found")
