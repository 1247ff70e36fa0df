"""``:say`` and ``:inject``: left for the process that holds the call, bounded, and refused where nobody could hear."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.domain.call import EndReason, MediaProcess
from tests.fakes.control_plane import House

CALLS = "/v1/tenants/barber_shop/calls"


async def _ordered(door: House, **body: Any) -> str:
    answer = await door.client.post(CALLS, json={"channel": "websocket", **body}, headers={"Idempotency-Key": "one"})
    return str(answer.json()["id"])


async def _living(door: House) -> str:
    call_id = await _ordered(door)
    nonce = (await door.stores.ledger.get("barber_shop", call_id)).nonce
    await door.stores.ledger.redeem("barber_shop", call_id, nonce=nonce, process_id="media-1", now=door.clock.now())
    return call_id


async def _taken(door: House) -> list[tuple[str, str, str, str]]:
    process = MediaProcess(process_id="media-1", url="", engine="scripted", slots=2, seen_at=door.clock.now())
    orders = await door.stores.ledger.heartbeat(process)
    return [(line.order_id, line.kind, line.mode, line.text) for one in orders.lines for line in one.lines]


async def test_lines_reach_the_process_that_holds_the_call(door: House) -> None:
    call = f"{CALLS}/{await _living(door)}"
    said = await door.client.post(f"{call}:say", json={"text": "We are closing\nsoon. ", "mode": "now"})
    told = await door.client.post(f"{call}:inject", json={"text": "A regular."})
    assert (said.status_code, told.status_code) == (202, 202)
    assert (said.json()["object"], said.json()["kind"], said.json()["mode"]) == ("line", "say", "now")
    assert await _taken(door) == [
        (said.json()["id"], "say", "now", "We are closing soon."),
        (told.json()["id"], "inject", "next", "A regular."),
    ]
    assert await _taken(door) == []


async def test_a_key_sent_twice_orders_one_line(door: House) -> None:
    call = f"{CALLS}/{await _living(door)}"
    for _ in range(2):
        answer = await door.client.post(f"{call}:say", json={"text": "Hello."}, headers={"Idempotency-Key": "again"})
        assert answer.status_code == 202
    assert len(await _taken(door)) == 1


@pytest.mark.parametrize(
    "body", [{}, {"text": ""}, {"text": " \n\t"}, {"text": "x" * 1001}, {"text": "Hi", "mode": "soon"}, {"text": "Hi", "voice": "x"}]
)
async def test_what_cannot_be_said_is_refused(door: House, body: dict[str, Any]) -> None:
    answer = await door.client.post(f"{CALLS}/{await _living(door)}:say", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_only_a_connected_call_hears_and_eight_lines_wait_at_most(door: House) -> None:
    waiting = await _ordered(door)
    early = await door.client.post(f"{CALLS}/{waiting}:say", json={"text": "Hi"})
    assert (early.status_code, early.json()["code"]) == (409, "call_not_active")
    nonce = (await door.stores.ledger.get("barber_shop", waiting)).nonce
    await door.stores.ledger.redeem("barber_shop", waiting, nonce=nonce, process_id="media-1", now=door.clock.now())
    answers = [await door.client.post(f"{CALLS}/{waiting}:inject", json={"text": "Hi"}) for _ in range(9)]
    assert [answer.status_code for answer in answers] == [202] * 8 + [429]
    assert answers[-1].json()["code"] == "too_many_lines" and answers[-1].headers["retry-after"] == "2"
    await door.stores.ledger.release("barber_shop", waiting, EndReason.CALLER_HANGUP, door.clock.now())
    late = await door.client.post(f"{CALLS}/{waiting}:say", json={"text": "Hi"})
    assert late.json()["code"] == "call_not_active"


async def test_another_tenants_call_is_nobodys(door: House) -> None:
    call_id = await _living(door)
    for verb in ("say", "inject"):
        answer = await door.client.post(f"/v1/tenants/pizza_shop/calls/{call_id}:{verb}", json={"text": "Hi"})
        assert answer.status_code == 404
