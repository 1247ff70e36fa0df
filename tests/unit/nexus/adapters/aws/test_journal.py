"""Journals in DynamoDB: long entries, several writers, a death in the middle."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from nexus.adapters.aws import AwsStores, aws_stores
from nexus.domain.journal import JournalEntry, TurnNoted
from nexus.errors import Unavailable
from tests.aws import items_of
from tests.fakes.aws_line import AwsLine
from tests.fakes.stored import call_id, mode_noted, turn_noted

Lossy = tuple[AwsStores, AwsLine]


def texts(entries: tuple[JournalEntry, ...]) -> list[str]:
    return [entry.turn.text for entry in entries if isinstance(entry, TurnNoted)]


async def test_an_entry_larger_than_an_item_comes_back_whole(emulator_stores: AwsStores) -> None:
    long = turn_noted(0, "שלום 👋 " * 40_000)
    entries = (mode_noted("a"), long, mode_noted("b"))
    await emulator_stores.journal.append(call_id(1), entries)
    assert len(items_of(emulator_stores, f"FLEET#JOURNAL#{call_id(1)}")) > 3
    assert await emulator_stores.journal.read(call_id(1)) == entries


async def test_a_process_that_takes_over_writes_on_where_the_other_stopped(moto_stores: AwsStores) -> None:
    await moto_stores.journal.append(call_id(1), (turn_noted(0, "a"),))
    heir = aws_stores(moto_stores.connection.place)
    await heir.journal.append(call_id(1), (turn_noted(1, "b"),))
    await moto_stores.journal.append(call_id(1), (turn_noted(2, "c"),))
    assert texts(await heir.journal.read(call_id(1))) == ["a", "b", "c"]
    heir.close()


async def test_of_several_writers_at_once_nobodys_entries_are_lost(emulator_stores: AwsStores) -> None:
    two = aws_stores(replace(emulator_stores.connection.place, workers=4))
    writers = [emulator_stores.journal, two.journal] * 4
    await asyncio.gather(*(one.append(call_id(1), (turn_noted(n, f"{n}"),)) for n, one in enumerate(writers)))
    assert sorted(texts(await two.journal.read(call_id(1)))) == [f"{n}" for n in range(8)]
    two.close()


async def test_a_line_torn_by_a_death_is_left_out_and_swallows_nothing(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    await stores.journal.append(call_id(1), (turn_noted(0, "a"),))

    def dies() -> None:  # the first part of two is written, then the network is gone
        line.before("PutItem", lambda: line.refuse("PutItem", 3))

    line.before("PutItem", dies)
    with pytest.raises(Unavailable):
        await stores.journal.append(call_id(1), (turn_noted(1, "x" * 100_000),))
    assert texts(await stores.journal.read(call_id(1))) == ["a"]
    await stores.journal.append(call_id(1), (turn_noted(2, "b"),))
    assert texts(await stores.journal.read(call_id(1))) == ["a", "b"]


async def test_a_journal_whose_discarding_was_stopped_is_found_again(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    await stores.journal.append(call_id(1), (turn_noted(0, "a"),))
    line.refuse("DeleteItem", 3)
    with pytest.raises(Unavailable):
        await stores.journal.discard(call_id(1))
    assert await stores.journal.open_calls() == (call_id(1),)
    await stores.journal.discard(call_id(1))
    assert await stores.journal.open_calls() == ()


async def test_a_discarded_journal_begins_anew(moto_stores: AwsStores) -> None:
    await moto_stores.journal.append(call_id(1), (turn_noted(0, "a"),))
    await moto_stores.journal.discard(call_id(1))
    await moto_stores.journal.append(call_id(1), (turn_noted(0, "b"),))
    assert texts(await moto_stores.journal.read(call_id(1))) == ["b"]
    assert await moto_stores.journal.open_calls() == (call_id(1),)


async def test_long_journals_are_discarded_whole(moto_stores: AwsStores) -> None:
    for number in range(30):
        await moto_stores.journal.append(call_id(1), (turn_noted(number, "a"),))
    await moto_stores.journal.discard(call_id(1))
    assert items_of(moto_stores, f"FLEET#JOURNAL#{call_id(1)}") == []


async def test_no_journal_outlives_its_week(moto_stores: AwsStores) -> None:
    await moto_stores.journal.append(call_id(1), (turn_noted(0, "a"),))
    for partition in ("FLEET#JOURNALS", f"FLEET#JOURNAL#{call_id(1)}"):
        assert all("expires_s" in one for one in items_of(moto_stores, partition))
