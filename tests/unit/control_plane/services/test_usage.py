"""Every call counts once: repeated, raced, interrupted; and days add up."""

from __future__ import annotations

import asyncio
import zlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.services.usage import MARKS_KEPT, SHARDS, UsageBook, Used, used_by
from nexus.adapters.memory import MemoryDocumentStore
from nexus.domain.session import SessionRecord, TalkTime, ToolUse
from nexus.errors import Conflict, RequestRejected, Unavailable
from nexus.ports.documents import DocumentStore
from tests.fakes.control_plane import finished_call
from tests.fakes.faulty_documents import FaultyDocuments
from tests.fakes.wall_clock import WallClock

DAY = date(2026, 11, 20)


def call(at: int, **changes: Any) -> SessionRecord:
    tool = ToolUse(request_id="r", name="check_availability", turn=0)
    rich: dict[str, Any] = {"talk_ms": TalkTime(caller=2000.0, agent=3000.0), "tools": (tool, tool), "slot_ms": 61_000.0}
    return finished_call(at, **{**rich, **changes})


async def total(book: UsageBook, first: date = DAY, last: date = DAY) -> Used:
    return (await book.report("barber_shop", first, last)).total


async def test_a_call_counts_with_all_it_used(documents: DocumentStore, wall: WallClock) -> None:
    book = UsageBook(documents, wall)
    assert await book.count(call(0)) is True
    assert await book.count(call(1, test=True, status="failed")) is True
    assert await total(book) == Used(
        calls=2,
        test_calls=1,
        failed_calls=1,
        call_ms=121_000.0,
        caller_talk_ms=4000.0,
        agent_talk_ms=6000.0,
        tool_calls=4,
        slot_ms=122_000.0,
    )


async def test_finished_again_it_does_not_count_again(documents: DocumentStore, wall: WallClock) -> None:
    book = UsageBook(documents, wall)
    assert [await book.count(call(0)) for _ in range(3)] == [True, False, False]
    assert (await total(book)).calls == 1


async def test_calls_that_end_at_once_all_count_once(documents: DocumentStore, wall: WallClock) -> None:
    books = [UsageBook(documents, wall) for _ in range(3)]
    records = [call(at) for at in range(8)]
    counted = await asyncio.gather(*(book.count(record) for book in books for record in records), return_exceptions=True)
    for record, again in ((records[n % 8], n) for n, result in enumerate(counted) if isinstance(result, Conflict)):
        await books[again // 8].count(record)
    assert await total(books[0]) == sum_of(records)


def sum_of(records: list[SessionRecord]) -> Used:
    added = Used()
    for record in records:
        added = added.plus(used_by(record))
    return added


@given(deliveries=st.lists(st.integers(0, 5), max_size=25), failing=st.sets(st.integers(0, 24)))
@settings(max_examples=60, deadline=None)
def test_any_order_of_repeats_and_failures_gives_the_same_sum(deliveries: list[int], failing: set[int]) -> None:
    async def play() -> None:
        faulty = FaultyDocuments(MemoryDocumentStore())
        book = UsageBook(faulty, WallClock())
        seen = set()
        for n, at in enumerate(deliveries):
            if n in failing:
                faulty.failure = Unavailable("store_unavailable", "no")
                with pytest.raises(Unavailable):
                    await book.count(call(at))
                faulty.failure = None
            else:
                assert await book.count(call(at)) is (at not in seen)
                seen.add(at)
        assert await total(book) == sum_of([call(at) for at in sorted(seen)])

    asyncio.run(play())


async def test_another_that_writes_in_between_is_not_overwritten(documents: DocumentStore, wall: WallClock) -> None:
    faulty = FaultyDocuments(documents)
    mine, other = call(0), next(call(at) for at in range(1, 99) if same_shard(call(0), call(at)))
    faulty.before_write = lambda: UsageBook(documents, wall).count(other)
    assert await UsageBook(faulty, wall).count(mine)
    assert await total(UsageBook(documents, wall)) == sum_of([mine, other])


async def test_the_same_call_counted_in_between_counts_once(documents: DocumentStore, wall: WallClock) -> None:
    faulty = FaultyDocuments(documents)
    faulty.before_write = lambda: UsageBook(documents, wall).count(call(0))
    assert await UsageBook(faulty, wall).count(call(0)) is False
    assert (await total(UsageBook(documents, wall))).calls == 1


def same_shard(one: SessionRecord, other: SessionRecord) -> bool:
    return zlib.crc32(one.id.encode()) % SHARDS == zlib.crc32(other.id.encode()) % SHARDS


async def test_a_call_older_than_its_mark_could_be_is_never_counted(documents: DocumentStore, wall: WallClock) -> None:
    book = UsageBook(documents, wall)
    assert await book.count(call(0))
    wall.go(MARKS_KEPT.total_seconds() + 86400)
    assert await book.count(call(0)) is False
    assert (await total(book)).calls == 1


async def test_a_call_belongs_to_the_day_in_utc_on_which_it_was_connected(documents: DocumentStore, wall: WallClock) -> None:
    book = UsageBook(documents, wall)
    evening = datetime.fromisoformat("2026-11-20T23:30:00-05:00")
    await book.count(call(0, connected_at=evening))
    await book.count(call(1, connected_at=datetime(2026, 11, 19, 23, 59, tzinfo=UTC)))
    report = await book.report("barber_shop", date(2026, 11, 1), date(2026, 11, 30))
    assert [(day, used.calls) for day, used in report.days] == [(date(2026, 11, 19), 1), (date(2026, 11, 21), 1)]
    assert (await total(book, date(2026, 11, 20), date(2026, 11, 20))).calls == 0
    assert (await total(book, date(2026, 11, 21), date(2026, 11, 21))).calls == 1


async def test_a_whole_year_is_read(wall: WallClock) -> None:
    book = UsageBook(MemoryDocumentStore(wall.now), wall)
    first = date(2025, 11, 22)
    started = datetime(2025, 11, 22, 12, tzinfo=UTC)
    for day in range(365):
        await book.count(call(day * 1440, connected_at=started + timedelta(days=day)))
    report = await book.report("barber_shop", first, first + timedelta(days=364))
    assert len(report.days) == 365 and report.total.calls == 365


@pytest.mark.parametrize(("first", "last"), [(date(2026, 2, 1), date(2026, 1, 1)), (date(2025, 1, 1), date(2026, 11, 21))])
async def test_days_that_are_no_range_are_refused(documents: DocumentStore, wall: WallClock, first: date, last: date) -> None:
    with pytest.raises(RequestRejected, match="invalid_request"):
        await UsageBook(documents, wall).report("barber_shop", first, last)


async def test_another_tenant_sees_nothing(documents: DocumentStore, wall: WallClock) -> None:
    book = UsageBook(documents, wall)
    await book.count(call(0))
    assert (await book.report("pizza_shop", DAY, DAY)).days == ()
