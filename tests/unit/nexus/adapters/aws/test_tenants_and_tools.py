"""Publications, tools' values and listings in DynamoDB."""

from __future__ import annotations

import asyncio

import pytest

from nexus.adapters.aws import AwsStores, keys
from nexus.adapters.aws.items import item
from nexus.adapters.aws.keys import TenantContext
from nexus.adapters.aws.table import Table
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError, Conflict, NotFound, RequestRejected
from nexus.ports import SessionFilter
from tests.fakes.stored import analysis, call_id, row

FIRST = TenantConfig(tenant_id="barber", system_prompt="first")


async def test_a_publication_names_the_version_it_replaces(moto_stores: AwsStores) -> None:
    tenants = moto_stores.tenants
    assert await tenants.publish(FIRST, expected=0) == 1
    second = FIRST.model_copy(update={"system_prompt": "second"})
    for wrong in (0, 2):
        with pytest.raises(Conflict):
            await tenants.publish(second, expected=wrong)
    assert await tenants.publish(second, expected=1) == 2
    assert (await tenants.version("barber"), await tenants.get("barber")) == (2, second)


async def test_of_many_publications_at_once_one_is_kept(emulator_stores: AwsStores) -> None:
    tenants = emulator_stores.tenants
    for expected in (0, 1):
        drafts = [FIRST.model_copy(update={"system_prompt": f"{expected}/{number}"}) for number in range(10)]
        results = await asyncio.gather(*(tenants.publish(draft, expected=expected) for draft in drafts), return_exceptions=True)
        assert [one for one in results if isinstance(one, int)] == [expected + 1]
        assert sum(isinstance(one, Conflict) for one in results) == 9
        assert (await tenants.get("barber")).system_prompt == drafts[results.index(expected + 1)].system_prompt


async def test_a_publication_that_loses_lists_no_tenant(moto_stores: AwsStores) -> None:
    with pytest.raises(Conflict):
        await moto_stores.tenants.publish(FIRST, expected=3)
    assert await moto_stores.tenants.list_ids() == ()
    with pytest.raises(NotFound):
        await moto_stores.tenants.version("barber")


async def test_a_configuration_that_this_release_cannot_read_tells_every_fault(moto_stores: AwsStores) -> None:
    table = Table(moto_stores.connection)
    await table.put(
        item(keys.config(TenantContext("barber")), version=1, body='{"tenant_id": "barber", "limits": {"concurrent_calls": 0}}')
    )
    with pytest.raises(ConfigurationError) as refused:
        await moto_stores.tenants.get("barber")
    assert refused.value.code == "invalid_config"
    assert [fault.split(":")[0] for fault in refused.value.faults] == ["system_prompt", "limits.concurrent_calls"]


@pytest.mark.parametrize("tenant_id", ["acme#SESSIONS", "../x", "ACME", "*"])
async def test_an_id_that_is_no_slug_reaches_no_store(moto_stores: AwsStores, tenant_id: str) -> None:
    wishes = (
        moto_stores.tenants.get(tenant_id),
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
