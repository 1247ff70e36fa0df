"""Tenants, sessions, leads and conversations at the HTTP door."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.domain.call import EndReason
from nexus.errors import UpstreamError
from tests.fakes.control_plane import FAULTS, House, finished_call, private_of

TENANT = "/v1/tenants/barber_shop"


async def test_tenants_are_listed_and_the_broken_one_hides_no_other(door: House) -> None:
    data = (await door.client.get("/v1/tenants")).json()["data"]
    assert [(row["id"], row["status"]) for row in data] == [("barber_shop", "active"), ("broken_shop", "broken"), ("pizza_shop", "active")]
    assert tuple(data[1]["faults"]) == FAULTS


async def test_no_secret_of_a_tenant_is_shown(door: House) -> None:
    answer = await door.client.get(TENANT)
    assert answer.json()["name"] == "Clip & Comb" and answer.json()["limits"]["concurrent_calls"] == 3
    assert "SECRET" not in answer.text


async def test_pages_join_to_the_whole_list_newest_first(door: House) -> None:
    records = [await door.archived(at) for at in range(5)]
    await door.archived(1, "pizza_shop")
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await door.client.get(f"{TENANT}/sessions", params={"limit": 2, "cursor": cursor})).json()
        seen += [row["id"] for row in page["data"]]
        cursor = page["next_cursor"] or ""
        assert page["has_more"] == bool(cursor)
        if not cursor:
            break
    assert seen == [record.id for record in reversed(records)]


async def test_a_cursor_is_bound_to_list_tenant_and_filter(door: House) -> None:
    for at in range(3):
        await door.archived(at)
    cursor = (await door.client.get(f"{TENANT}/sessions?limit=1")).json()["next_cursor"]
    filters = ("status=completed", "config_version=0", "test=false", "duration_ms[gte]=0", "duration_ms[lt]=99999999", "outcome=booked")
    filtered = [f"{TENANT}/sessions?limit=1&{one}" for one in filters]
    for path in ("/v1/tenants/pizza_shop/sessions?limit=1", f"{TENANT}/leads?limit=1", *filtered):
        answer = await door.client.get(f"{path}&cursor={cursor}")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "failed"}, [2]),
        ({"end_reason": "engine_lost"}, [2]),
        ({"outcome": "booked"}, [2, 1, 0]),
        ({"outcome": "lost"}, []),
        ({"started_at[gte]": "2026-11-20T09:01:00Z"}, [2, 1]),
        ({"started_at[gte]": "2026-11-20T10:01:00+01:00"}, [2, 1]),
        ({"started_at[lt]": "2026-11-20T09:01:00"}, [0]),
        ({"duration_ms[gte]": "61000"}, [2, 1]),
        ({"duration_ms[lt]": "61000"}, [0]),
        ({"duration_ms[gte]": "61000", "duration_ms[lt]": "62000"}, [1]),
        ({"config_version": "3"}, [1]),
        ({"config_version": "0"}, [2, 0]),
        ({"config_version": "0", "status": "failed", "test": "true"}, [2]),
        ({"test": "false"}, [1, 0]),
        ({"metadata[shop]": "north"}, [1]),
        ({"metadata[shop]": "south"}, []),
    ],
)
async def test_filters(door: House, query: dict[str, str], found: list[int]) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"metadata": {"shop": "north"}, "config_version": 3},
        {"status": "failed", "end_reason": EndReason.ENGINE_LOST, "test": True},
    ]
    records = [await door.archived(at, **changes[at]) for at in range(3)]
    data = (await door.client.get(f"{TENANT}/sessions", params=query)).json()["data"]
    assert [row["id"] for row in data] == [records[at].id for at in found]


async def test_a_session_is_the_record_joined_with_its_analysis(door: House) -> None:
    record = await door.archived(0)
    told = (await door.client.get(f"{TENANT}/sessions/{record.id}")).json()
    assert told["session_id"] == told["id"] == record.id
    assert told["meta"]["status"] == "COMPLETED" and told["meta"]["start_time"] == "2026-11-20T09:00:00.123Z"
    assert told["summary"] == {"intent": "booking", "outcome": "booked"}
    assert told["intelligence"]["customer_name"] == "Dana"
    assert told["analysis"]["status"] == "done" and told["analysis"]["model"] == "told"
    assert told["transcript"] == [
        {"timestamp": "2026-11-20T09:00:00.123Z", "role": "user", "type": "text", "content": "A haircut, call me at [phone]."}
    ]
    assert told["error"] is None
    transcript = (await door.client.get(f"{TENANT}/sessions/{record.id}/transcript")).json()
    assert transcript["events"] == told["transcript"] and transcript["turns"][0]["role"] == "caller"
    assert (await door.client.get(f"/v1/tenants/pizza_shop/sessions/{record.id}")).status_code == 404


async def test_a_session_without_analysis_is_shown_as_it_is(door: House) -> None:
    record = finished_call(0)
    await door.stores.archive.put(record, private_of(record))
    told = (await door.client.get(f"{TENANT}/sessions/{record.id}")).json()
    assert told["intelligence"] is None and told["analysis"] is None and told["summary"] == {"intent": "Unknown", "outcome": "Unknown"}


async def test_a_failing_model_leaves_a_fallback_lead(door: House) -> None:
    door.model.failure = UpstreamError("model_failed", "The model is away.")
    record = await door.archived(0)
    lead = (await door.client.get(f"{TENANT}/leads")).json()["data"][0]
    assert (lead["status"], lead["error"], lead["session_id"]) == ("fallback", "model_failed", record.id)
    assert lead["lead"]["customer_phone"] == "+493055501234" and lead["lead"]["follow_up_required"]
    assert (await door.client.get(f"{TENANT}/leads/{lead['id']}")).json() == lead
    assert (await door.client.get(f"/v1/tenants/pizza_shop/leads/{lead['id']}")).status_code == 404
    assert (await door.client.get(f"{TENANT}/sessions/{record.id}")).status_code == 200
    assert (await door.client.get(f"{TENANT}/leads?follow_up_required=false")).json()["data"] == []


async def test_a_text_conversation_as_the_original_began_it(door: House) -> None:
    answer = await door.client.post("/init-session", json={"tenant_id": "barber_shop", "customer_phone": "+972501234567"})
    begun = answer.json()
    assert begun["status"] == "success" and begun["active_tools"] == ["check_availability"]
    assert begun["request_id"] == answer.headers["x-request-id"]
    path = f"{TENANT}/conversations/{begun['session_id']}"
    said = (await door.client.post(f"{path}/messages", json={"text": "Tomorrow at ten?"})).json()
    assert said["reply"] == "You said: Tomorrow at ten?"
    assert [(tool["name"], tool["status"], tool["output"]) for tool in said["tools"]] == [("check_availability", "done", "10:00")]
    stranger = path.replace("barber_shop", "pizza_shop")
    assert (await door.client.post(f"{stranger}/messages", json={"text": "hi"})).json()["code"] == "conversation_not_found"
    assert (await door.client.post(f"{path}:end")).status_code == 204
    assert (await door.client.post(f"{path}/messages", json={"text": "hi"})).status_code == 404
    assert door.conversations.phones == ["+972501234567"]
