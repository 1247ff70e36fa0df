"""Documents, tools' values and listings in DynamoDB."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from nexus.adapters.aws import AwsStores, aws_stores
from nexus.domain.tenancy import PLATFORM
from nexus.errors import Conflict, RequestRejected
from nexus.ports.documents import Delete, Document, Put
from nexus.ports.sessions import SessionFilter
from tests.aws import items_of
from tests.fakes.aws_line import AwsLine
from tests.fakes.stored import analysis, call_id, row


async def test_a_document_that_came_back_between_reading_and_writing_is_another(lossy_stores: tuple[AwsStores, AwsLine]) -> None:
    stores, line = lossy_stores
    await stores.documents.write("barber", Put("k", {"n": 1}))

    async def others() -> None:
        own = aws_stores(replace(stores.connection.place, workers=1))
        await own.documents.write("barber", Delete("k"))
        await own.documents.write("barber", Put("k", {"n": 2}))
        own.close()

    line.before("TransactWriteItems", lambda: asyncio.run(others()))
    assert await stores.documents.write("barber", Put("k", {"n": 3}, expected=1)) == (2,)
    assert await stores.documents.get("barber", "k") == Document("k", {"n": 3}, 2)


async def test_a_lost_answer_is_no_conflict(lossy_stores: tuple[AwsStores, AwsLine]) -> None:
    stores, line = lossy_stores
    line.lose("PutItem")
    assert await stores.documents.write("barber", Put("k", {}, expected=0)) == (1,)
    for change in (Put("k", {"n": 1}, expected=1), Delete("k", expected=2)):
        line.lose("TransactWriteItems")
        await stores.documents.write("barber", change)
    assert await stores.documents.get("barber", "k") is None


async def test_one_that_has_expired_and_still_lies_there_makes_way_for_a_new_one(lossy_stores: tuple[AwsStores, AwsLine]) -> None:
    stores, _ = lossy_stores
    await stores.documents.write("barber", Put("k", {"n": 1}, expires_at=datetime(2020, 1, 1, tzinfo=UTC)))
    assert await stores.documents.write("barber", Put("k", {"n": 2}, expected=0)) == (1,)
    with pytest.raises(Conflict):
        await stores.documents.write("barber", Put("k", {"n": 3}, expected=0))
    assert await stores.documents.get("barber", "k") == Document("k", {"n": 2}, 1)


async def test_the_operators_documents_are_no_tenants(moto_stores: AwsStores) -> None:
    await moto_stores.documents.write(PLATFORM, Put("tenant/barber", {}))
    assert [one["sk"] for one in items_of(moto_stores, "FLEET#DOCUMENTS")] == ["tenant/barber"]


async def test_a_page_is_full_although_some_have_expired(moto_stores: AwsStores) -> None:
    gone = datetime(2020, 1, 1, tzinfo=UTC)
    for number in range(9):
        await moto_stores.documents.write("barber", Put(f"k/{number}", {}, expires_at=gone if number < 5 else None))
    found = await moto_stores.documents.list("barber", "k/", limit=3)
    assert [one.key for one in found] == ["k/5", "k/6", "k/7"]
    assert await moto_stores.documents.list("barber", "k/", limit=3, after="l") == ()


@pytest.mark.parametrize("tenant_id", ["acme#SESSIONS", "../x", "ACME", "*"])
async def test_an_id_that_is_no_slug_reaches_no_store(moto_stores: AwsStores, tenant_id: str) -> None:
    wishes = (
        moto_stores.tenants.get(tenant_id),
        moto_stores.documents.get(tenant_id, "k"),
        moto_stores.tool_values.get(tenant_id, "k"),
        moto_stores.tool_values.list(tenant_id, ""),
        moto_stores.sessions.list(tenant_id, SessionFilter(), limit=1),
        moto_stores.leads.list(tenant_id, limit=1),
        moto_stores.ledger.get(tenant_id, call_id(1)),
        moto_stores.archive.list_calls(tenant_id),
        moto_stores.effects.begin(tenant_id, call_id(1), "e", "book"),
    )
    for wish in wishes:
        with pytest.raises(RequestRejected):
            await wish


async def test_an_empty_key_and_a_deleted_value_are_as_any(moto_stores: AwsStores) -> None:
    tools = moto_stores.tool_values
    assert (await tools.put("barber", "", 1, new_only=True)).version == 1
    with pytest.raises(Conflict):
        await tools.put("barber", "", 2, new_only=True)
    await tools.delete("barber", "")
    assert (await tools.put("barber", "", 3)).version == 1


async def test_of_many_writings_at_once_each_has_a_version_of_its_own(emulator_stores: AwsStores) -> None:
    written = await asyncio.gather(*(emulator_stores.tool_values.put("barber", "k", number) for number in range(12)))
    assert sorted(one.version for one in written) == list(range(1, 13))


async def test_a_list_of_many_large_values_is_whole(emulator_stores: AwsStores) -> None:
    await asyncio.gather(*(emulator_stores.tool_values.put("barber", f"{number:03}", "x" * 60_000) for number in range(40)))
    found = await emulator_stores.tool_values.list("barber", "")
    assert [one.key for one in found] == [f"{number:03}" for number in range(40)]


async def test_a_row_that_changes_its_status_leaves_the_old_list(moto_stores: AwsStores) -> None:
    await moto_stores.sessions.put(row(1))
    await moto_stores.sessions.put(row(1, status="failed"))
    assert await moto_stores.sessions.list("barber", SessionFilter(status="completed"), limit=9) == ()
    assert await moto_stores.sessions.list("barber", SessionFilter(status="failed"), limit=9) == (row(1, status="failed"),)


async def test_an_index_is_paged_like_the_whole(moto_stores: AwsStores) -> None:
    for number in range(7):
        await moto_stores.sessions.put(row(number, status="failed" if number % 2 else "completed"))
        await moto_stores.leads.put(analysis(number, call_outcome="booked" if number % 2 else "none"))
    first = await moto_stores.sessions.list("barber", SessionFilter(status="failed"), limit=2)
    assert [one.call_id for one in first] == [call_id(5), call_id(3)]
    rest = await moto_stores.sessions.list("barber", SessionFilter(status="failed"), limit=2, before=call_id(3))
    assert [one.call_id for one in rest] == [call_id(1)]
    booked = await moto_stores.leads.list("barber", limit=2, before=call_id(5), outcome="booked")
    assert [one.call_id for one in booked] == [call_id(3), call_id(1)]


async def test_an_outcome_of_any_length_is_found_by_all_of_its_words(moto_stores: AwsStores) -> None:
    long, longer = "x" * 3000, "x" * 3001
    await moto_stores.leads.put(analysis(1, call_outcome=long))
    await moto_stores.leads.put(analysis(2, call_outcome=longer))
    assert [one.call_id for one in await moto_stores.leads.list("barber", limit=9, outcome=longer)] == [call_id(2)]


async def test_a_limit_of_nothing_is_nothing(moto_stores: AwsStores) -> None:
    await moto_stores.sessions.put(row(1))
    await moto_stores.leads.put(analysis(1))
    assert await moto_stores.sessions.list("barber", SessionFilter(), limit=0) == ()
    assert await moto_stores.leads.list("barber", limit=0) == ()
