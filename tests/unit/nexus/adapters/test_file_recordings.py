"""Recordings of one machine: an address is good for one call and a while, and for nobody who made it up."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from nexus.adapters.files import FileRecordings
from nexus.errors import NotAuthorised, NotFound, RequestRejected, Unavailable
from tests.fakes.stored import NOON, call_id

ONE, TWO = call_id(1), call_id(2)


@pytest.fixture
async def recordings(tmp_path: Path) -> FileRecordings:
    (tmp_path / "sound").write_bytes(b"OggS")
    kept = FileRecordings(tmp_path, lambda: bytes(32))
    for call in (ONE, TWO):
        await kept.put("barber", call, tmp_path / "sound", delete_after=NOON + timedelta(days=1))
    return kept


async def _signed(recordings: FileRecordings) -> tuple[int, str]:
    given = parse_qs(urlsplit(await recordings.address("barber", ONE, now=NOON, lifetime_s=300)).query)
    return int(given["expires"][0]), given["signature"][0]


async def test_an_address_opens_its_file_until_it_expires(recordings: FileRecordings) -> None:
    expires, signature = await _signed(recordings)
    assert (await recordings.opened("barber", ONE, expires=expires, signature=signature, now=NOON)).read_bytes() == b"OggS"
    with pytest.raises(NotAuthorised) as refused:
        await recordings.opened("barber", ONE, expires=expires, signature=signature, now=NOON + timedelta(seconds=300))
    assert refused.value.code == "credential_expired"


@pytest.mark.parametrize("case", ["other call", "other tenant", "later", "made up", "other key", "not ascii"])
async def test_nothing_but_what_was_signed_opens_anything(recordings: FileRecordings, tmp_path: Path, case: str) -> None:
    expires, signature = await _signed(recordings)
    asked: dict[str, Any] = {"tenant_id": "barber", "call_id": ONE, "expires": expires, "signature": signature}
    changed: dict[str, dict[str, Any]] = {
        "other call": {"call_id": TWO},
        "other tenant": {"tenant_id": "barber_2"},
        "later": {"expires": expires + 1},
        "made up": {"signature": "0" * 64},
        "not ascii": {"signature": "é" * 64},
    }
    of = FileRecordings(tmp_path, lambda: bytes(31) + b"1") if case == "other key" else recordings
    with pytest.raises(NotAuthorised) as refused:
        await of.opened(**{**asked, **changed.get(case, {})}, now=NOON)
    assert refused.value.code == "credential_invalid"


@pytest.mark.parametrize("tenant", ["../barber", "barber/..", "*", ""])
async def test_no_path_leaves_the_folder(recordings: FileRecordings, tenant: str) -> None:
    with pytest.raises(RequestRejected):
        await recordings.opened(tenant, ONE, expires=0, signature="", now=NOON)


async def test_a_signed_address_of_what_was_deleted_since_finds_nothing(recordings: FileRecordings) -> None:
    expires, signature = await _signed(recordings)
    await recordings.erase_tenant("barber")
    with pytest.raises(NotFound):
        await recordings.opened("barber", ONE, expires=expires, signature=signature, now=NOON)


async def test_only_the_owner_of_the_machine_reads_the_files(recordings: FileRecordings, tmp_path: Path) -> None:
    kept = [*(tmp_path / "media").rglob("*.opus")]
    assert len(kept) == 2 and {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert (tmp_path / "media" / "barber").stat().st_mode & 0o777 == 0o700


async def test_a_disk_that_takes_nothing_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file where the folder belongs")
    (tmp_path / "sound").write_bytes(b"OggS")
    with pytest.raises(Unavailable):
        await FileRecordings(tmp_path, bytes).put("barber", ONE, tmp_path / "sound", delete_after=NOON)
