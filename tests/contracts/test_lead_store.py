"""Every lead store: one analysis a call, replaced by a newer reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.adapters.memory import MemoryLeadStore
from nexus.adapters.sqlite import Database, SqliteLeadStore
from nexus.ports.sessions import LeadStore
from tests.aws import AWS, aws
from tests.fakes.stored import analysis, call_id


@pytest.fixture(params=["memory", "sqlite", *AWS])
def leads(request: pytest.FixtureRequest, tmp_path: Path) -> LeadStore:
    match request.param:
        case "memory":
            return MemoryLeadStore()
        case "sqlite":
            return SqliteLeadStore(Database(tmp_path / "nexus.sqlite"))
    return aws(request).leads


async def test_an_analysis_comes_back(leads: LeadStore) -> None:
    one = analysis(customer_name="דנה", key_topics=("haircut", "price"), follow_up_required=True)
    await leads.put(one)
    assert await leads.get("barber", call_id(1)) == one


async def test_a_newer_reading_replaces_the_older(leads: LeadStore) -> None:
    await leads.put(analysis(call_outcome="unknown"))
    await leads.put(analysis(call_outcome="booked"))
    assert await leads.list("barber", limit=10) == (analysis(call_outcome="booked"),)
    assert await leads.list("barber", limit=10, outcome="unknown") == ()


async def test_unknown_calls_and_other_tenants_find_nothing(leads: LeadStore) -> None:
    await leads.put(analysis())
    assert await leads.get("pizza", call_id(1)) is None
    assert await leads.get("barber", call_id(2)) is None
    assert await leads.list("pizza", limit=10) == ()


async def test_lists_are_newest_first_and_paged(leads: LeadStore) -> None:
    for number in (2, 1, 3):
        await leads.put(analysis(number))
    first = await leads.list("barber", limit=2)
    assert [one.call_id for one in first] == [call_id(3), call_id(2)]
    assert await leads.list("barber", limit=2, before=first[-1].call_id) == (analysis(1),)


async def test_filters(leads: LeadStore) -> None:
    await leads.put(analysis(1, call_outcome="booked"))
    await leads.put(analysis(2, call_outcome="booked", follow_up_required=True))
    await leads.put(analysis(3, call_outcome="complaint", follow_up_required=True))
    assert [one.call_id for one in await leads.list("barber", limit=9, outcome="booked")] == [call_id(2), call_id(1)]
    assert [one.call_id for one in await leads.list("barber", limit=9, follow_up=True)] == [call_id(3), call_id(2)]
    assert [one.call_id for one in await leads.list("barber", limit=9, follow_up=False)] == [call_id(1)]
    assert [one.call_id for one in await leads.list("barber", limit=9, outcome="booked", follow_up=True)] == [call_id(2)]
