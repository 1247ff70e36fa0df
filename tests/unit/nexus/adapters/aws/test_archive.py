"""Archived sessions in S3: where they lie, that nothing changes them, that old ones are read and private ones go."""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nexus.adapters.aws import AwsStores, aws_stores
from nexus.domain.session import SCHEMA_VERSION, SessionRecord
from nexus.errors import NotFound, StoreError, Unavailable
from tests.aws import client
from tests.fakes.aws_line import AwsLine
from tests.fakes.stored import NOON, call_id, private, record

GOLDEN = Path(__file__).parents[4] / "golden" / "session_record_v1.json"
DAY = "dt=2025-11-13"


def s3(stores: AwsStores) -> Any:
    return client("s3", stores.connection.place.endpoint_url)


def write(stores: AwsStores, name: str, data: bytes) -> None:
    s3(stores).put_object(Bucket=stores.connection.place.bucket, Key=name, Body=data)


def names(stores: AwsStores) -> list[str]:
    found = s3(stores).list_objects_v2(Bucket=stores.connection.place.bucket)
    return [one["Key"] for one in found.get("Contents", ())]


async def test_a_record_of_the_first_release_is_read(moto_stores: AwsStores) -> None:
    golden = json.loads(GOLDEN.read_text())
    name = f"sessions/tenant_id=barber_shop_demo/dt=2025-11-21/{golden['id']}.json.gz"
    write(moto_stores, name, gzip.compress(GOLDEN.read_bytes()))
    found = await moto_stores.archive.get("barber_shop_demo", golden["id"])
    assert found == SessionRecord.model_validate(golden)
    assert (found.schema_version, found.turns[1].heard_text) == (1, "We have ten")
    assert await moto_stores.archive.list_calls("barber_shop_demo") == (golden["id"],)


async def test_a_record_of_a_later_release_is_read_and_one_of_a_later_schema_refused(moto_stores: AwsStores) -> None:
    name = f"sessions/tenant_id=barber/{DAY}/{call_id(1)}.json.gz"
    later = {**record().model_dump(mode="json", exclude_none=True), "unheard_of": 1}
    write(moto_stores, name, gzip.compress(json.dumps(later).encode()))
    assert await moto_stores.archive.get("barber", call_id(1)) == record()
    write(moto_stores, name, gzip.compress(json.dumps({**later, "schema_version": SCHEMA_VERSION + 1}).encode()))
    with pytest.raises(StoreError):
        await moto_stores.archive.get("barber", call_id(1))


async def test_what_is_no_gzip_is_refused_as_a_fault_of_the_store(moto_stores: AwsStores) -> None:
    write(moto_stores, f"sessions/tenant_id=barber/{DAY}/{call_id(1)}.json.gz", b"{}")
    with pytest.raises(StoreError):
        await moto_stores.archive.get("barber", call_id(1))


async def test_objects_lie_by_tenant_and_day_and_hold_what_they_say(moto_stores: AwsStores) -> None:
    await moto_stores.archive.put(record(), private())
    due = "2026-12-21T12:00:00.000000Z"
    assert names(moto_stores) == [
        f"expiry/{due}/barber/{call_id(1)}",
        f"private/tenant_id=barber/{DAY}/{call_id(1)}.json.gz",
        f"sessions/tenant_id=barber/{DAY}/{call_id(1)}.json.gz",
    ]
    found = s3(moto_stores).get_object(Bucket=moto_stores.connection.place.bucket, Key=names(moto_stores)[1])
    assert found["Metadata"] == {"delete-after": "2026-12-21T12:00:00+00:00"}
    assert json.loads(gzip.decompress(found["Body"].read()))["caller_phone"] == "+972501234567"


async def test_the_record_is_written_last_and_a_stopped_writing_is_finished_by_the_next(lossy_stores: tuple[AwsStores, AwsLine]) -> None:
    stores, line = lossy_stores
    writings = iter(range(3))

    def third() -> None:  # counts PUTs, and stops the last
        if next(writings) == 1:
            line.refuse("PUT", 4)
        line.before("PUT", third)

    line.before("PUT", third)
    with pytest.raises(Unavailable):
        await stores.archive.put(record(), private())
    line.before("PUT", lambda: None)
    with pytest.raises(NotFound):
        await stores.archive.get("barber", call_id(1))
    await stores.archive.put(record(), private(text="another reading"))
    assert await stores.archive.get("barber", call_id(1)) == record()


async def test_of_two_who_archive_the_same_call_at_once_the_first_stays(lossy_stores: tuple[AwsStores, AwsLine]) -> None:
    stores, line = lossy_stores

    async def heir() -> None:
        own = aws_stores(replace(stores.connection.place, workers=1))
        await own.archive.put(record(text="first"), private(text="first"))
        own.close()

    line.before("PUT", lambda: line.before("PUT", lambda: asyncio.run(heir())))  # its mark is written, its transcript is on the way
    await stores.archive.put(record(text="second"), private(text="second"))
    assert await stores.archive.get("barber", call_id(1)) == record(text="first")
    assert await stores.archive.get_private("barber", call_id(1)) == private(text="first")


async def test_transcripts_go_before_their_marks_so_that_a_stopped_deletion_goes_on(lossy_stores: tuple[AwsStores, AwsLine]) -> None:
    stores, line = lossy_stores
    await stores.archive.put(record(), private(days=1))
    line.before("POST", lambda: line.before("POST", lambda: line.refuse("POST", 3)))  # the second of two deletions is stopped
    with pytest.raises(Unavailable):
        await stores.archive.delete_expired(NOON + timedelta(days=2))
    assert await stores.archive.delete_expired(NOON + timedelta(days=2)) == 1
    assert await stores.archive.get_private("barber", call_id(1)) is None
    assert names(stores) == [f"sessions/tenant_id=barber/{DAY}/{call_id(1)}.json.gz"]


async def test_a_strangers_object_among_the_marks_holds_nothing_up(moto_stores: AwsStores) -> None:
    write(moto_stores, "expiry/2020-01-01/readme", b"")
    await moto_stores.archive.put(record(), private(days=1))
    assert await moto_stores.archive.delete_expired(NOON + timedelta(days=1)) == 1
