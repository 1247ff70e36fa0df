"""Every document store: versions, conditions, one transaction or nothing, tenants apart, expiry."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nexus.adapters.memory import MemoryDocumentStore
from nexus.adapters.sqlite import Database, SqliteDocumentStore
from nexus.errors import Conflict
from nexus.ports.documents import Delete, Document, DocumentStore, Expect, Put
from tests.aws import AWS, aws

SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
GONE = SOON - timedelta(days=1)


@pytest.fixture(params=["memory", "sqlite", *AWS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> DocumentStore:
    match request.param:
        case "memory":
            return MemoryDocumentStore()
        case "sqlite":
            return SqliteDocumentStore(Database(tmp_path / "nexus.sqlite"))
    return aws(request).documents


async def test_versions_grow_and_bodies_come_back_as_they_were(store: DocumentStore) -> None:
    body = {"text": "ä \u0000", "number": 1.5, "big": 2**53, "none": None, "list": [1, {"a": True}]}
    assert await store.write("barber", Put("config/1", body)) == (1,)
    assert await store.get("barber", "config/1") == Document("config/1", body, 1)
    assert await store.write("barber", Put("config/1", {}, expires_at=SOON)) == (2,)
    assert await store.get("barber", "config/1") == Document("config/1", {}, 2, SOON)


async def test_expected_versions_hold(store: DocumentStore) -> None:
    await store.write("barber", Put("k", {"n": 1}, expected=0))
    for change in (Put("k", {}, expected=0), Put("k", {}, expected=2), Delete("k", expected=2), Delete("x", expected=1), Expect("k", 0)):
        with pytest.raises(Conflict):
            await store.write("barber", change)
    assert await store.write("barber", Expect("k", 1), Put("k2", {}, expected=0)) == (0, 1)
    assert await store.write("barber", Delete("k", expected=1), Delete("never")) == (0, 0)
    assert await store.get("barber", "k") is None


async def test_all_changes_or_none(store: DocumentStore) -> None:
    await store.write("barber", Put("a", {"n": 1}))
    with pytest.raises(Conflict):
        await store.write("barber", Put("new", {}), Delete("a"), Expect("missing", 3))
    assert await store.get("barber", "new") is None
    assert (await store.get("barber", "a")) == Document("a", {"n": 1}, 1)


async def test_of_many_writers_one_is_first(store: DocumentStore) -> None:
    await store.write("barber", Put("k", {"n": 0}))
    tries = [store.write("barber", Put("k", {"n": number}, expected=1), Put(f"by/{number}", {}, expected=0)) for number in range(20)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(result == (2, 1) for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 19
    assert len(await store.list("barber", "by/", limit=50)) == 1


async def test_lists_by_prefix_and_page(store: DocumentStore) -> None:
    for number in range(7):
        await store.write("barber", Put(f"key/{number}", {"n": number}))
    await store.write("barber", Put("keys/1", {}), Put("kex", {}))
    await store.write("barbers", Put("key/99", {}))

    async def keys(**page: object) -> list[str]:
        return [one.key for one in await store.list("barber", "key/", **page)]  # type: ignore[arg-type]

    assert await keys(limit=3) == ["key/0", "key/1", "key/2"]
    assert await keys(limit=3, after="key/2") == ["key/3", "key/4", "key/5"]
    assert await keys(limit=3, newest_first=True) == ["key/6", "key/5", "key/4"]
    assert await keys(limit=9, newest_first=True, after="key/4") == ["key/3", "key/2", "key/1", "key/0"]
    every = [one.key for one in await store.list("barber", "", limit=100)]
    assert every == ["kex", *(f"key/{number}" for number in range(7)), "keys/1"]


async def test_tenants_are_apart(store: DocumentStore) -> None:
    await store.write("barber", Put("k", {"whose": "barber"}))
    assert await store.get("barber2", "k") is None
    assert await store.list("barber2", "", limit=10) == ()
    await store.write("barber2", Put("k", {"whose": "2"}, expected=0), Delete("other"))
    await store.write("barber2", Delete("k"))
    assert await store.get("barber", "k") == Document("k", {"whose": "barber"}, 1)


async def test_what_has_expired_is_missing(store: DocumentStore) -> None:
    await store.write("barber", Put("k", {}, expires_at=GONE), Put("live", {}, expires_at=SOON))
    assert await store.get("barber", "k") is None
    assert [one.key for one in await store.list("barber", "", limit=10)] == ["live"]
    assert await store.write("barber", Expect("live", 1), Put("k", {"again": 1}, expected=0)) == (0, 1)


async def test_no_store_takes_two_changes_of_one_key_or_too_many(store: DocumentStore) -> None:
    for changes in ((), (Put("k", {}), Delete("k")), tuple(Put(f"k{number}", {}) for number in range(26))):
        with pytest.raises(ValueError, match="each of another key"):
            await store.write("barber", *changes)
