"""Every tool store: a taken slot is refused, also when two want it at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.adapters.memory import MemoryToolStore
from nexus.adapters.sqlite import Database, SqliteToolStore
from nexus.errors import Conflict
from nexus.ports.tools import ToolStore
from nexus.tools import Stored
from tests.aws import AWS, aws


@pytest.fixture(params=["memory", "sqlite", *AWS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ToolStore:
    match request.param:
        case "memory":
            return MemoryToolStore()
        case "sqlite":
            return SqliteToolStore(Database(tmp_path / "nexus.sqlite"))
    return aws(request).tool_values


async def test_versions_grow_with_each_write(store: ToolStore) -> None:
    assert await store.put("barber", "k", {"a": 1}) == Stored("k", {"a": 1}, 1)
    assert await store.put("barber", "k", [2]) == Stored("k", [2], 2)
    assert await store.get("barber", "k") == Stored("k", [2], 2)


async def test_of_many_at_once_one_gets_the_slot(store: ToolStore) -> None:
    tries = (store.put("barber", "2026-11-22 10:00", number, new_only=True) for number in range(30))
    results = await asyncio.gather(*tries, return_exceptions=True)
    winners = [one for one in results if isinstance(one, Stored)]
    assert len(winners) == 1
    assert sum(isinstance(one, Conflict) for one in results) == 29
    assert await store.get("barber", "2026-11-22 10:00") == winners[0]


async def test_a_deleted_key_is_free_again(store: ToolStore) -> None:
    await store.put("barber", "k", 1, new_only=True)
    await store.delete("barber", "k")
    await store.delete("barber", "k")
    assert await store.get("barber", "k") is None
    await store.put("barber", "k", 2, new_only=True)


async def test_tenants_are_apart(store: ToolStore) -> None:
    await store.put("barber", "k", 1)
    assert await store.get("pizza", "k") is None
    assert await store.list("pizza", "") == ()
    await store.put("pizza", "k", 2, new_only=True)
    await store.delete("pizza", "k")
    assert await store.get("barber", "k") == Stored("k", 1, 1)


async def test_lists_by_prefix_in_key_order(store: ToolStore) -> None:
    for key in ("b/2", "a/1", "b/10", "b%", "B/1", "ב/1"):
        await store.put("barber", key, key)
    assert [one.key for one in await store.list("barber", "b/")] == ["b/10", "b/2"]
    assert [one.key for one in await store.list("barber", "ב")] == ["ב/1"]
    assert [one.key for one in await store.list("barber", "")] == ["B/1", "a/1", "b%", "b/10", "b/2", "ב/1"]


async def test_a_list_stops_at_a_thousand() -> None:
    store = MemoryToolStore()
    for number in range(1005):
        await store.put("barber", f"{number:05}", number)
    assert len(await store.list("barber", "")) == 1000


async def test_what_was_given_can_be_changed_without_changing_the_store(store: ToolStore) -> None:
    value = {"list": [1]}
    await store.put("barber", "k", value)
    value["list"].append(2)
    found = await store.get("barber", "k")
    assert found is not None
    assert found.value == {"list": [1]}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=json_values)
async def test_any_json_value_comes_back(store: ToolStore, value: object) -> None:
    await store.put("barber", "k", value)
    found = await store.get("barber", "k")
    assert found is not None
    assert found.value == value
