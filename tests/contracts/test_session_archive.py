"""Every session archive: immutable records, private transcripts that expire."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from nexus.adapters.files import FileSessionArchive
from nexus.adapters.memory import MemorySessionArchive
from nexus.errors import NotFound
from nexus.ports.sessions import SessionArchive
from tests.aws import AWS, aws
from tests.fakes.stored import NOON, call_id, private, record


@pytest.fixture(params=["memory", "files", *AWS])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> SessionArchive:
    match request.param:
        case "memory":
            return MemorySessionArchive()
        case "files":
            return FileSessionArchive(tmp_path)
    return aws(request).archive


async def test_both_parts_come_back_as_they_were(archive: SessionArchive) -> None:
    await archive.put(record(text="שלום [phone]"), private(text="שלום 050-1234567"))
    assert await archive.get("barber", call_id(1)) == record(text="שלום [phone]")
    assert await archive.get_private("barber", call_id(1)) == private(text="שלום 050-1234567")


async def test_the_same_call_again_changes_nothing(archive: SessionArchive) -> None:
    await archive.put(record(text="first"), private(text="first"))
    await archive.put(record(text="second"), private(text="second"))
    assert await archive.get("barber", call_id(1)) == record(text="first")
    assert await archive.get_private("barber", call_id(1)) == private(text="first")


async def test_an_expired_private_transcript_does_not_come_back_with_a_repeat(archive: SessionArchive) -> None:
    await archive.put(record(), private(days=1))
    await archive.delete_expired(NOON + timedelta(days=2))
    await archive.put(record(), private(days=1))
    assert await archive.get_private("barber", call_id(1)) is None


async def test_unknown_calls_and_other_tenants_find_nothing(archive: SessionArchive) -> None:
    await archive.put(record(), private())
    for tenant, number in (("barber", 2), ("pizza", 1)):
        with pytest.raises(NotFound) as refused:
            await archive.get(tenant, call_id(number))
        assert refused.value.code == "session_not_found"
        assert await archive.get_private(tenant, call_id(number)) is None


async def test_calls_are_listed_oldest_first_for_one_tenant(archive: SessionArchive) -> None:
    for number in (3, 1, 2):
        await archive.put(record(number), private(number))
    await archive.put(record(4, tenant_id="pizza"), private(4, tenant_id="pizza"))
    assert await archive.list_calls("barber") == (call_id(1), call_id(2), call_id(3))
    assert await archive.list_calls("nobody") == ()


async def test_only_what_has_expired_is_deleted_and_records_stay(archive: SessionArchive) -> None:
    await archive.put(record(1), private(1, days=1))
    await archive.put(record(2), private(2, days=30))
    assert await archive.delete_expired(NOON) == 0
    assert await archive.delete_expired(NOON + timedelta(days=1)) == 1
    assert await archive.get_private("barber", call_id(1)) is None
    assert await archive.get_private("barber", call_id(2)) == private(2, days=30)
    assert await archive.get("barber", call_id(1)) == record(1)
