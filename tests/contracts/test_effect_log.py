"""Every effect log: of two at once only one may act."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nexus.adapters.memory import MemoryEffectLog
from nexus.adapters.sqlite import Database, SqliteEffectLog
from nexus.ports.tools import Effect, EffectLog
from tests.aws import AWS, aws
from tests.fakes.stored import call_id


@pytest.fixture(params=["memory", "sqlite", *AWS])
def effects(request: pytest.FixtureRequest, tmp_path: Path) -> EffectLog:
    match request.param:
        case "memory":
            return MemoryEffectLog()
        case "sqlite":
            return SqliteEffectLog(Database(tmp_path / "nexus.sqlite"))
    return aws(request).effects


async def test_an_effect_is_new_then_pending_then_done(effects: EffectLog) -> None:
    assert await effects.begin("barber", call_id(1), "e", "book") == Effect("new")
    assert await effects.begin("barber", call_id(1), "e", "book") == Effect("pending")
    await effects.finish("barber", call_id(1), "e", output="booked ✓")
    assert await effects.begin("barber", call_id(1), "e", "book") == Effect("done", "booked ✓")


async def test_a_failed_outcome_is_remembered_as_failed(effects: EffectLog) -> None:
    await effects.begin("barber", call_id(1), "e", "book")
    await effects.finish("barber", call_id(1), "e", output="no", failed=True)
    assert await effects.begin("barber", call_id(1), "e", "book") == Effect("done", "no", failed=True)


async def test_of_many_at_once_one_sees_it_new(effects: EffectLog) -> None:
    seen = await asyncio.gather(*(effects.begin("barber", call_id(1), "e", "book") for _ in range(20)))
    assert sorted(one.state for one in seen) == ["new"] + ["pending"] * 19


async def test_a_forgotten_effect_may_be_tried_again(effects: EffectLog) -> None:
    await effects.begin("barber", call_id(1), "e", "book")
    await effects.forget("barber", call_id(1), "e")
    await effects.forget("barber", call_id(1), "never begun")
    assert await effects.begin("barber", call_id(1), "e", "book") == Effect("new")


async def test_calls_tenants_and_effects_are_apart(effects: EffectLog) -> None:
    await effects.begin("barber", call_id(1), "e", "book")
    for tenant, number, effect in (("pizza", 1, "e"), ("barber", 2, "e"), ("barber", 1, "f")):
        assert await effects.begin(tenant, call_id(number), effect, "book") == Effect("new")


async def test_an_outcome_without_a_beginning_is_kept(effects: EffectLog) -> None:
    await effects.finish("barber", call_id(1), "e", output="done")
    assert await effects.begin("barber", call_id(1), "e", "book") == Effect("done", "done")
