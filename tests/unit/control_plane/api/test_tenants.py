"""Tenants over HTTP: made, changed, suspended, deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from control_plane.wiring import Stores
from nexus.domain.journal import Opened
from nexus.domain.tenancy import PLATFORM
from nexus.errors import NotFound
from nexus.ports.sessions import SessionFilter
from tests.fakes.control_plane import House, house
from tests.fakes.later_clock import LaterClock
from tests.fakes.stored import NOON, analysis, call_id, private, record, row, turn_noted

SHOP = {"id": "corner_shop", "name": "Corner Shop", "timezone": "Europe/Berlin", "language": "de-DE"}
CONFIG = {"system_prompt": "You sell milk."}


@pytest.fixture
async def door(stores: Stores) -> AsyncIterator[House]:
    built = house(stores, clock=LaterClock())
    await built.engine_slots(9)
    async with built.client:
        yield built


async def made(door: House, **fields: Any) -> httpx.Response:
    return await door.client.post("/v1/tenants", json={**SHOP, **fields})


async def published(door: House, tenant_id: str = "corner_shop", **config: Any) -> None:
    put = await door.client.put(f"/v1/tenants/{tenant_id}/config/draft", json={**CONFIG, **config})
    assert put.status_code == 200, put.text
    assert (await door.client.post(f"/v1/tenants/{tenant_id}/config:publish")).status_code == 200


async def ordered(door: House, tenant_id: str, key: str = "k") -> httpx.Response:
    return await door.client.post(f"/v1/tenants/{tenant_id}/calls", json={}, headers={"Idempotency-Key": key})


async def test_a_new_tenant_is_there_and_takes_calls_once_a_configuration_is_published(door: House) -> None:
    answer = await made(door, allowed_origins=["https://www.corner.example"])
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/tenants/corner_shop")
    told = answer.json()
    assert (told["name"], told["status"], told["config_version"], told["greeting"]) == ("Corner Shop", "active", None, None)
    assert told["allowed_origins"] == ["https://www.corner.example"]
    shown = await door.client.get("/v1/tenants/corner_shop")
    assert shown.json() == told
    assert shown.headers["etag"] == answer.headers["etag"]
    refused = await ordered(door, "corner_shop")
    assert (refused.status_code, refused.json()["code"]) == (409, "config_not_published")
    await published(door)
    assert (await ordered(door, "corner_shop")).status_code == 201
    shown = (await door.client.get("/v1/tenants/corner_shop")).json()
    assert (shown["config_version"], shown["timezone"], shown["voice_settings"]["language"]) == (1, "Europe/Berlin", "de-DE")


async def test_new_tenants_stand_in_the_list_beside_folders_page_by_page(door: House) -> None:
    for name in ("aa_shop", "zz_shop"):
        assert (await made(door, id=name)).status_code == 201
    everyone = (await door.client.get("/v1/tenants")).json()
    assert [one["id"] for one in everyone["data"]] == ["aa_shop", "barber_shop", "broken_shop", "pizza_shop", "zz_shop"]
    assert [one["config_version"] for one in everyone["data"]] == [None, 0, 0, 0, None]
    walked: list[str] = []
    page: dict[str, Any] = {"next_cursor": ""}
    while page["next_cursor"] is not None:
        page = (await door.client.get("/v1/tenants", params={"limit": 2, "cursor": page["next_cursor"]})).json()
        walked += [one["id"] for one in page["data"]]
    assert walked == [one["id"] for one in everyone["data"]]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"id": "Corner Shop"}, "invalid_tenant_id"),
        ({"id": "_platform"}, "invalid_tenant_id"),
        ({"id": "admin"}, "invalid_tenant_id"),
        ({"id": "shop", "timezone": "Mars/Olympus"}, "invalid_request"),
        ({"id": "shop", "language": "deutsch!"}, "invalid_request"),
        ({"id": "shop", "allowed_origins": ["https://a.example/path"]}, "invalid_request"),
        ({"id": "shop", "allowed_origins": ["*"]}, "invalid_request"),
        ({"id": "shop", "state": "deleted"}, "invalid_request"),
        ({"name": "nameless"}, "invalid_request"),
    ],
)
async def test_what_makes_no_tenant(door: House, body: dict[str, Any], code: str) -> None:
    answer = await door.client.post("/v1/tenants", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_an_id_is_given_once_also_against_folders(door: House) -> None:
    assert (await made(door)).status_code == 201
    for taken in ("corner_shop", "barber_shop", "broken_shop"):
        answer = await made(door, id=taken)
        assert (answer.status_code, answer.json()["code"]) == (409, "tenant_exists"), taken


async def test_a_profile_is_changed_field_by_field_and_only_by_who_has_seen_it(door: House) -> None:
    tag = (await made(door)).headers["etag"]
    first = await door.client.patch("/v1/tenants/corner_shop", json={"name": "Corner"}, headers={"If-Match": tag})
    assert (first.status_code, first.json()["name"], first.json()["timezone"]) == (200, "Corner", "Europe/Berlin")
    assert first.headers["etag"] != tag
    late = await door.client.patch("/v1/tenants/corner_shop", json={"name": "Late"}, headers={"If-Match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    nothing = await door.client.patch("/v1/tenants/corner_shop", json={})
    assert (nothing.json()["name"], nothing.headers["etag"]) == ("Corner", first.headers["etag"])
    for wrong in ({"id": "other"}, {"timezone": "nowhere"}, {"status": "suspended"}):
        assert (await door.client.patch("/v1/tenants/corner_shop", json=wrong)).status_code == 422
    assert (await door.client.patch("/v1/tenants/nobody_here", json={})).status_code == 404


async def test_a_suspended_tenant_takes_no_calls_until_it_is_resumed(door: House) -> None:
    for tenant_id in ("corner_shop", "barber_shop"):
        if tenant_id == "corner_shop":
            await made(door)
            await published(door)
        for _ in range(2):
            suspended = await door.client.post(f"/v1/tenants/{tenant_id}:suspend")
            assert (suspended.status_code, suspended.json()["status"]) == (200, "suspended")
        refused = await ordered(door, tenant_id)
        assert (refused.status_code, refused.json()["code"]) == (403, "tenant_suspended")
        typed = await door.client.post(f"/v1/tenants/{tenant_id}/conversations", json={})
        assert (typed.status_code, typed.json()["code"]) == (403, "tenant_suspended")
        assert [one["status"] for one in (await door.client.get("/v1/tenants")).json()["data"] if one["id"] == tenant_id] == ["suspended"]
        resumed = await door.client.post(f"/v1/tenants/{tenant_id}:resume")
        assert (resumed.status_code, resumed.json()["status"]) == (200, "active")
        assert (await ordered(door, tenant_id, f"again-{tenant_id}")).status_code == 201


async def test_a_folder_is_not_deleted_until_it_is_removed(door: House) -> None:
    await kept_everywhere(door, "barber_shop", 2)
    answer = await door.client.delete("/v1/tenants/barber_shop")
    assert (answer.status_code, answer.json()["code"]) == (409, "tenant_in_folder")
    assert "barber_shop in TENANTS_DIR" in answer.json()["detail"]
    assert (await door.client.get("/v1/tenants/barber_shop")).json()["status"] == "active"
    assert await door.plane.jobs.run_open() == 0
    folders: Any = door.stores.folders
    folders.remove("barber_shop")
    assert (await ordered(door, "barber_shop")).json()["code"] == "config_not_published"
    assert (await door.client.delete("/v1/tenants/barber_shop")).status_code == 202
    assert await door.plane.jobs.run_open() == 1
    assert set((await left_of(door, "barber_shop")).values()) == {0}


async def test_what_stands_in_a_folder_is_changed_there(door: House) -> None:
    at = "/v1/tenants/barber_shop"
    answer = await door.client.patch(at, json={"name": "New", "language": "de-DE"})
    assert (answer.status_code, answer.json()["code"]) == (409, "tenant_in_folder")
    assert "language and name of barber_shop stand in its config.yaml" in answer.json()["detail"]
    origins = ["https://www.clip.example"]
    assert (await door.client.patch(at, json={"allowed_origins": origins})).json()["allowed_origins"] == origins
    assert (await door.stores.tenants.for_call("barber_shop")).origins == tuple(origins)
    assert (await door.client.get(at)).json()["name"] == "Clip & Comb"
    draft = {"system_prompt": "x", "greeting": "From now on over REST."}
    await door.client.put(f"{at}/config/draft", json=draft)
    published = (await door.client.post(f"{at}/config:publish")).json()
    assert published["config"]["name"] == "Clip & Comb", "what the draft leaves out is inherited"
    assert (await door.client.patch(at, json={"name": "New"})).json()["name"] == "New"


async def test_a_deleted_tenant_leaves_nothing_but_its_id_for_a_while(door: House) -> None:
    await made(door)
    await published(door)
    await kept_everywhere(door, "corner_shop", 1)
    await kept_everywhere(door, "barber_shop", 2)
    waiting = (await ordered(door, "corner_shop")).json()["id"]
    answer = await door.client.delete("/v1/tenants/corner_shop")
    assert answer.status_code == 202, answer.text
    job_at = answer.headers["location"]
    assert (await door.client.delete("/v1/tenants/corner_shop")).json()["id"] == answer.json()["id"]
    assert (await door.client.get("/v1/tenants/corner_shop")).json()["status"] == "deleting"
    for change in (
        door.client.post("/v1/tenants/corner_shop:resume"),
        door.client.patch("/v1/tenants/corner_shop", json={"name": "x"}),
        door.client.put("/v1/tenants/corner_shop/config/draft", json=CONFIG),
        door.client.post("/v1/tenants/corner_shop/config:rollback", json={"version": 1}),
    ):
        late = await change
        assert (late.status_code, late.json()["code"]) == (409, "tenant_state"), late.text
    assert (await ordered(door, "corner_shop", "late")).status_code == 403

    assert await door.plane.jobs.run_open() == 1, "stragglers are waited for"
    assert await left_of(door, "corner_shop") == {"sessions": 0, "leads": 0, "private": 0, "tools": 0, "journals": 0}
    with pytest.raises(NotFound, match="call_not_found"):
        await door.stores.ledger.get("corner_shop", waiting)
    running = (await door.client.get(job_at)).json()
    assert (running["status"], running["done"][-1]) == ("running", "documents")

    await door.stores.index.put(row(9, tenant_id="corner_shop"))  # a straggler
    assert isinstance(door.clock, LaterClock)
    door.clock.advance(timedelta(minutes=3))
    assert await door.plane.jobs.run_open() == 0
    assert (await door.client.get(job_at)).json()["status"] == "succeeded"
    assert (await left_of(door, "corner_shop"))["sessions"] == 0
    assert await left_of(door, "barber_shop") == {"sessions": 1, "leads": 1, "private": 1, "tools": 1, "journals": 1}
    gone = await door.client.get("/v1/tenants/corner_shop")
    assert (gone.status_code, gone.json()["code"]) == (404, "tenant_not_found")
    assert "corner_shop" not in (await door.client.get("/v1/tenants")).text
    (tombstone,) = await door.stores.documents.list("corner_shop", "", limit=100)
    assert tombstone.body["active"] is None and tombstone.body["profile"]["name"] == "" and tombstone.expires_at is not None
    assert [one.key for one in await door.stores.documents.list(PLATFORM, "tenant/", limit=10)] == []
    again = await made(door)
    assert (again.status_code, again.json()["code"]) == (409, "tenant_exists")


async def test_a_job_is_shown_to_its_tenant_only(door: House) -> None:
    await made(door)
    job = (await door.client.delete("/v1/tenants/corner_shop")).json()
    assert (await door.client.get(f"/v1/tenants/corner_shop/jobs/{job['id']}")).json() == job
    for path in (f"/v1/tenants/barber_shop/jobs/{job['id']}", "/v1/tenants/corner_shop/jobs/job_1", "/v1/tenants/corner_shop/jobs/..%20"):
        answer = await door.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


async def kept_everywhere(door: House, tenant_id: str, number: int) -> None:
    """Something of the tenant in every store."""
    stores = door.stores
    finished = record(number, tenant_id=tenant_id)
    await stores.archive.put(finished, private(number, tenant_id=tenant_id))
    await stores.index.put(row(number, tenant_id=tenant_id))
    await stores.leads.put(analysis(number, tenant_id=tenant_id))
    tools: Any = stores.erased.erasable["tool_values"]
    await tools.put(tenant_id, "slot/1", {"taken": True})
    effects: Any = stores.erased.erasable["effects"]
    await effects.begin(tenant_id, finished.id, "e1", "book")
    opened = Opened(call_id=call_id(100 + number), tenant_id=tenant_id, config_hash="h", engine="s", created_at=NOON, connected_at=NOON)
    await stores.erased.journal.append(opened.call_id, (opened, turn_noted(0, "Hello")))


async def left_of(door: House, tenant_id: str) -> dict[str, int]:
    """How much every store still keeps."""
    stores = door.stores
    number = {"corner_shop": 1, "barber_shop": 2}[tenant_id]
    tools: Any = stores.erased.erasable["tool_values"]
    journals = [await stores.erased.journal.read(one) for one in await stores.erased.journal.open_calls()]
    return {
        "sessions": len(await stores.index.list(tenant_id, SessionFilter(), limit=10)),
        "leads": len(await stores.leads.list(tenant_id, limit=10)),
        "private": int(await stores.archive.get_private(tenant_id, call_id(number)) is not None),
        "tools": len(await tools.list(tenant_id, "")),
        "journals": sum(getattr(entries[0], "tenant_id", "") == tenant_id for entries in journals),
    }
