"""Every analytics sink: a call is one row, its newest reading; tenants apart; Parquet that others can read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from control_plane.ports import AnalyticsSink
from local.query.wiring import ask_athena
from nexus.adapters.aws.bucket import Bucket
from nexus.adapters.aws.connection import AwsPlace, Connection
from nexus.adapters.aws.firehose import FirehoseAnalyticsSink
from nexus.adapters.memory import MemoryAnalyticsSink
from nexus.adapters.parquet import COLUMNS, ParquetAnalyticsSink
from nexus.domain.analytics import AnalyticsRow, analytics_row
from nexus.errors import Unavailable
from tests.emulator import REGION
from tests.fakes.stored import analysis, record
from tests.lake import Lake

Rows = Callable[[int], Awaitable[list[tuple[str, str, int, str]]]]
"""What a query of all tenants finds, once so many rows that were handed over have become readable."""
_NEWEST = """
SELECT tenant_id, call_id, reading, outcome FROM (
    SELECT *, row_number() OVER (PARTITION BY call_id ORDER BY reading DESC) AS place FROM sessions_all
) WHERE place = 1 ORDER BY 1, 2
"""


@pytest.fixture(params=["memory", "parquet", "firehose"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[AnalyticsSink, Rows]]:
    if request.param == "memory":
        memory = MemoryAnalyticsSink()

        async def kept(_: int) -> list[tuple[str, str, int, str]]:
            return sorted((one.tenant_id, one.call_id, one.reading, one.outcome) for one in memory.rows.values())

        yield memory, kept
    elif request.param == "parquet":
        folder = tmp_path / "data's" / "sessions"

        async def written(_: int) -> list[tuple[str, str, int, str]]:
            return sorted(query(folder, "tenant_id, call_id, reading, outcome"))

        yield ParquetAnalyticsSink(folder), written
    else:
        lake: Lake = request.getfixturevalue("lake")
        connection = Connection(AwsPlace(table="", bucket=lake.bucket, region=REGION, endpoint_url=lake.url))

        async def delivered(files: int) -> list[tuple[str, str, int, str]]:
            await lake.settled(files)
            return [*(await ask_athena(_NEWEST, lake.workgroup())).rows]

        yield FirehoseAnalyticsSink(connection, lake.stream, Bucket(connection)), delivered
        connection.close()


def query(folder: Path, what: str) -> list[tuple[Any, ...]]:
    if not any(folder.rglob("*.parquet")):
        return []
    files = str(folder / "*" / "*" / "*.parquet").replace("'", "''")
    return duckdb.execute(f"SELECT {what} FROM read_parquet('{files}', hive_partitioning = true)").fetchall()  # noqa: S608 (our own words)


def row(number: int = 1, tenant_id: str = "barber", *, reading: int = 1, outcome: str = "booking_made") -> AnalyticsRow:
    read = analysis(number, tenant_id=tenant_id, call_outcome=outcome).model_copy(update={"reading": reading})
    return analytics_row(record(number, tenant_id=tenant_id), read)


async def test_a_call_is_one_row_and_its_newest_reading(sink: tuple[AnalyticsSink, Rows]) -> None:
    puts, rows = sink
    for _ in range(2):
        await puts.put(row())
    await puts.put(row(2, "pizza"))
    await puts.put(row(reading=2, outcome="abandoned"))
    assert await rows(4) == [("barber", row().call_id, 2, "abandoned"), ("pizza", row(2).call_id, 1, "booking_made")]


async def test_a_tenant_is_forgotten_and_the_others_stay(sink: tuple[AnalyticsSink, Rows]) -> None:
    puts, rows = sink
    await puts.put(row())
    await puts.put(row(2, "barber2"))
    assert len(await rows(2)) == 2
    while not await puts.erase_tenant("barber"):
        pass  # rows were still on their way
    assert await puts.erase_tenant("barber")
    assert [one[0] for one in await rows(1)] == ["barber2"]


async def test_the_file_holds_every_column_with_its_type(tmp_path: Path) -> None:
    put = row()
    await ParquetAnalyticsSink(tmp_path).put(put)
    (path,) = tmp_path.rglob("*.parquet")
    assert path.relative_to(tmp_path).parts[:2] == ("tenant_id=barber", "dt=2026-11-21")
    described = duckdb.execute(f"DESCRIBE SELECT * FROM read_parquet('{path}', hive_partitioning = false)").fetchall()  # noqa: S608
    assert {name: kind for name, kind, *_ in described} == {
        name: kind.replace("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE") for name, kind in COLUMNS.items()
    }
    assert (COLUMNS["ended_at"], COLUMNS["duration_ms"], COLUMNS["test"], COLUMNS["dt"]) == ("TIMESTAMPTZ", "DOUBLE", "BOOLEAN", "DATE")
    ((duration_ms, first_audio, ended_ms),) = query(tmp_path, "duration_ms, first_audio_at, epoch_ms(ended_at)")
    assert (duration_ms, first_audio, ended_ms) == (60_000.0, None, int(put.ended_at.timestamp() * 1000))


async def test_a_disk_that_refuses_is_told_as_a_fault_that_may_pass(tmp_path: Path) -> None:
    (tmp_path / "sessions").write_text("a file where the folder should be")
    with pytest.raises(Unavailable):
        await ParquetAnalyticsSink(tmp_path / "sessions").put(row())
