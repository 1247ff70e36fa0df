"""How long after hang-up a call is a row that SQL finds: on this machine, and behind Firehose and Athena in the emulator."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from benchmarks.caller import calling, now_ms
from benchmarks.figures import Figure, spread
from benchmarks.processes import load
from benchmarks.served import TENANTS, Product, product
from local.query.lake import LocalLake
from local.query.statement import question
from local.query.wiring import ask_athena
from nexus.adapters.aws.bucket import Bucket
from nexus.adapters.aws.connection import AwsPlace, Connection
from nexus.adapters.aws.firehose import FirehoseAnalyticsSink
from nexus.errors import NotFound
from tests.aws import set_credentials
from tests.emulator import PROGRAM, REGION, emulator
from tests.fakes.finished_calls import Talk
from tests.lake import Lake, analytics_templates, deployed_lake

_CALLS = 10
_LIMIT_S = 60.0
_TENANT = TENANTS[0]


async def measure() -> list[Figure]:
    """Calls of one typed line, each hung up; then as many rows into the stack of stage local."""
    async with product("scripted", 2) as server:
        here = [await _after_hang_up(server) for _ in range(_CALLS)]
    rows: list[tuple[str, ...]] = [("this machine: hang-up, after-call steps, Parquet, found by `nexus query`", spread(here))]
    if PROGRAM.exists():
        buffer_s = _buffer_s()
        rows += [("emulator: row given to Firehose, Parquet in S3, found by Athena", spread(await _behind_firehose()))]
        rows += [("AWS: what Firehose's buffer adds, at most (by the template, not measured)", f"{buffer_s * 1000}")]
    return [
        Figure(
            "queryable",
            "From hang-up to a row that SQL finds, ms",
            ("where", "median (range)"),
            tuple(rows),
            (f"{_CALLS} calls each; {load()}.",),
        )
    ]


async def _after_hang_up(server: Product) -> float:
    async with calling(server.api, _TENANT) as caller:
        await caller.type("When are you open?")
        hung_up_ms = now_ms()
    lake = LocalLake(server.data_dir / "analytics" / "sessions")

    async def found() -> bool:
        try:
            answer = await asyncio.to_thread(lake.ask, question(_one(_TENANT, caller.call_id), {}))
        except NotFound:
            return False
        return bool(answer.rows)

    return await _until(found) - hung_up_ms


async def _behind_firehose() -> list[float]:
    with pytest.MonkeyPatch.context() as patch, emulator() as url:
        set_credentials(patch)
        with deployed_lake(url) as lake:
            return [await _through(lake, number) for number in range(1, _CALLS + 1)]


async def _through(lake: Lake, number: int) -> float:
    connection = Connection(AwsPlace(table="", bucket=lake.bucket, region=REGION, endpoint_url=lake.url))
    row = Talk(number).row()
    put_ms = now_ms()
    await FirehoseAnalyticsSink(connection, lake.stream, Bucket(connection)).put(row)

    async def found() -> bool:
        return bool((await ask_athena(_one(row.tenant_id, row.call_id), lake.workgroup(row.tenant_id))).rows)

    took_ms = await _until(found) - put_ms
    connection.close()
    return took_ms


def _one(tenant_id: str, call_id: str) -> str:
    return f"SELECT call_id FROM sessions WHERE tenant_id = '{tenant_id}' AND call_id = '{call_id}'"  # noqa: S608 - our own names


def _buffer_s() -> int:
    streams = [one for one in analytics_templates("prod")[1]["Resources"].values() if one["Type"] == "AWS::KinesisFirehose::DeliveryStream"]
    return int(streams[0]["Properties"]["ExtendedS3DestinationConfiguration"]["BufferingHints"]["IntervalInSeconds"])


async def _until(found: Callable[[], Awaitable[bool]]) -> float:
    async with asyncio.timeout(_LIMIT_S):
        while not await found():  # noqa: ASYNC110 - neither Athena nor a folder tells
            await asyncio.sleep(0.02)
    return now_ms()
