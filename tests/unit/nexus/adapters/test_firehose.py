"""Rows into the stream, over moto: one line of JSON each, with every column; a tenant's files are deleted until none are left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta, timezone
from typing import Any

import pytest

from nexus.adapters.aws.bucket import Bucket
from nexus.adapters.aws.connection import Connection
from nexus.adapters.aws.firehose import FirehoseAnalyticsSink
from nexus.adapters.parquet import COLUMNS
from nexus.domain.analytics import AnalyticsRow, analytics_row
from nexus.errors import Unavailable
from tests.aws import client, new_place
from tests.fakes.stored import analysis, record


@pytest.fixture
def connection(moto: None) -> Iterator[Connection]:
    opened = Connection(new_place("", workers=1))
    name = opened.place.bucket
    destination: dict[str, Any] = {"RoleARN": "arn:aws:iam::123456789012:role/x", "BucketARN": f"arn:aws:s3:::{name}", "Prefix": "raw/"}
    client("firehose", "").create_delivery_stream(DeliveryStreamName=name, S3DestinationConfiguration=destination)
    yield opened
    opened.close()


def sink(connection: Connection, stream: str = "") -> FirehoseAnalyticsSink:
    return FirehoseAnalyticsSink(connection, stream or connection.place.bucket, Bucket(connection))


def row(number: int = 1) -> AnalyticsRow:
    return analytics_row(record(number), analysis(number, call_outcome="booking_made"))


async def test_each_row_is_a_line_with_every_column(connection: Connection) -> None:
    for number in (1, 2):
        await sink(connection).put(row(number))
    s3 = client("s3", "")
    listed = s3.list_objects_v2(Bucket=connection.place.bucket, Prefix="raw/")["Contents"]
    lines = "".join(s3.get_object(Bucket=connection.place.bucket, Key=one["Key"])["Body"].read().decode() for one in listed).splitlines()
    assert sorted(json.loads(line)["call_id"] for line in lines) == [row(1).call_id, row(2).call_id]
    assert [set(json.loads(line)) for line in lines] == [set(COLUMNS)] * 2
    assert AnalyticsRow.model_validate_json(lines[0]) in (row(1), row(2))


async def test_a_tenants_files_go_and_the_next_tenants_stay(connection: Connection) -> None:
    s3, bucket = client("s3", ""), connection.place.bucket
    for tenant_id in ("shop", "shop2"):
        s3.put_object(Bucket=bucket, Key=f"lake/sessions/tenant_id={tenant_id}/dt=2026-11-21/a.parquet", Body=b"x")
    assert [await sink(connection).erase_tenant("shop") for _ in range(2)] == [False, True]
    assert [one["Key"].split("/")[2] for one in s3.list_objects_v2(Bucket=bucket, Prefix="lake/")["Contents"]] == ["tenant_id=shop2"]


async def test_a_stream_that_is_not_there_can_be_tried_again(connection: Connection) -> None:
    with pytest.raises(Unavailable, match="deploy the stack"):
        await sink(connection, "no-such-stream").put(row())


async def test_times_are_written_in_utc_with_a_z_whatever_zone_they_came_with(connection: Connection) -> None:
    elsewhere = timezone(timedelta(hours=2))
    given = row().model_copy(update={"ended_at": row().ended_at.astimezone(elsewhere)})
    await sink(connection).put(given)
    s3 = client("s3", "")
    (listed,) = s3.list_objects_v2(Bucket=connection.place.bucket, Prefix="raw/")["Contents"]
    line = json.loads(s3.get_object(Bucket=connection.place.bucket, Key=listed["Key"])["Body"].read())
    assert {name: line[name] for name in ("created_at", "ended_at", "first_audio_at")} == {
        "created_at": "2026-11-21T12:00:00Z",
        "ended_at": "2026-11-21T12:01:00Z",
        "first_audio_at": None,
    }
