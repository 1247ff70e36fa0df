"""Secrets are written, listed by name, replaced and forgotten; nothing that lies on disk shows one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nexus.adapters.memory import MemoryDocumentStore
from nexus.adapters.seal import AesSeal
from nexus.adapters.sqlite import Database, SqliteDocumentStore
from nexus.adapters.tenant_secrets import MOST_SECRETS, SealedSecrets
from nexus.clock import Clock
from nexus.errors import NotFound, QuotaExceeded, StoreError
from nexus.ports.documents import DocumentStore, Put

STORES: dict[str, Callable[[Path], DocumentStore]] = {
    "memory": lambda folder: MemoryDocumentStore(),
    "sqlite": lambda folder: SqliteDocumentStore(Database(folder / "nexus.sqlite")),
}
VALUE = "sk-live-0123456789"


@pytest.fixture(params=sorted(STORES))
def documents(request: pytest.FixtureRequest, tmp_path: Path) -> DocumentStore:
    return STORES[request.param](tmp_path)


def secrets_over(documents: DocumentStore, key: bytes = b"k" * 32) -> SealedSecrets:
    return SealedSecrets(documents, AesSeal(key), Clock())


async def test_written_told_of_and_revealed(documents: DocumentStore) -> None:
    secrets = secrets_over(documents)
    note = await secrets.put("shop", "CRM_TOKEN", VALUE)
    assert (note.name, note.last4) == ("CRM_TOKEN", "6789")
    assert await secrets.list("shop") == (note,) and await secrets.list("other_shop") == ()
    assert await secrets.reveal("shop", ["CRM_TOKEN", "NONE"]) == {"CRM_TOKEN": VALUE}
    assert await secrets.reveal("other_shop", ["CRM_TOKEN"]) == {}


async def test_replaced_and_forgotten(documents: DocumentStore) -> None:
    secrets = secrets_over(documents)
    await secrets.put("shop", "A", VALUE)
    await secrets.put("shop", "B", "short-one")
    await secrets.put("shop", "A", VALUE + "-new")
    assert [(one.name, one.last4) for one in await secrets.list("shop")] == [("A", "-new"), ("B", "")]
    await secrets.delete("shop", "A")
    assert await secrets.reveal("shop", ["A", "B"]) == {"B": "short-one"}
    with pytest.raises(NotFound, match="secret_not_found"):
        await secrets.delete("shop", "A")


async def test_nothing_of_it_lies_in_the_clear(documents: DocumentStore, tmp_path: Path) -> None:
    await secrets_over(documents).put("shop", "A", VALUE)
    kept = json.dumps([dict(one.body) for one in await documents.list("shop", "", limit=10)])
    assert VALUE not in kept and VALUE[:8] not in kept
    assert all(VALUE.encode() not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


async def test_a_sealed_secret_cannot_stand_in_anothers_place(documents: DocumentStore) -> None:
    secrets = secrets_over(documents)
    await secrets.put("shop", "A", VALUE)
    found = await documents.get("shop", "secret/A")
    assert found is not None
    await documents.write("shop", Put("secret/B", found.body))
    await documents.write("thief", Put("secret/A", found.body))
    for tenant_id, name in (("shop", "B"), ("thief", "A")):
        with pytest.raises(StoreError):
            await secrets.reveal(tenant_id, [name])
    with pytest.raises(StoreError):
        await secrets_over(documents, b"x" * 32).reveal("shop", ["A"])


async def test_not_more_than_a_hundred() -> None:
    secrets = secrets_over(MemoryDocumentStore())
    for number in range(MOST_SECRETS):
        await secrets.put("shop", f"S{number}", VALUE)
    with pytest.raises(QuotaExceeded, match="too_many_secrets"):
        await secrets.put("shop", "ONE_MORE", VALUE)
    await secrets.put("shop", "S7", "another value")
