"""The files of this machine: Athena's shapes, and nothing but the files of the tenants that were named."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.query.lake import LocalLake
from local.query.statement import Question, question
from nexus.adapters.parquet import ParquetAnalyticsSink
from nexus.errors import NexusError, NotFound, RequestRejected
from tests.fakes.finished_calls import finished_calls


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("it's") / "sessions"

    async def write() -> None:
        for row in finished_calls():
            await ParquetAnalyticsSink(made).put(row)

    asyncio.run(write())
    return made


def ask(folder: Path, text: str) -> list[tuple[object, ...]]:
    return [*LocalLake(folder).ask(question(text, {})).rows]


def test_times_are_utc_without_a_zone_and_days_are_text(folder: Path) -> None:
    ((connected_at, dt, first_audio_at),) = ask(
        folder, "SELECT connected_at, dt, first_audio_at FROM sessions WHERE tenant_id = 'acme2' ORDER BY 1 LIMIT 1"
    )
    assert (connected_at, dt, first_audio_at) == (datetime(2026, 11, 19, 8, 15, 30, 250_000), "2026-11-19", None)


def test_a_tenant_sees_its_own_rows_whatever_is_asked(folder: Path) -> None:
    assert ask(folder, "SELECT DISTINCT tenant_id FROM sessions WHERE tenant_id = 'acme'") == [("acme",)]
    assert ask(folder, "SELECT count(*) FROM sessions_all") == [(15,)]


def test_athenas_functions_are_understood(folder: Path) -> None:
    text = """
    SELECT approx_distinct(call_id), date_diff('second', connected_at, ended_at) >= 0, json_extract_scalar('{"a": "b"}', '$.a'),
           date_format(connected_at, '%Y-%m'), approx_percentile(duration_ms, 0.5)
    FROM sessions WHERE tenant_id = 'acme2' GROUP BY 2, 3, 4 ORDER BY 1 LIMIT 1
    """
    assert ask(folder, text) == [(2, True, "b", "2026-11", 62_000.0)]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM folder",
        "SELECT (SELECT count(*) FROM read_text('/etc/passwd')) FROM sessions WHERE tenant_id = 'acme'",
    ],
)
def test_there_are_two_tables_and_no_other(folder: Path, text: str) -> None:
    with pytest.raises(RequestRejected, match="The tables here are sessions and sessions_all"):
        ask(folder, text)


def test_behind_the_tables_the_database_itself_reads_nothing_else(folder: Path) -> None:
    """As if the check of tables were not there: the name that it would refuse is told as one that it knows."""
    other = next((folder / "tenant_id=acme2").rglob("*.parquet"))
    inside = folder / "tenant_id=acme" / ".." / "tenant_id=acme2" / "*" / "*.parquet"
    for path in (str(other), str(inside), "/etc/passwd"):
        quoted = path.replace("'", "''")
        for reader in ("read_parquet", "read_text", "read_csv"):
            text = f"SELECT * FROM sessions, {reader}('{quoted}') WHERE sessions.tenant_id = 'acme'"  # noqa: S608
            with pytest.raises(RequestRejected, match="file system operations are disabled"):
                LocalLake(folder).ask(Question(text, frozenset({"sessions"}), frozenset({"acme"})))


def test_what_the_database_says_is_told(folder: Path) -> None:
    with pytest.raises(RequestRejected, match=r'DuckDB cannot answer that: .*"bogus"'):
        ask(folder, "SELECT bogus FROM sessions WHERE tenant_id = 'acme'")


def test_nothing_written_yet_is_told_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"tenant_id=acme yet"):
        ask(tmp_path, "SELECT * FROM sessions WHERE tenant_id = 'acme'")
    with pytest.raises(NexusError, match="DATA_DIR"):
        ask(tmp_path, "SELECT * FROM sessions_all")


def test_json_and_csv_say_what_a_table_shows(folder: Path) -> None:
    answer = LocalLake(folder).ask(
        question(
            "SELECT dt, 1.5 AS half, CAST(NULL AS double) AS none, ended_at FROM sessions WHERE tenant_id = 'acme2' ORDER BY dt LIMIT 1", {}
        )
    )
    moment = datetime(2026, 11, 19, 8, 16, 32, 250_000, UTC).replace(tzinfo=None).isoformat(sep=" ")
    assert json.loads(answer.as_json()) == [{"dt": "2026-11-19", "half": 1.5, "none": None, "ended_at": moment}]
    assert answer.as_csv() == f"dt,half,none,ended_at\r\n2026-11-19,1.5,,{moment}\r\n"
    assert answer.as_table().row_count == 1
    assert "files" in answer.cost
