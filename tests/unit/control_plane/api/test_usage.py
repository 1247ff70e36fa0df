"""What a tenant used, at the door: counted when a call is finished, once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nexus.domain.session import TalkTime
from tests.fakes.control_plane import House

USAGE = "/v1/tenants/barber_shop/usage"
MONTH = {"from": "2026-11-01", "to": "2026-11-30"}


async def used(door: House, path: str = USAGE, **days: str) -> dict[str, Any]:
    answer = await door.client.get(path, params=days or MONTH)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_finished_calls_are_told_by_day_and_in_sum(door: House) -> None:
    await door.archived(0, talk_ms=TalkTime(caller=2000.0, agent=3000.0), slot_ms=61_000.0)
    await door.archived(1, test=True)
    await door.archived(60 * 24, slot_ms=10.0)
    told = await used(door)
    assert (told["object"], told["tenant_id"], told["first_day"], told["last_day"]) == ("usage", "barber_shop", "2026-11-01", "2026-11-30")
    assert [(day["date"], day["calls"], day["test_calls"]) for day in told["days"]] == [("2026-11-20", 2, 1), ("2026-11-21", 1, 0)]
    first, total = told["days"][0], told["total"]
    assert (first["call_ms"], first["call_minutes"], first["slot_ms"]) == (121_000.0, 2.02, 61_000.0)
    assert first["talk_ms"] == {"caller": 2000.0, "agent": 3000.0}
    assert (total["calls"], total["slot_ms"]) == (3, 61_010.0)


async def test_a_call_finished_again_and_again_counts_once(door: House) -> None:
    record = await door.archived(0)
    await asyncio.gather(*(door.plane.after_call.finish("barber_shop", record.id) for _ in range(4)))
    await door.plane.after_call.catch_up()
    assert (await used(door))["total"]["calls"] == 1


async def test_days_outside_and_other_tenants_are_left_out(door: House) -> None:
    await door.archived(0)
    assert (await used(door, **{"from": "2026-11-01", "to": "2026-11-19"}))["days"] == []
    assert (await used(door, "/v1/tenants/pizza_shop/usage"))["total"]["calls"] == 0


@pytest.mark.parametrize(
    "days",
    [{"from": "yesterday"}, {"from": "2026-11-30", "to": "2026-11-01"}, {"from": "2020-01-01", "to": "2026-01-01"}, {"from": "0001-01-01"}],
)
async def test_days_that_are_none_are_refused(door: House, days: dict[str, str]) -> None:
    answer = await door.client.get(USAGE, params=days)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_the_first_day_there_is_breaks_nothing(door: House) -> None:
    told = await used(door, to="0001-01-02")
    assert (told["first_day"], told["days"]) == ("0001-01-01", [])
