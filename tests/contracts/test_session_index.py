"""Every session index: newest first, filtered, page by page."""

from __future__ import annotations

from datetime import timedelta, timezone
from pathlib import Path

import pytest

from nexus.adapters.memory import MemorySessionIndex
from nexus.adapters.sqlite import Database, SqliteSessionIndex
from nexus.domain.call import EndReason
from nexus.ports.sessions import SessionFilter, SessionIndex
from tests.aws import AWS, aws
from tests.fakes.stored import NOON, call_id, row

ANY = SessionFilter()


@pytest.fixture(params=["memory", "sqlite", *AWS])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> SessionIndex:
    match request.param:
        case "memory":
            return MemorySessionIndex()
        case "sqlite":
            return SqliteSessionIndex(Database(tmp_path / "nexus.sqlite"))
    return aws(request).sessions


async def test_rows_come_back_newest_first_whatever_the_order_of_writing(index: SessionIndex) -> None:
    for number in (2, 3, 1):
        await index.put(row(number))
    assert await index.list("barber", ANY, limit=10) == (row(3), row(2), row(1))


async def test_a_second_writing_replaces_the_row(index: SessionIndex) -> None:
    await index.put(row(1))
    await index.put(row(1, outcome="booked"))
    assert await index.list("barber", ANY, limit=10) == (row(1, outcome="booked"),)


async def test_pages_follow_each_other_without_gap_or_repeat(index: SessionIndex) -> None:
    for number in range(7):
        await index.put(row(number, test=number % 2 == 0))
    seen: list[str] = []
    before = ""
    while page := await index.list("barber", ANY, limit=3, before=before):
        seen += [one.call_id for one in page]
        before = seen[-1]
    assert seen == [call_id(number) for number in range(6, -1, -1)]


async def test_tenants_do_not_see_each_other(index: SessionIndex) -> None:
    await index.put(row(1))
    assert await index.list("pizza", ANY, limit=10) == ()
    assert await index.has("barber", call_id(1))
    assert not await index.has("pizza", call_id(1))


TOKYO = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        (SessionFilter(status="failed"), [3]),
        (SessionFilter(end_reason=EndReason.ENGINE_LOST), [3]),
        (SessionFilter(outcome="booked"), [1]),
        (SessionFilter(started_from=NOON + timedelta(minutes=2)), [3, 2]),
        (SessionFilter(started_before=NOON + timedelta(minutes=2)), [1]),
        (SessionFilter(started_from=(NOON + timedelta(minutes=2)).astimezone(TOKYO)), [3, 2]),
        (SessionFilter(min_duration_ms=60_000.5), [2]),
        (SessionFilter(below_duration_ms=90_000.0), [3, 1]),
        (SessionFilter(min_duration_ms=60_000.0, below_duration_ms=90_000.0), [3, 1]),
        (SessionFilter(config_version=4), [2]),
        (SessionFilter(config_version=0), [3]),
        (SessionFilter(test=True), [1]),
        (SessionFilter(test=False, config_version=4, status="completed", min_duration_ms=1.0), [2]),
        (SessionFilter(metadata=(("campaign", "spring"),)), [2, 1]),
        (SessionFilter(metadata=(("campaign", "spring"), ("a.b'\"c", "ü%_"))), [2]),
        (SessionFilter(metadata=(("campaign", "autumn"),)), []),
        (SessionFilter(status="completed", metadata=(("campaign", "spring"),), outcome="booked"), [1]),
    ],
)
async def test_filters(index: SessionIndex, where: SessionFilter, numbers: list[int]) -> None:
    await index.put(row(1, outcome="booked", test=True, metadata={"campaign": "spring"}))
    await index.put(row(2, duration_ms=90_000.0, config_version=4, metadata={"campaign": "spring", "a.b'\"c": "ü%_"}))
    await index.put(row(3, status="failed", end_reason=EndReason.ENGINE_LOST, config_version=0))
    found = await index.list("barber", where, limit=10)
    assert [one.call_id for one in found] == [call_id(number) for number in numbers]


async def test_a_filtered_page_is_full_when_enough_rows_fit(index: SessionIndex) -> None:
    for number in range(20):
        await index.put(row(number, outcome="booked" if number % 5 == 0 else ""))
    found = await index.list("barber", SessionFilter(outcome="booked"), limit=3)
    assert [one.call_id for one in found] == [call_id(15), call_id(10), call_id(5)]


async def test_a_time_of_another_zone_is_kept_as_the_same_moment(index: SessionIndex) -> None:
    await index.put(row(1, started_at=(NOON + timedelta(hours=1)).astimezone(TOKYO)))
    assert await index.list("barber", SessionFilter(started_before=NOON + timedelta(minutes=59)), limit=1) == ()
    assert len(await index.list("barber", SessionFilter(started_from=NOON + timedelta(minutes=59)), limit=1)) == 1
