"""Recordings in S3: addresses that work for a while for anybody, marks that delete them, and expiry apart from the transcripts'."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from nexus.adapters.aws import AwsStores
from tests.aws import client
from tests.fakes.stored import NOON, call_id, private, record

DAY = "dt=2025-11-13"
OBJECT = f"media/tenant_id=barber/{DAY}/{call_id(1)}/recording.opus"


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "call.opus"
    path.write_bytes(b"OggS sound")
    return path


def names(stores: AwsStores) -> list[str]:
    place = stores.connection.place
    found = client("s3", place.endpoint_url).list_objects_v2(Bucket=place.bucket)
    return [one["Key"] for one in found.get("Contents", ())]


def fetched(url: str, span: str = "") -> tuple[int, bytes, str]:
    with urlopen(Request(url, headers={"Range": span} if span else {}), timeout=5) as answer:
        return answer.status, answer.read(), answer.headers["content-type"]


async def test_an_address_works_for_a_while_for_anybody_in_parts_too(emulator_stores: AwsStores, sound: Path) -> None:
    await emulator_stores.recordings.put("barber", call_id(1), sound, delete_after=NOON)
    url = await emulator_stores.recordings.address("barber", call_id(1), now=NOON, lifetime_s=60)
    assert "X-Amz-Expires=60" in url
    assert await asyncio.to_thread(fetched, url) == (200, b"OggS sound", "audio/ogg")
    assert (await asyncio.to_thread(fetched, url, "bytes=5-9"))[:2] == (206, b"sound")
    with pytest.raises(HTTPError):
        await asyncio.to_thread(fetched, url.replace("recording.opus", "other.opus"))


async def test_no_address_lives_longer_than_a_quarter_of_an_hour(moto_stores: AwsStores, sound: Path) -> None:
    await moto_stores.recordings.put("barber", call_id(1), sound, delete_after=NOON)
    assert "X-Amz-Expires=900" in await moto_stores.recordings.address("barber", call_id(1), now=NOON, lifetime_s=10**6)


async def test_transcripts_and_recordings_expire_by_marks_of_their_own(moto_stores: AwsStores, sound: Path) -> None:
    await moto_stores.recordings.put("barber", call_id(1), sound, delete_after=NOON + timedelta(days=1))
    await moto_stores.archive.put(record(), private(days=3))
    assert OBJECT in names(moto_stores)
    assert await moto_stores.archive.delete_expired(NOON + timedelta(days=2)) == 0
    assert await moto_stores.recordings.delete_expired(NOON + timedelta(days=2)) == 1
    assert not [name for name in names(moto_stores) if "media" in name]
    assert await moto_stores.archive.delete_expired(NOON + timedelta(days=4)) == 1
