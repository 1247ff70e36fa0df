"""Uploaded knowledge over HTTP, over every kind of store: its life, its bounds, and that new calls get it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from control_plane.services import knowledge
from nexus.domain.knowledge import prompt_text
from nexus.ports.documents import Delete
from tests.fakes.control_plane import House

AT = "/v1/tenants/barber_shop/knowledge"
PARKING = {"name": "Parking", "text": "# Parking\n\nFree behind the shop, for two hours.\n"}


async def uploaded(door: House, status: str = "ready", **body: Any) -> dict[str, Any]:
    answer = await door.client.post(AT, json={**PARKING, **body})
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    assert told["status"] == status, told
    return told


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def prompt(door: House) -> str:
    return prompt_text((await door.stores.tenants.for_call("barber_shop")).config)


async def test_a_document_from_upload_to_deletion(door: House) -> None:
    answer = await door.client.post(AT, json=PARKING)
    made = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"{AT}/{made['id']}")
    assert (made["status"], made["fault"], made["bytes"]) == ("ready", "", len(PARKING["text"]))
    assert "text" not in made and made["prompt_chars"] > 30
    shown = await door.client.get(f"{AT}/{made['id']}")
    assert (shown.json()["text"], shown.headers["etag"]) == (PARKING["text"], answer.headers["etag"])
    assert (await door.client.get(f"{AT}/{made['id']}", headers={"If-None-Match": shown.headers["etag"]})).status_code == 304
    listed = (await door.client.get(AT)).json()
    assert (listed["data"], listed["used_bytes"]) == ([made], made["bytes"])
    assert "two hours" in await prompt(door)
    assert (await door.client.delete(f"{AT}/{made['id']}", headers={"If-Match": '"v99"'})).status_code == 412
    assert (await door.client.delete(f"{AT}/{made['id']}")).status_code == 204
    assert refusal(await door.client.get(f"{AT}/{made['id']}")) == (404, "knowledge_not_found")
    assert refusal(await door.client.delete(f"{AT}/{made['id']}")) == (404, "knowledge_not_found")
    assert (await door.client.get(AT)).json()["data"] == []
    assert "two hours" not in await prompt(door)


async def test_a_replacement_is_taken_only_from_who_has_seen_what_it_replaces(door: House) -> None:
    made = await uploaded(door)
    at, changed = f"{AT}/{made['id']}", {**PARKING, "text": "Parking is 5 euros."}
    assert refusal(await door.client.put(at, json=changed)) == (428, "precondition_required")
    tag = (await door.client.get(at)).headers["etag"]
    answer = await door.client.put(at, json=changed, headers={"If-Match": tag})
    assert (answer.status_code, answer.json()["status"], answer.json()["created_at"]) == (200, "ready", made["created_at"])
    assert refusal(await door.client.put(at, json=PARKING, headers={"If-Match": tag})) == (412, "precondition_failed")
    assert answer.headers["etag"] == (await door.client.get(at)).headers["etag"] != tag
    assert "5 euros" in await prompt(door) and "two hours" not in await prompt(door)


async def test_what_cannot_be_read_is_failed_with_its_reason_and_reaches_no_call(door: House) -> None:
    made = await uploaded(door, "failed", content_type="application/json", text='{"parking": ')
    assert made["fault"] == "unreadable" and "not JSON" in made["detail"] and made["prompt_chars"] == 0
    assert "parking" not in await prompt(door)
    again = await door.client.post(f"{AT}/{made['id']}:retry")
    assert (again.status_code, again.json()["status"]) == (200, "failed")
    mended = {"name": "Parking", "content_type": "application/json", "text": '{"parking": "five euros an hour"}'}
    assert (await door.client.put(f"{AT}/{made['id']}", json=mended, headers={"If-Match": "*"})).json()["status"] == "ready"
    assert "five euros an hour" in await prompt(door)


async def test_what_the_prompt_has_no_room_for_waits_until_there_is_some(door: House) -> None:
    big = await uploaded(door, name="big", text="word " * 2_000)
    late = await uploaded(door, "failed", name="late", text="late " * 1_000)
    assert late["fault"] == "no_room" and "limits.knowledge_chars" in late["detail"] and " of 12000 " in late["detail"]
    assert "late" not in await prompt(door)
    assert (await door.client.delete(f"{AT}/{big['id']}")).status_code == 204
    assert (await door.client.post(f"{AT}/{late['id']}:retry")).json()["status"] == "ready"
    assert "late" in await prompt(door)


async def test_bounds_are_told_and_hold(door: House) -> None:
    assert refusal(await door.client.post(AT, json={**PARKING, "text": "ü" * 60_000})) == (413, "message_too_large")
    assert refusal(await door.client.post(AT, json={**PARKING, "text": "x" * 100_001})) == (413, "message_too_large")
    assert refusal(await door.client.post(AT, json={**PARKING, "content_type": "application/pdf"})) == (422, "invalid_request")
    assert refusal(await door.client.post(AT, json={**PARKING, "name": " "})) == (422, "invalid_request")
    for name in ("one", "two"):
        await uploaded(door, "failed", name=name, text="x" * 100_000)
    full = await door.client.post(AT, json=PARKING)
    assert refusal(full) == (429, "knowledge_full")
    assert (full.json()["used"], full.json()["max"]) == (200_000 + len(PARKING["text"]), 200_000)
    assert len((await door.client.get(AT)).json()["data"]) == 2


async def test_names_are_taken_once_and_there_is_a_most_of_documents(door: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowledge, "MOST_DOCUMENTS", 3)
    for number in range(3):
        await uploaded(door, name=f"n{number}")
    assert refusal(await door.client.post(AT, json={**PARKING, "name": "n1"})) == (409, "knowledge_exists")
    full = await door.client.post(AT, json={**PARKING, "name": "n4"})
    assert (*refusal(full), full.json()["used"], full.json()["max"]) == (429, "knowledge_full", 3, 3)


async def test_uploads_at_the_same_moment_all_stay(door: House) -> None:
    answers = await asyncio.gather(*(door.client.post(AT, json={**PARKING, "name": f"n{number}"}) for number in range(4)))
    assert [answer.status_code for answer in answers] == [201] * 4
    listed = (await door.client.get(AT)).json()["data"]
    assert sorted(one["name"] for one in listed) == ["n0", "n1", "n2", "n3"]
    for one in listed:
        assert (await door.client.post(f"{AT}/{one['id']}:retry")).json()["status"] == "ready"


async def test_a_repeated_upload_is_one_document(door: House) -> None:
    first, again = [await door.client.post(AT, json=PARKING, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert first.json() == again.json() and again.headers["idempotent-replayed"] == "true"
    assert len((await door.client.get(AT)).json()["data"]) == 1


async def test_changes_are_audited_without_the_text(door: House) -> None:
    made = await uploaded(door)
    events = (await door.client.get(f"/v1/tenants/barber_shop/audit-events?object_id={made['id']}")).text
    assert "createKnowledge" in events and "two hours" not in events


async def test_knowledge_is_its_tenants_own(door: House) -> None:
    made = await uploaded(door)
    assert refusal(await door.client.get(f"/v1/tenants/pizza_shop/knowledge/{made['id']}")) == (404, "knowledge_not_found")
    assert (await door.client.get("/v1/tenants/pizza_shop/knowledge")).json()["data"] == []
    assert refusal(await door.client.get("/v1/tenants/nobody_here/knowledge")) == (404, "tenant_not_found")
    assert refusal(await door.client.post("/v1/tenants/nobody_here/knowledge", json=PARKING)) == (404, "tenant_not_found")
    assert "two hours" not in prompt_text((await door.stores.tenants.for_call("pizza_shop")).config)


async def test_a_call_that_was_ordered_before_meets_new_knowledge_and_its_own_version(door: House) -> None:
    """Versions are pinned, knowledge is what it is when the call is connected."""
    first = await door.stores.tenants.for_call("barber_shop")
    await uploaded(door)
    then = await door.stores.tenants.for_call("barber_shop", first.version)
    assert then.version == first.version
    assert then.config.config_hash != first.config.config_hash, "the hash names all that the call begins with"
    assert "two hours" in prompt_text(then.config) and "two hours" not in prompt_text(first.config)


async def test_the_knowledge_goes_with_its_tenant(door: House) -> None:
    assert (await door.client.post("/v1/tenants", json={"id": "old_shop"})).status_code == 201
    for path in ("config/draft", "knowledge"):
        body: dict[str, Any] = {"system_prompt": "x"} if path == "config/draft" else PARKING
        await door.client.request("PUT" if path == "config/draft" else "POST", f"/v1/tenants/old_shop/{path}", json=body)
    await door.client.post("/v1/tenants/old_shop/config:publish")
    assert "two hours" in prompt_text((await door.stores.tenants.for_call("old_shop")).config)
    assert (await door.client.delete("/v1/tenants/old_shop")).status_code == 202
    assert refusal(await door.client.post("/v1/tenants/old_shop/knowledge", json={**PARKING, "name": "b"})) == (409, "tenant_state")
    await door.plane.jobs.run_open()
    left = await door.stores.documents.list("old_shop", "", limit=50)
    assert [one.key for one in left] == ["tenant"]


async def test_an_id_used_again_meets_nothing_of_the_tenant_before(door: House) -> None:
    """What was read is kept in memory for the tenant, not for the id."""

    async def open_shop(*texts: str) -> str:
        await door.client.post("/v1/tenants", json={"id": "twice"})
        await door.client.put("/v1/tenants/twice/config/draft", json={"system_prompt": "x"})
        await door.client.post("/v1/tenants/twice/config:publish")
        for number, text in enumerate(texts):
            await door.client.post("/v1/tenants/twice/knowledge", json={"name": f"k{number}", "text": text})
        return prompt_text((await door.stores.tenants.for_call("twice")).config)

    assert "Ours alone." in await open_shop("Ours alone.", "And this.")
    kept = await door.stores.documents.list("twice", "", limit=50)
    await door.stores.documents.write("twice", *(Delete(one.key) for one in kept))
    again = await open_shop("Quite another.")
    assert "Quite another." in again and "Ours alone." not in again


@pytest.mark.parametrize("text", ["\ud800", "a\u0000b"])
async def test_odd_characters_break_nothing(door: House, text: str) -> None:
    body = json.dumps({**PARKING, "text": text}).encode()
    answer = await door.client.post(AT, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (201, 422)
