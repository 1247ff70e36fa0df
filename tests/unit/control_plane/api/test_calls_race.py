"""Many who order calls at once at the HTTP door, over AWS in process and over the emulator."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from tests.aws import AWS, aws
from tests.fakes.control_plane import House, aws_stores, house
from tests.fakes.wall_clock import WallClock


@pytest.fixture(params=AWS)
async def door(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    built = house(aws_stores(aws(request)), clock=WallClock(datetime.now(UTC)))  # however long it takes, the process lives
    async with built.client:
        yield built


async def _shop(door: House) -> None:
    """A tenant with room for all, by its configuration over REST."""
    assert (await door.client.post("/v1/tenants", json={"id": "rush", "name": "Rush"})).status_code == 201
    draft = {"system_prompt": "You sell milk.", "limits": {"concurrent_calls": 500}}
    assert (await door.client.put("/v1/tenants/rush/config/draft", json=draft)).status_code == 200
    assert (await door.client.post("/v1/tenants/rush/config:publish")).status_code == 200


async def test_two_hundred_orders_at_once_on_ten_slots_make_ten_calls(door: House) -> None:
    await _shop(door)
    await door.engine_slots(10)

    async def order(number: int) -> tuple[int, str]:
        answer = await door.client.post("/v1/tenants/rush/calls", json={}, headers={"Idempotency-Key": f"k{number}"})
        assert answer.status_code == 201 or int(answer.headers["retry-after"]) > 0
        return answer.status_code, answer.json().get("code", answer.json()["id"] if answer.status_code == 201 else "")

    answers = await asyncio.gather(*(order(number) for number in range(200)))
    assert Counter(status for status, _ in answers) == {201: 10, 503: 190}
    assert {told for status, told in answers if status == 503} == {"no_engine_slot"}
    assert len({told for status, told in answers if status == 201}) == 10
