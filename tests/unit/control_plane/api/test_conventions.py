"""What holds for every route: keys of repeated requests, entity tags, limits, audit events. At the HTTP door."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from control_plane.access.matrix import MATRIX
from control_plane.api.app import operations
from control_plane.api.conventions import AUDITED_READS, OWN_IDEMPOTENCY, UNAUDITED, WITHOUT_EFFECT
from nexus.errors import Unavailable
from tests.fakes.control_plane import House, disk_stores, house, memory_stores
from tests.fakes.faulty_documents import FaultyDocuments

TENANT = "/v1/tenants/barber_shop"
KEYS = f"{TENANT}/api-keys"
KEY_BODY = {"name": "booking page", "scopes": ["sessions:read"]}


def keyed(key: str = "3f1c9a52", **more: str) -> dict[str, str]:
    return {"Idempotency-Key": key, **more}


async def conversation(door: House) -> str:
    answer = await door.client.post(f"{TENANT}/conversations", json={})
    return f"{TENANT}/conversations/{answer.json()['id']}/messages"


async def events(door: House, path: str = f"{TENANT}/audit-events", **where: str) -> list[dict[str, Any]]:
    answer = await door.client.get(path, params=where)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


# --- Idempotency-Key ---------------------------------------------------------------------------------------------------------


async def test_a_repeated_request_is_answered_again_and_not_done_again(door: House) -> None:
    first = await door.client.post(KEYS, json=KEY_BODY, headers=keyed())
    again = await door.client.post(KEYS, content=json.dumps(KEY_BODY, indent=2), headers=keyed(**{"Content-Type": "application/json"}))
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json() and first.json()["secret"].startswith("nx_live_")
    assert first.headers["location"] == again.headers["location"]
    assert "idempotent-replayed" not in first.headers and again.headers["idempotent-replayed"] == "true"
    assert len((await door.client.get(KEYS)).json()["data"]) == 1


async def test_the_secret_that_is_shown_once_lies_nowhere_in_clear(door: House) -> None:
    made = (await door.client.post(KEYS, json=KEY_BODY, headers=keyed())).json()
    kept = await door.stores.documents.list("barber_shop", "", limit=100)
    assert any(one.key.startswith("idempotency/") for one in kept)
    everything = json.dumps([[one.key, dict(one.body)] for one in kept])
    assert made["secret"] not in everything and made["secret"][-43:] not in everything


async def test_an_answer_without_a_body_is_repeated_as_one(door: House) -> None:
    messages = await conversation(door)
    end = messages.removesuffix("/messages") + ":end"
    first = await door.client.post(end, headers=keyed())
    again = await door.client.post(end, headers=keyed())
    assert (first.status_code, first.content) == (again.status_code, again.content) == (204, b"")
    assert again.headers["idempotent-replayed"] == "true" and "content-type" not in again.headers


async def test_without_a_key_each_request_is_done(door: House) -> None:
    for _ in range(2):
        assert (await door.client.post(KEYS, json=KEY_BODY)).status_code == 201
    assert len((await door.client.get(KEYS)).json()["data"]) == 2


async def test_another_body_or_another_address_under_the_key_is_refused(door: House) -> None:
    made = (await door.client.post(KEYS, json=KEY_BODY, headers=keyed())).json()
    other = await door.client.post(KEYS, json={**KEY_BODY, "name": "other"}, headers=keyed())
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    more = (await door.client.post(KEYS, json=KEY_BODY)).json()
    assert (await door.client.post(f"{KEYS}/{made['id']}:revoke", headers=keyed("r"))).status_code == 200
    elsewhere = await door.client.post(f"{KEYS}/{more['id']}:revoke", headers=keyed("r"))
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (422, "idempotency_key_reused")


async def test_the_same_key_of_another_tenant_or_principal_is_another_key(door: House) -> None:
    first = (await door.client.post(f"{TENANT}/conversations", json={}, headers=keyed())).json()
    elsewhere = (await door.client.post("/v1/tenants/pizza_shop/conversations", json={}, headers=keyed())).json()
    made = (await door.client.post(KEYS, json={"name": "talk", "scopes": ["conversations:write"]})).json()
    somebody = keyed(Authorization=f"Bearer {made['secret']}")
    else_ = (await door.client.post(f"{TENANT}/conversations", json={}, headers=somebody)).json()
    assert len({first["id"], elsewhere["id"], else_["id"]}) == 3


async def test_a_repeat_while_the_first_is_being_done_is_told_to_wait(door: House) -> None:
    messages = await conversation(door)
    door.conversations.may_answer = asyncio.Event()
    first = asyncio.create_task(door.client.post(messages, json={"text": "Hello"}, headers=keyed()))
    await door.conversations.thinks.wait()
    second = await door.client.post(messages, json={"text": "Hello"}, headers=keyed())
    assert (second.status_code, second.json()["code"], second.json()["retryable"]) == (409, "idempotency_in_flight", True)
    assert int(second.headers["retry-after"]) >= 1
    door.conversations.may_answer.set()
    assert (await first).status_code == 200
    third = await door.client.post(messages, json={"text": "Hello"}, headers=keyed())
    assert third.json() == (await first).json()
    assert door.conversations.heard == ["Hello"]


async def test_of_many_at_once_one_is_done(door: House) -> None:
    answers = await asyncio.gather(*(door.client.post(KEYS, json=KEY_BODY, headers=keyed()) for _ in range(8)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert len((await door.client.get(KEYS)).json()["data"]) == 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (KEYS, {"name": ""}, 422),
        (f"{KEYS}/key_01KAQ2Z3M4N5P6Q7R8S9T0V1W2:revoke", None, 404),
        ("/v1/tenants/nobody/conversations", {}, 404),
    ],
)
async def test_a_refusal_leaves_the_key_for_the_mended_request(door: House, path: str, body: Any, status: int) -> None:
    refused = await door.client.post(path, json=body, headers=keyed())
    assert refused.status_code == status, refused.text
    assert "idempotent-replayed" not in (await door.client.post(path, json=body, headers=keyed())).headers
    mended = f"{TENANT}/conversations" if path.endswith("conversations") else KEYS
    assert (await door.client.post(mended, json=KEY_BODY if mended == KEYS else {}, headers=keyed())).status_code == 201


async def test_what_broke_may_be_tried_again_at_once(door: House) -> None:
    messages = await conversation(door)
    for _ in range(2):
        broken = await door.client.post(messages, json={"text": "break"}, headers=keyed())
        assert (broken.status_code, broken.json()["code"]) == (500, "internal_error")
    assert door.conversations.heard == ["break", "break"]


@pytest.mark.parametrize("key", ["x" * 256, "\u00e9"])
async def test_a_key_that_is_none_is_refused(door: House, key: str) -> None:
    refused = await door.client.post(KEYS, json=KEY_BODY, headers=[(b"Idempotency-Key", key.encode("latin-1"))])
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


async def test_calls_keep_their_own_way_of_repeating(door: House) -> None:
    first = (await door.client.post(f"{TENANT}/calls", json={}, headers=keyed())).json()
    again = (await door.client.post(f"{TENANT}/calls", json={}, headers=keyed())).json()
    assert first["id"] == again["id"] and first["websocket"]["ticket"] != again["websocket"]["ticket"]
    rows = await door.stores.documents.list("barber_shop", "idempotency/", limit=10)
    assert rows == ()


# --- entity tags -------------------------------------------------------------------------------------------------------------


async def test_an_object_that_has_not_changed_is_not_sent_again(door: House) -> None:
    first = await door.client.get(TENANT)
    tag = first.headers["etag"]
    assert tag.startswith('"') and tag.endswith('"')
    for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        same = await door.client.get(TENANT, headers={"If-None-Match": sent})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        assert "content-type" not in same.headers
    for sent in ('"other"', tag.strip('"'), ""):
        assert (await door.client.get(TENANT, headers={"If-None-Match": sent})).status_code == 200
    other = await door.client.get("/v1/tenants/pizza_shop", headers={"If-None-Match": tag})
    assert other.status_code == 200 and other.headers["etag"] != tag


async def test_a_changed_object_has_another_tag(door: House) -> None:
    made = (await door.client.post(KEYS, json=KEY_BODY)).json()
    before = await door.client.get(f"{KEYS}/{made['id']}")
    await door.client.post(f"{KEYS}/{made['id']}:revoke")
    after = await door.client.get(f"{KEYS}/{made['id']}", headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200 and after.headers["etag"] != before.headers["etag"]


async def test_lists_refusals_and_changes_have_none(door: House) -> None:
    assert "etag" not in (await door.client.get("/v1/tenants")).headers
    refused = await door.client.get("/v1/tenants/nobody", headers={"If-None-Match": "*"})
    assert refused.status_code == 404 and "etag" not in refused.headers
    assert "etag" not in (await door.client.post(KEYS, json=KEY_BODY)).headers


async def test_a_tenant_of_a_folder_is_changed_by_its_tag_and_by_no_other(door: House) -> None:
    def pages(host: str) -> dict[str, list[str]]:
        return {"allowed_origins": [f"https://{host}.example"]}

    tag = (await door.client.get(TENANT)).headers["etag"]
    stale = await door.client.patch(TENANT, json=pages("a"), headers={"If-Match": '"other"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    changed = await door.client.patch(TENANT, json=pages("b"), headers={"If-Match": tag})
    assert changed.status_code == 200 and changed.json()["allowed_origins"] == ["https://b.example"]
    assert (await door.client.patch(TENANT, json=pages("c"), headers={"If-Match": tag})).status_code == 412
    assert (await door.client.get(TENANT, headers={"If-None-Match": tag})).status_code == 200


# --- limits ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "disk"])
def narrow(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    stores = memory_stores() if request.param == "memory" else disk_stores(tmp_path)
    return house(stores, rate_limit_api_key=5, rate_limit_publishable_key=2)


async def secret_of(door: House, tenant: str = "barber_shop", **more: Any) -> dict[str, str]:
    body = {"name": "k", "scopes": ["tenants:read"], **more}
    made = await door.client.post(f"/v1/tenants/{tenant}/api-keys", json=body)
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['secret']}"}


async def in_one_minute(ask: Any) -> list[httpx.Response]:
    """Asked again should a minute of the clock end in between."""
    for _ in range(3):
        answers: list[httpx.Response] = [await ask() for _ in range(7)]
        if sum(answer.status_code == 429 for answer in answers) == 2:
            break
    return answers


async def test_the_limit_is_told_counted_and_held(narrow: House) -> None:
    key = await secret_of(narrow)
    answers = await in_one_minute(lambda: narrow.client.get(TENANT, headers=key))
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["4", "3", "2", "1", "0", "0", "0"]
    first, refused = answers[0], answers[-1]
    assert first.headers["ratelimit-policy"] == '"minute";q=5;w=60' and first.headers["ratelimit-limit"] == "5"
    assert first.headers["ratelimit"] == f'"minute";r=4;t={first.headers["ratelimit-reset"]}'
    assert (refused.json()["code"], refused.json()["retryable"]) == ("rate_limited", True)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["content-type"] == "application/problem+json" and refused.headers["x-request-id"]


async def test_two_keys_of_one_tenant_share_and_another_tenant_does_not(narrow: House) -> None:
    one, two, other = await secret_of(narrow), await secret_of(narrow), await secret_of(narrow, "pizza_shop")
    answers = await in_one_minute(lambda: narrow.client.get(TENANT, headers=one))
    if answers[-1].status_code == 429:
        shared = await narrow.client.get(TENANT, headers=two)
        assert int(shared.headers["ratelimit-remaining"]) < 5
    assert (await narrow.client.get("/v1/tenants/pizza_shop", headers=other)).status_code == 200


async def test_whoever_sits_at_the_machine_and_probes_are_not_limited(narrow: House) -> None:
    for _ in range(12):
        answer = await narrow.client.get(TENANT)
        assert answer.status_code == 200 and "ratelimit-limit" not in answer.headers
        assert (await narrow.client.get("/health/live")).status_code == 200


# --- audit events ------------------------------------------------------------------------------------------------------------


async def test_every_change_leaves_one_event_that_says_who_and_what(door: House) -> None:
    made = await door.client.post(KEYS, json=KEY_BODY, headers={"X-Request-Id": "trace-0001"})
    key_id = made.json()["id"]
    await door.client.post(f"{KEYS}/{key_id}:revoke")
    revoked, created = await events(door)
    assert (created["operation"], created["object_id"], created["status"]) == ("createApiKey", key_id, 201)
    assert created["actor"] == {"kind": "local", "id": "local"} and created["request_id"] == "trace-0001"
    assert len(created["address_hash"]) == 32 and created["address_hash"] == revoked["address_hash"]
    assert (revoked["operation"], revoked["object_id"]) == ("revokeApiKey", key_id)
    assert created["id"].startswith("audit_") and created["id"] < revoked["id"]


async def test_neither_reading_nor_refusals_nor_repeats_nor_talk_leave_one(door: House) -> None:
    await door.client.get(TENANT)
    await door.client.post(KEYS, json={"name": ""})
    await door.client.post(f"{KEYS}/key_01KAQ2Z3M4N5P6Q7R8S9T0V1W2:revoke")
    await door.client.post(f"{TENANT}/calls", json={}, headers=keyed())
    await door.client.post(await conversation(door), json={"text": "Hello"})
    assert await events(door) == []
    for _ in range(3):
        await door.client.post(KEYS, json=KEY_BODY, headers=keyed())
    assert [event["operation"] for event in await events(door)] == ["createApiKey"]


async def test_no_event_holds_a_body_a_secret_or_an_address(door: House) -> None:
    made = (await door.client.post(KEYS, json=KEY_BODY)).json()
    kept = json.dumps([dict(row.body) for row in await door.stores.documents.list("barber_shop", "audit/", limit=10)])
    assert made["id"] in kept and made["secret"] not in kept and "booking page" not in kept and "127.0.0.1" not in kept


async def test_events_are_filtered_and_paged(door: House) -> None:
    ids = [(await door.client.post(KEYS, json=KEY_BODY)).json()["id"] for _ in range(3)]
    await door.client.post(f"{KEYS}/{ids[0]}:revoke")
    assert [event["object_id"] for event in await events(door, operation="createApiKey")] == ids[::-1]
    assert len(await events(door, object_id=ids[0])) == 2
    assert await events(door, actor_id="somebody") == []
    assert await events(door, **{"at[lt]": "2020-01-01T00:00:00Z"}) == []
    assert len(await events(door, **{"at[gte]": "2020-01-01T00:00:00+01:00"})) == 4
    first = (await door.client.get(f"{TENANT}/audit-events", params={"limit": 3})).json()
    rest = (await door.client.get(f"{TENANT}/audit-events", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert first["has_more"] and len(first["data"]) == 3 and len(rest["data"]) == 1 and rest["next_cursor"] is None
    elsewhere = await door.client.get("/v1/tenants/pizza_shop/audit-events", params={"cursor": first["next_cursor"]})
    assert elsewhere.json()["code"] == "invalid_cursor"


async def test_a_tenant_sees_its_own_events_only(door: House) -> None:
    await door.client.post(KEYS, json=KEY_BODY)
    assert await events(door, "/v1/tenants/pizza_shop/audit-events") == []
    assert await events(door, "/v1/audit-events") == []


async def test_what_becomes_of_a_tenant_is_known_to_the_operator_when_it_is_gone(door: House) -> None:
    made = await door.client.post("/v1/tenants", json={"id": "nail_studio"}, headers=keyed())
    assert made.status_code == 201, made.text
    assert (await door.client.post("/v1/tenants", json={"id": "nail_studio"}, headers=keyed())).headers["idempotent-replayed"] == "true"
    studio = "/v1/tenants/nail_studio"
    for path in (f"{studio}:suspend", f"{studio}:resume"):
        assert (await door.client.post(path)).status_code == 200
    await door.client.post(f"{studio}/api-keys", json=KEY_BODY)
    told = [event["operation"] for event in await events(door, f"{studio}/audit-events")]
    assert told == ["createApiKey", "resumeTenant", "suspendTenant"]
    assert (await door.client.delete(studio)).status_code == 202
    left = await door.stores.documents.list("nail_studio", "audit/", limit=10)
    assert all(one.body["operation"] != "deleteTenant" for one in left)  # nothing is written behind the job that erases
    everywhere = [(event["operation"], event["object_id"]) for event in await events(door, "/v1/audit-events")]
    names = ["deleteTenant", "resumeTenant", "suspendTenant", "createTenant"]
    assert everywhere == [(name, "nail_studio") for name in names]


async def test_a_lost_event_does_not_undo_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    stores = memory_stores()
    faulty = FaultyDocuments(stores.documents)
    door = house(stores.__class__(**{**{name: getattr(stores, name) for name in stores.__slots__}, "documents": faulty}))
    messages = f"{TENANT}/calls"
    await door.engine_slots(1)
    made = (await door.client.post(messages, json={}, headers=keyed())).json()
    faulty.failure = Unavailable("store_unavailable", "no")
    ended = await door.client.post(f"{messages}/{made['id']}:end")
    assert ended.status_code == 202
    assert "audit event lost" in caplog.text and "endCall" in caplog.text


# --- the table of operations -------------------------------------------------------------------------------------------------


def test_every_operation_that_changes_something_is_known_by_its_method() -> None:
    """A GET must not hold a right to write, and the lists of exceptions name operations that exist."""
    routes: dict[str, APIRoute] = {route.operation_id or "": route for route in operations()}
    for name, route in routes.items():
        if route.methods and route.methods <= {"GET"}:
            assert not MATRIX[name].permission.endswith(":write"), name
    assert set(routes) >= OWN_IDEMPOTENCY | UNAUDITED
    assert all(name not in routes or routes[name].methods == {"POST"} for name in WITHOUT_EFFECT)
    assert all(routes[name].methods == {"GET"} for name in AUDITED_READS)
