"""Every saved question has one answer: DuckDB's from the Parquet that the product wrote here, and Athena's from Firehose's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlglot

from local.query.answer import Answer
from local.query.lake import LocalLake
from local.query.saved import Saved, saved_questions
from local.query.statement import Value, question
from local.query.wiring import ask_athena
from nexus.adapters.aws.bucket import Bucket
from nexus.adapters.aws.connection import AwsPlace, Connection
from nexus.adapters.aws.firehose import FirehoseAnalyticsSink
from nexus.adapters.parquet import ParquetAnalyticsSink
from tests.emulator import REGION
from tests.fakes.finished_calls import finished_calls
from tests.lake import Lake

SAVED = {one.name: one for one in saved_questions()}
VALUES: Mapping[str, Value] = {
    "tenant_id": "acme",
    "since": "2026-07-01",
    "until": "2026-11-21",
    "zone": "Asia/Jerusalem",
    "slot_hour_usd": 1.86,
}
ANSWERS = json.loads((Path(__file__).parent.parent / "golden" / "questions.json").read_text())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> LocalLake:
    folder = tmp_path_factory.mktemp("lake") / "sessions"

    async def write() -> None:
        for row in finished_calls():
            await ParquetAnalyticsSink(folder).put(row)

    asyncio.run(write())
    return LocalLake(folder)


def plain(answer: Answer) -> dict[str, Any]:
    return {"columns": [*answer.columns], "rows": [[*one.values()] for one in json.loads(answer.as_json())]}


def here(lake: LocalLake, saved: Saved, **values: Value) -> dict[str, Any]:
    return plain(lake.ask(question(saved.text, {**VALUES, **values})))


@pytest.mark.parametrize("name", SAVED)
def test_the_answer_is_the_one_that_was_reckoned_by_hand(written: LocalLake, name: str) -> None:
    assert here(written, SAVED[name]) == ANSWERS[name]


@pytest.mark.parametrize("name", SAVED)
def test_it_is_sql_of_athena(name: str) -> None:
    text = question(SAVED[name].text, VALUES).text
    written_back = sqlglot.parse_one(text, read="athena").sql(dialect="athena", comments=False)
    assert sqlglot.parse_one(written_back, read="athena").sql(dialect="athena") == written_back


async def test_athena_says_the_same(written: LocalLake, lake: Lake) -> None:
    connection = Connection(AwsPlace(table="", bucket=lake.bucket, region=REGION, endpoint_url=lake.url))
    sink = FirehoseAnalyticsSink(connection, lake.stream, Bucket(connection))
    rows = finished_calls()
    for row in rows:
        await sink.put(row)
    await lake.settled(len(rows))
    connection.close()
    for name, saved in SAVED.items():
        asked = question(saved.text, VALUES)
        answer = await ask_athena(asked.text, lake.workgroup("acme" if asked.tenants else ""))
        assert plain(answer) == here(written, saved), name


def test_without_a_price_nothing_has_a_cost(written: LocalLake) -> None:
    answer = here(written, SAVED["cost_per_call"], slot_hour_usd=None)
    assert answer["rows"]
    assert {tuple(row[2:]) for row in answer["rows"]} == {(0, None, None, None)}


def test_another_tenant_and_other_days_give_other_answers(written: LocalLake) -> None:
    assert here(written, SAVED["calls_by_day"], tenant_id="acme2")["rows"] == [
        ["2026-11-19", "booking_made", 1, 1.0],
        ["2026-11-20", "information_given", 1, 1.0],
    ]
    assert here(written, SAVED["calls_by_day"], since="2026-11-21")["rows"] == []
