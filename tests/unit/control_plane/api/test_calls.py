"""Ordering calls at the HTTP door."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from nexus import tickets
from nexus.domain.call import EndReason
from nexus.errors import NotAuthorised
from tests.fakes.control_plane import PRIVATE_KEY, House

PATH = "/v1/tenants/barber_shop/calls"


async def order(door: House, key: str, body: dict[str, Any] | None = None, path: str = PATH) -> httpx.Response:
    return await door.client.post(path, json=body or {}, headers={"Idempotency-Key": key})


def ticket_of(answer: httpx.Response, door: House) -> tickets.Ticket:
    public = tickets.public_key_of(PRIVATE_KEY)
    told = answer.json()
    return tickets.check(told["websocket"]["ticket"], {tickets.key_id(public): public}, call_id=told["id"], now=door.clock.now())


async def redeem(door: House, answer: httpx.Response) -> None:
    nonce = ticket_of(answer, door).nonce
    told = answer.json()
    await door.stores.ledger.redeem(told["tenant_id"], told["id"], nonce=nonce, process_id="media-1", now=door.clock.now())


async def test_a_call_is_ordered_with_a_ticket_that_opens_it(door: House) -> None:
    answer = await order(door, "k1", {"caller": {"phone": "+49 (30) 5550-1234"}, "metadata": {"source": "web"}, "max_duration_s": 5000})
    told = answer.json()
    assert answer.status_code == 201, told
    assert answer.headers["location"] == f"{PATH}/{told['id']}"
    assert told["object"] == "call" and told["status"] == "ready" and told["engine"] == "scripted"
    assert told["websocket"]["url"] == f"ws://localhost:8000/v1/calls/{told['id']}"
    assert told["websocket"]["subprotocol"] == "nexus.v1" and told["websocket"]["single_use"] is True
    assert told["limits"] == {"concurrent_calls": {"used": 1, "max": 3}, "max_duration_s": 600}
    assert told["metadata"] == {"source": "web"}
    assert told["created_at"].endswith("Z") and len(told["created_at"]) == len("2026-11-21T09:00:00.000Z")
    ticket = ticket_of(answer, door)
    assert ticket.tenant_id == "barber_shop"
    assert told["websocket"]["expires_at"] == ticket.expires_at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    entry = await door.stores.ledger.get("barber_shop", told["id"])
    assert entry.order.caller.phone == "+493055501234"
    assert "5550" not in answer.text


async def test_the_key_is_required_and_the_answer_names_the_fix(door: House) -> None:
    answer = await door.client.post(PATH, json={})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_required")
    assert "Idempotency-Key" in answer.json()["detail"]


async def test_the_same_order_again_is_the_same_call_with_a_fresh_ticket(door: House) -> None:
    first, again = await order(door, "k1"), await order(door, "k1")
    assert first.json()["id"] == again.json()["id"]
    assert ticket_of(first, door).nonce != ticket_of(again, door).nonce
    other = await order(door, "k1", {"test": True})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_connected_call_gives_no_second_ticket(door: House) -> None:
    first = await order(door, "k1")
    await redeem(door, first)
    again = await order(door, "k1")
    assert (again.status_code, again.json()["code"]) == (409, "call_already_connected")


async def test_of_many_at_once_as_many_as_there_are_slots_succeed(door: House) -> None:
    answers = await asyncio.gather(*(order(door, f"k{number}") for number in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 503, 503, 503, 503]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.json()["code"] for answer in refused} == {"no_engine_slot"}
    assert all(int(answer.headers["retry-after"]) > 0 and answer.json()["retryable"] for answer in refused)


async def test_the_tenants_own_limit_is_told_apart(door: House) -> None:
    await door.engine_slots(50)
    answers = [await order(door, f"k{number}") for number in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert (answers[-1].json()["used"], answers[-1].json()["max"]) == (3, 3)
    assert answers[-1].json()["code"] == "tenant_concurrency_exceeded" and "retry-after" in answers[-1].headers
    assert (await order(door, "other", path="/v1/tenants/pizza_shop/calls")).status_code == 201


async def test_a_call_is_shown_to_its_own_tenant_only(door: House) -> None:
    call_id = (await order(door, "k1")).json()["id"]
    assert (await door.client.get(f"{PATH}/{call_id}")).json()["status"] == "ready"
    stranger = await door.client.get(f"/v1/tenants/pizza_shop/calls/{call_id}")
    assert (stranger.status_code, stranger.json()["code"]) == (404, "call_not_found")
    assert (await door.client.post(f"/v1/tenants/pizza_shop/calls/{call_id}:end")).status_code == 404


async def test_ending_is_an_order_that_the_media_process_sees(door: House) -> None:
    created = await order(door, "k1")
    await redeem(door, created)
    call_id = created.json()["id"]
    for _ in range(2):
        answer = await door.client.post(f"{PATH}/{call_id}:end")
        assert (answer.status_code, answer.json()["status"], answer.json()["end_requested"]) == (202, "active", True)
    await door.stores.ledger.release("barber_shop", call_id, EndReason.TENANT_ENDED, door.clock.now())
    told = (await door.client.get(f"{PATH}/{call_id}")).json()
    assert (told["status"], told["end_reason"]) == ("completed", "tenant_ended")


async def test_a_call_that_nobody_has_connected_to_ends_at_once_and_leaves_room(door: House) -> None:
    for number in range(4):  # twice as many as there are slots
        created = await order(door, f"k{number}")
        assert created.status_code == 201, created.json()
        assert created.json()["limits"]["concurrent_calls"]["used"] == 1
        address = f"{PATH}/{created.json()['id']}"
        told = [await door.client.post(f"{address}:end") for _ in range(2)]
        assert [answer.status_code for answer in told] == [202, 202]
        shown = (await door.client.get(address)).json()
        assert (shown["status"], shown["end_reason"], shown["end_requested"]) == ("completed", "tenant_ended", True)
        assert [answer.json() for answer in told] == [shown, shown]
        with pytest.raises(NotAuthorised, match="is over"):
            await redeem(door, created)
    again = await order(door, "k0")
    assert (again.status_code, again.json()["code"]) == (409, "call_already_connected")
    assert "is over" in again.json()["detail"]


async def test_a_call_may_be_ordered_without_recording_and_none_with_more_than_its_tenant_allows(door: House) -> None:
    calls = "/v1/tenants/barber_shop/calls"
    made = await door.client.post(calls, json={"recording": "off"}, headers={"Idempotency-Key": "quiet"})
    usual = await door.client.post(calls, json={}, headers={"Idempotency-Key": "usual"})
    orders = [(await door.stores.ledger.get("barber_shop", one.json()["id"])).order for one in (made, usual)]
    assert [order.recording for order in orders] == ["off", "inherit"]
    refused = await door.client.post(calls, json={"recording": "on"}, headers={"Idempotency-Key": "loud"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/recording")
    again = await door.client.post(calls, json={}, headers={"Idempotency-Key": "quiet"})
    assert again.json()["code"] == "idempotency_key_reused"
