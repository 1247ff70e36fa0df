"""Canaries over HTTP, over every kind of store: a part of new calls gets another version; and old versions go, those in use stay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from control_plane.services.configs import CanaryWish, ConfigDesk
from control_plane.services.drafts import DraftDesk
from control_plane.services.tenant_heads import TenantHeads
from nexus.context import working_for
from nexus.domain import tenancy
from nexus.domain.tenancy import IN_USE_FOR
from nexus.errors import Conflict
from tests.fakes.control_plane import House
from tests.fakes.later_clock import LaterClock

SHOP = "corner_shop"
AT = f"/v1/tenants/{SHOP}/config"


@pytest.fixture
async def shop(door: House) -> House:
    """A tenant with version 1 active."""
    assert (await door.client.post("/v1/tenants", json={"id": SHOP})).status_code == 201
    await drafted(door, "one")
    assert (await door.client.post(f"{AT}:publish")).status_code == 200
    return door


async def drafted(shop: House, prompt: str) -> None:
    answer = await shop.client.put(f"{AT}/draft", json={"system_prompt": prompt}, headers={"If-Match": "*"})
    assert answer.status_code in (200, 412), answer.text
    if answer.status_code == 412:
        assert (await shop.client.put(f"{AT}/draft", json={"system_prompt": prompt})).status_code == 200


async def tried(shop: House, percent: int, **more: Any) -> dict[str, Any]:
    answer = await shop.client.post(f"{AT}:canary", json={"percent": percent, **more})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def picked(shop: House, callers: int = 200) -> list[int]:
    return [(await shop.stores.tenants.for_call(SHOP, pick=f"caller {number}")).version for number in range(callers)]


async def test_a_draft_is_tried_on_a_part_of_new_calls_and_promoted(shop: House) -> None:
    await drafted(shop, "two")
    told = await tried(shop, 25, note="try it")
    assert (told["version"], told["canary"]["version"], told["canary"]["percent"]) == (1, 2, 25)
    assert refusal(await shop.client.get(f"{AT}/draft")) == (404, "draft_not_found"), "the draft is version 2 now"
    versions = (await shop.client.get(f"{AT}/versions")).json()["data"]
    assert [(one["version"], one["active"], one["canary"]) for one in versions] == [(2, False, True), (1, True, False)]
    first = await picked(shop)
    assert 25 <= first.count(2) <= 75 and set(first) == {1, 2}
    assert await picked(shop) == first, "the same caller meets the same version"
    shown = await shop.client.get(AT)
    await tried(shop, 60, version=2)
    more = await picked(shop)
    assert all(now == 2 for now, before in zip(more, first, strict=True) if before == 2), "a growing canary takes nobody's version away"
    assert more.count(2) > first.count(2)
    grown = await shop.client.get(AT, headers={"If-None-Match": shown.headers["etag"]})
    assert (grown.status_code, grown.json()["canary"]["percent"]) == (200, 60)
    assert grown.json()["canary"]["started_at"] == told["canary"]["started_at"]
    promoted = (await shop.client.post(f"{AT}:promote")).json()
    assert (promoted["version"], promoted["canary"], promoted["config"]["system_prompt"]) == (2, None, "two")
    assert set(await picked(shop, 30)) == {2}
    await drafted(shop, "three")
    assert (await shop.client.post(f"{AT}:publish")).json()["version"] == 3


async def test_aborted_all_new_calls_get_the_active_version(shop: House) -> None:
    await drafted(shop, "two")
    await tried(shop, 100)
    assert set(await picked(shop, 20)) == {2}
    assert (await shop.client.post(f"{AT}:abort")).json()["version"] == 1
    assert set(await picked(shop, 20)) == {1}
    for verb in ("promote", "abort"):
        assert refusal(await shop.client.post(f"{AT}:{verb}")) == (409, "canary_state")


async def test_whoever_publishes_or_rolls_back_decides_for_all_new_calls(shop: House) -> None:
    for verb, body in (("publish", {}), ("rollback", {"version": 1})):
        await drafted(shop, f"tried before {verb}")
        await tried(shop, 100)
        await drafted(shop, f"decided by {verb}")
        told = (await shop.client.post(f"{AT}:{verb}", json=body)).json()
        assert told["canary"] is None
        assert set(await picked(shop, 20)) == {told["version"]}


async def test_an_older_version_can_be_tried_and_what_cannot_is_refused(shop: House) -> None:
    await drafted(shop, "two")
    await shop.client.post(f"{AT}:publish")
    assert (await tried(shop, 10, version=1))["canary"]["version"] == 1
    for body, expected in (
        ({"percent": 10, "version": 2}, (409, "canary_state")),
        ({"percent": 10, "version": 7}, (404, "config_version_not_found")),
        ({"percent": 0, "version": 1}, (422, "invalid_request")),
        ({"percent": 101, "version": 1}, (422, "invalid_request")),
        ({"percent": 10}, (404, "draft_not_found")),
        ({"version": 1}, (422, "invalid_request")),
    ):
        assert refusal(await shop.client.post(f"{AT}:canary", json=body)) == expected
    await shop.client.put(f"{AT}/draft", json={"greeting": 7})
    assert refusal(await shop.client.post(f"{AT}:canary", json={"percent": 5})) == (422, "invalid_config")
    stale = await shop.client.post(f"{AT}:canary", json={"percent": 5}, headers={"If-Match": '"v99"'})
    assert refusal(stale) == (412, "precondition_failed")
    await shop.client.post("/v1/tenants", json={"id": "empty_shop"})
    await shop.client.put("/v1/tenants/empty_shop/config/draft", json={"system_prompt": "x"})
    assert refusal(await shop.client.post("/v1/tenants/empty_shop/config:canary", json={"percent": 5})) == (409, "config_not_published")


async def test_calls_and_sessions_name_their_version_and_stay_with_it(shop: House) -> None:
    await drafted(shop, "two")
    await tried(shop, 100)
    ordered = await shop.client.post(f"/v1/tenants/{SHOP}/calls", json={}, headers={"Idempotency-Key": "b"})
    assert ordered.json()["config_version"] == 2
    await shop.client.post(f"{AT}:abort")
    again = await shop.client.post(f"/v1/tenants/{SHOP}/calls", json={}, headers={"Idempotency-Key": "b"})
    assert (again.json()["id"], again.json()["config_version"]) == (ordered.json()["id"], 2), "a repeat is the same call"
    pinned = await shop.stores.tenants.for_call(SHOP, 2, pick="anybody")
    assert (pinned.version, pinned.config.system_prompt) == (2, "two"), "a call that waits keeps the version of its ticket"
    record = await shop.archived(1, SHOP, config_version=2)
    await shop.archived(2, SHOP, config_version=1)
    found = (await shop.client.get(f"/v1/tenants/{SHOP}/sessions?config_version=2")).json()["data"]
    assert [(one["id"], one["config_version"]) for one in found] == [(record.id, 2)]


async def test_a_folders_tenant_can_try_a_version_beside_its_folder(door: House) -> None:
    at = "/v1/tenants/barber_shop/config"
    await door.client.put(f"{at}/draft", json={"system_prompt": "published"})
    told = (await door.client.post(f"{at}:canary", json={"percent": 50})).json()
    assert (told["version"], told["source"], told["canary"]["version"]) == (0, "folder", 1)
    versions = {(await door.stores.tenants.for_call("barber_shop", pick=f"caller {number}")).version for number in range(40)}
    assert versions == {0, 1}
    assert (await door.client.post(f"{at}:promote")).json()["version"] == 1


async def test_old_versions_go_but_not_those_in_use(door: House) -> None:
    """With three kept: neither the active one, nor the canary, nor one that a live call may still ask for."""
    clock = LaterClock()
    heads = TenantHeads(door.stores.documents, door.stores.folders, clock)
    drafts = DraftDesk(heads)
    configs = ConfigDesk(heads, drafts, b"k", most_versions=3)

    async def publish(prompt: str) -> None:
        await drafts.put(SHOP, {"system_prompt": prompt}, expected=None)
        await configs.publish(SHOP)

    async def kept() -> list[int]:
        found = await door.stores.documents.list(SHOP, tenancy.VERSION_PREFIX, limit=99)
        return [tenancy.read_publication(one.body).version for one in found]

    await door.client.post("/v1/tenants", json={"id": SHOP})
    with working_for(tenant_id=SHOP):
        for number in range(1, 6):
            await publish(f"{number}")
        assert await kept() == [1, 2, 3, 4, 5], "each was active a moment ago: a call may live on it"
        clock.advance(IN_USE_FOR + timedelta(seconds=1))
        await publish("6")
        assert await kept() == [4, 5, 6]
        await configs.start_canary(SHOP, CanaryWish(10, version=4))
        for number in range(7, 10):
            clock.advance(IN_USE_FOR + timedelta(seconds=1))
            await drafts.put(SHOP, {"system_prompt": f"{number}"}, expected=None)
            if number < 9:
                await configs.start_canary(SHOP, CanaryWish(10))
            else:
                await configs.publish(SHOP)
            assert 6 in await kept(), "the active version stays while only canaries come and go"
        assert await kept() == [6, 7, 8, 9], "6 was active until now"
        with pytest.raises(Conflict):
            await configs.promote_canary(SHOP)
        clock.advance(IN_USE_FOR + timedelta(seconds=1))
        await publish("10")
        assert await kept() == [8, 9, 10]
