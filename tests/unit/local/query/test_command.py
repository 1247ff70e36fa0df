"""``nexus query`` as somebody types it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.cli import main
from local.query.saved import saved_questions
from nexus.adapters.aws.bucket import Bucket
from nexus.adapters.aws.connection import AwsPlace, Connection
from nexus.adapters.aws.firehose import FirehoseAnalyticsSink
from nexus.adapters.parquet import ParquetAnalyticsSink
from tests.emulator import REGION
from tests.fakes.finished_calls import MORNING, Talk, finished_calls
from tests.lake import Lake

SINCE = ("--since", "2026-07-01", "--until", "2026-11-21")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")

    async def write() -> None:
        for row in finished_calls():
            await ParquetAnalyticsSink(folder / "analytics" / "sessions").put(row)

    asyncio.run(write())
    return folder


@pytest.fixture(autouse=True)
def _data_dir(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(written))
    monkeypatch.chdir(tmp_path)


def asked(capsys: pytest.CaptureFixture[str], *words: str, fails: bool = False) -> str:
    assert main(["query", *words]) == int(fails)
    told = capsys.readouterr()
    return " ".join(told.err.split()) if fails else told.out


def test_a_saved_question_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    told = asked(capsys, "busiest_hours", "--tenant", "acme", *SINCE, "--zone", "Asia/Jerusalem")
    assert [line.split()[:2] for line in told.splitlines()] == [["local_hour", "calls"], ["10", "9"], ["1", "2"], ["11", "1"]]


def test_csv_and_json_are_for_other_programs(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("SELECT dt, count(*) AS calls FROM sessions WHERE tenant_id = :tenant_id GROUP BY dt ORDER BY dt", "--tenant", "acme2")
    assert json.loads(asked(capsys, *words, "--json")) == [{"dt": "2026-11-19", "calls": 1}, {"dt": "2026-11-20", "calls": 1}]
    assert [*csv.reader(io.StringIO(asked(capsys, *words, "--csv")))] == [["dt", "calls"], ["2026-11-19", "1"], ["2026-11-20", "1"]]


def test_without_a_question_the_saved_ones_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    told = asked(capsys)
    assert [line.split()[0] for line in told.splitlines()[1:]] == [one.name for one in saved_questions()]
    assert "slot_hour_usd" in told


def test_show_sql_can_be_pasted_into_athenas_console(capsys: pytest.CaptureFixture[str]) -> None:
    told = asked(capsys, "cost_per_call", "--tenant", "acme", *SINCE, "--set", "slot_hour_usd=1.86", "--show-sql")
    assert "tenant_id = 'acme' AND dt BETWEEN '2026-07-01' AND '2026-11-21'" in told
    assert "CAST(1.86 AS double)" in told


def test_the_last_thirty_days_are_asked_for_unless_others_are(capsys: pytest.CaptureFixture[str]) -> None:
    told = asked(capsys, "SELECT date_diff('day', CAST(:since AS date), CAST(:until AS date)) AS days, :until AS today", "--json")
    assert json.loads(told)[0]["days"] == 30
    assert abs((datetime.fromisoformat(json.loads(told)[0]["today"]).replace(tzinfo=UTC) - datetime.now(UTC)).days) <= 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("calls_by_day",), "waits for :tenant_id"),
        (("SELECT * FROM sessions", "--tenant", "acme"), "CONSTRAINT_VIOLATION"),
        (("SELECT * FROM sessions WHERE tenant_id = 'acme2'", "--tenant", "acme"), "--tenant says acme, the statement names acme2"),
        (("no_such_question",), "There is no saved question 'no_such_question'; there are answer_latency,"),
        (("calls_by_day", "--tenant", "../acme"), "A tenant id has"),
        (("calls_by_day", "--tenant", "nobody"), "No finished call is written below"),
        (("SELECT :x", "--set", "x"), "write --set name=value"),
        (("SELECT 1", "--athena", "--region", "nowhere"), "Athena"),
    ],
)
def test_a_fault_names_its_fix(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert told in asked(capsys, *words, fails=True)


def test_athena_is_asked_in_the_tenants_workgroup(capsys: pytest.CaptureFixture[str], lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", lake.url)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    connection = Connection(AwsPlace(table="", bucket=lake.bucket, region=REGION, endpoint_url=lake.url))
    sink = FirehoseAnalyticsSink(connection, lake.stream, Bucket(connection))

    async def write() -> None:
        await sink.put(Talk(1, at=MORNING).row())
        await lake.settled(1)

    asyncio.run(write())
    connection.close()
    assert main(["query", "calls_by_day", "--tenant", "acme", *SINCE, "--athena", "--stage", "local", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == [{"dt": "2026-11-19", "outcome": "unknown", "calls": 1, "minutes": 1.0}]
    assert "read by nexus-local-tenant-acme" in told.err
    words = ["query", "calls_by_day", "--tenant", "acme", *SINCE, "--athena", "--workgroup", "none", "--database", "nexus_local"]
    assert main(words) == 1
    assert "workgroup none, database nexus_local" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT call_id FROM sessions_all",
        "SELECT call_id FROM sessions WHERE tenant_id = 'acme' UNION SELECT call_id FROM SESSIONS_ALL",
        "SELECT call_id FROM sessions WHERE tenant_id = 'acme' -- mine\nUNION ALL SELECT call_id FROM main.sessions_all",
        "WITH sessions AS (SELECT * FROM sessions_all) SELECT call_id FROM sessions WHERE tenant_id = 'acme'",
        "SELECT (SELECT max(call_id) FROM (TABLE sessions_all)) FROM sessions WHERE tenant_id = 'acme'",
    ],
)
def test_with_a_tenant_the_operators_table_is_closed(statement: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has every tenant's calls" in asked(capsys, statement, "--tenant", "acme", fails=True)
