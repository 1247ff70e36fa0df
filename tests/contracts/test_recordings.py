"""Every store of recordings: kept once, given out only under an address, gone when they expire."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from nexus.adapters.files import FileRecordings
from nexus.adapters.memory import MemoryRecordings
from nexus.errors import NotFound
from nexus.ports.sessions import Recordings
from tests.aws import AWS, aws
from tests.fakes.stored import NOON, call_id

KEY = bytes(32)
LATER = NOON + timedelta(days=30)


@pytest.fixture(params=["memory", "files", *AWS])
def recordings(request: pytest.FixtureRequest, tmp_path: Path) -> Recordings:
    match request.param:
        case "memory":
            return MemoryRecordings()
        case "files":
            return FileRecordings(tmp_path / "data", lambda: KEY)
    return aws(request).recordings


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "call.opus"
    path.write_bytes(b"OggS sound")
    return path


async def _has(recordings: Recordings, number: int = 1, tenant_id: str = "barber") -> bool:
    try:
        return bool(await recordings.address(tenant_id, call_id(number), now=NOON, lifetime_s=60))
    except NotFound as missing:
        assert missing.code == "recording_not_found"
        return False


async def test_what_is_kept_has_an_address_and_the_file_stays(recordings: Recordings, sound: Path) -> None:
    assert not await _has(recordings)
    await recordings.put("barber", call_id(1), sound, delete_after=LATER)
    assert await _has(recordings)
    assert sound.read_bytes() == b"OggS sound"


async def test_it_is_nobody_elses_and_no_other_calls(recordings: Recordings, sound: Path) -> None:
    await recordings.put("barber", call_id(1), sound, delete_after=LATER)
    assert not await _has(recordings, 2)
    assert not await _has(recordings, tenant_id="barber_2")


async def test_the_same_call_again_is_silent_and_expires_when_it_was_to(recordings: Recordings, sound: Path) -> None:
    await recordings.put("barber", call_id(1), sound, delete_after=NOON + timedelta(days=1))
    await recordings.put("barber", call_id(1), sound, delete_after=LATER)
    assert await recordings.delete_expired(NOON + timedelta(days=2)) == 1
    assert not await _has(recordings)


async def test_only_what_has_expired_is_deleted(recordings: Recordings, sound: Path) -> None:
    for number in (1, 2, 3):
        await recordings.put("barber", call_id(number), sound, delete_after=NOON + timedelta(days=number))
    assert await recordings.delete_expired(NOON + timedelta(days=2)) == 2
    assert await recordings.delete_expired(NOON + timedelta(days=2)) == 0
    assert [await _has(recordings, number) for number in (1, 2, 3)] == [False, False, True]
