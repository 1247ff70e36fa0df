"""The address of a recording: for those who may listen, for a while; and why there is none, said each time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nexus.domain.session import RecordingTrace
from nexus.errors import Unavailable
from tests.fakes.control_plane import House, house, memory_stores
from tests.fakes.faulty_documents import FaultyDocuments

STORED = RecordingTrace(
    status="stored", media_type="audio/ogg", channels=2, sample_rate_hz=16_000, duration_ms=60_000.0, bytes=4, sha256="ab"
)


async def _recorded(door: House, folder: Path, trace: RecordingTrace = STORED, **changes: Any) -> str:
    record = await door.archived(1, recording=trace, **changes)
    if trace.status == "stored":
        (folder / "sound").write_bytes(b"OggS")
        await door.stores.recordings.put("barber_shop", record.id, folder / "sound", delete_after=door.clock.now() + timedelta(days=1))
    return f"/v1/tenants/barber_shop/sessions/{record.id}"


async def test_it_is_told_with_an_absolute_address_that_expires(door: House, tmp_path: Path) -> None:
    session = await _recorded(door, tmp_path)
    before = door.clock.now()
    told = (await door.client.get(f"{session}/recording")).json()
    assert told["url"].startswith(("http://localhost:8000/media/barber_shop/call_", "https://")), told["url"]
    assert (told["object"], told["media_type"], told["channels"], told["bytes"]) == ("recording", "audio/ogg", 2, 4)
    assert before.isoformat()[:16] <= told["expires_at"] <= (before + timedelta(seconds=330)).isoformat()
    assert (await door.client.get(session)).json()["recording"]["status"] == "stored"


@pytest.mark.parametrize(
    ("status", "words"), [("disabled", "recording.enabled"), ("refused", "agree"), ("failed", "recording.code"), ("lost", "process")]
)
async def test_why_there_is_none_is_said(door: House, tmp_path: Path, status: Any, words: str) -> None:
    answer = await door.client.get(f"{await _recorded(door, tmp_path, RecordingTrace(status=status))}/recording")
    assert (answer.status_code, answer.json()["code"]) == (404, "recording_not_found")
    assert words in answer.json()["detail"]


async def test_one_that_has_expired_is_gone_and_its_session_stays(door: House, tmp_path: Path) -> None:
    session = await _recorded(door, tmp_path)
    await door.stores.recordings.delete_expired(door.clock.now() + timedelta(days=2))
    answer = await door.client.get(f"{session}/recording")
    assert (answer.status_code, "expired" in answer.json()["detail"]) == (404, True)
    assert (await door.client.get(session)).status_code == 200


async def test_another_tenants_path_finds_nothing(door: House, tmp_path: Path) -> None:
    session = await _recorded(door, tmp_path)
    answer = await door.client.get(session.replace("barber_shop", "pizza_shop") + "/recording")
    assert answer.json()["code"] in ("session_not_found", "tenant_not_found")


EVENTS = "/v1/tenants/barber_shop/audit-events"


async def test_who_listened_to_what_is_known_afterwards_and_not_what_was_said(door: House, tmp_path: Path) -> None:
    session = await _recorded(door, tmp_path)
    before = door.clock.now()
    url = (await door.client.get(f"{session}/recording", headers={"X-Request-Id": "listening-1"})).json()["url"]
    told = (await door.client.get(EVENTS)).json()["data"]
    assert [(one["operation"], one["object_id"], one["status"]) for one in told] == [("getRecording", session.rpartition("/")[2], 200)]
    assert (told[0]["actor"], told[0]["request_id"]) == ({"kind": "local", "id": "local"}, "listening-1")
    assert told[0]["at"] >= before.isoformat()[:19]
    kept = str([dict(one.body) for one in await door.stores.documents.list("barber_shop", "audit/", limit=9)])
    assert url not in kept and "media" not in kept
    assert (await door.client.get(EVENTS, params={"operation": "getRecording", "object_id": "call_1"})).json()["data"] == []


async def test_each_time_is_told_of_and_what_gives_no_sound_is_not(door: House, tmp_path: Path) -> None:
    session = await _recorded(door, tmp_path)
    for path in ("", "/transcript", "/recording", "/recording"):
        assert (await door.client.get(session + path)).status_code == 200
    silent = await door.archived(2, recording=RecordingTrace(status="disabled"))
    assert (await door.client.get(f"/v1/tenants/barber_shop/sessions/{silent.id}/recording")).status_code == 404
    told = (await door.client.get(EVENTS)).json()["data"]
    assert [one["operation"] for one in told] == ["getRecording"] * 2


async def test_no_address_is_given_out_that_nobody_would_know_of(tmp_path: Path) -> None:
    stores = memory_stores()
    faulty = FaultyDocuments(stores.documents)
    door = house(replace(stores, documents=faulty))
    session = await _recorded(door, tmp_path)
    faulty.failure = Unavailable("store_unavailable", "The disk is full; try again.")
    answer = await door.client.get(f"{session}/recording")
    assert (answer.status_code, answer.json()["code"], "url" in answer.text) == (503, "store_unavailable", False)
    assert answer.headers["retry-after"]
    faulty.failure = None
    assert (await door.client.get(f"{session}/recording")).status_code == 200
