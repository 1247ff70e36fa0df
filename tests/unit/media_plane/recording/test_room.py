"""The room of recordings: what becomes of each call's sound is said truthfully, whatever store and disk do."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from media_plane.audio import silence
from media_plane.engines.scripted import tone
from media_plane.recording.file_tape import HELD_LIMIT_MS
from media_plane.recording.room import RecordingRoom
from nexus.adapters.memory import MemoryRecordings
from nexus.clock import Clock
from nexus.domain.call import EndReason
from nexus.domain.journal import Opened
from nexus.domain.session import RecordingTrace
from nexus.errors import Unavailable
from tests.fakes.opus_file import decoded
from tests.fakes.stored import NOON, call_id

CALL = call_id(1)
SHOP = "barber"


@dataclass
class MoodyRecordings(MemoryRecordings):
    """Refuses so many times before it takes anything."""

    refusals: int = 0
    asked: int = field(default=0)

    def __post_init__(self) -> None:
        super().__init__()

    async def put(self, tenant_id: str, call_id: str, file: Path, *, delete_after: datetime) -> None:
        self.asked += 1
        if self.asked <= self.refusals:
            raise Unavailable("store_unavailable", "not now")
        await super().put(tenant_id, call_id, file, delete_after=delete_after)


def opened(*, recorded: bool = True) -> Opened:
    named = {"call_id": CALL, "tenant_id": SHOP, "config_hash": "sha256:0", "engine": "scripted"}
    return Opened(**named, created_at=NOON, connected_at=NOON, retention_days=7, recorded=recorded)


async def taped(room: RecordingRoom, seconds: int = 2) -> None:
    tape = room.begin(CALL)
    for at_ms in range(0, seconds * 1_000, 20):
        tape.caller(tone(20, 16_000), at_ms)
        tape.agent(tone(20, 24_000), at_ms)
    await tape.end(seconds * 1_000.0)


async def settle(room: RecordingRoom, reason: EndReason = EndReason.CALLER_HANGUP, *, recorded: bool = True) -> RecordingTrace:
    return await room.settle(opened(recorded=recorded), NOON, reason, within_s=10)


def room_of(folder: Path, store: MoodyRecordings | None = None) -> tuple[RecordingRoom, MoodyRecordings]:
    kept = store or MoodyRecordings()
    return RecordingRoom(folder / "spool", kept, Clock(speed=100)), kept


async def test_a_recording_is_stored_as_its_trace_says_and_the_spool_forgets_it_last(tmp_path: Path) -> None:
    room, store = room_of(tmp_path)
    await taped(room)
    trace = await settle(room)
    data, delete_after = store.kept[SHOP, CALL]
    assert (trace.status, trace.bytes, trace.sha256) == ("stored", len(data), hashlib.sha256(data).hexdigest())
    assert trace.delete_after == delete_after == NOON + timedelta(days=7)
    assert trace.duration_ms == pytest.approx(2_000, abs=7) and decoded(data).shape[0] == 2
    assert await settle(room) == trace, "settled again after a death, it is the same"
    await room.forget(CALL)
    assert [*(tmp_path / "spool").iterdir()] == []
    assert (await settle(room, EndReason.LOST)).status == "lost"


async def test_what_a_killed_process_left_is_cut_to_its_last_whole_page(tmp_path: Path) -> None:
    room, store = room_of(tmp_path)
    await taped(room, 4)
    file = tmp_path / "spool" / f"{CALL}.opus"
    file.write_bytes(file.read_bytes()[:-7])
    trace = await settle(room)
    data, _ = store.kept[SHOP, CALL]
    assert (trace.status, trace.bytes, len(data)) == ("stored", len(data), file.stat().st_size)
    assert trace.duration_ms == pytest.approx(3_000, abs=7)


@pytest.mark.parametrize("left", [None, b"", b"OggS is not enough"])
async def test_where_nothing_can_be_heard_it_is_lost(tmp_path: Path, left: bytes | None) -> None:
    room, store = room_of(tmp_path)
    if left is not None:
        (tmp_path / "spool").mkdir()
        (tmp_path / "spool" / f"{CALL}.opus").write_bytes(left)
    assert (await settle(room, EndReason.LOST)).status == "lost" and store.kept == {}
    never_began = await settle(room, EndReason.CONNECT_TIMEOUT)
    assert (never_began.status, never_began.code) == ("failed", "nothing_recorded")


async def test_a_refused_consent_and_a_tenant_that_records_nothing_leave_nothing(tmp_path: Path) -> None:
    room, store = room_of(tmp_path)
    await taped(room)
    assert (await settle(room, EndReason.CONSENT_REFUSED)).status == "refused"
    assert (await settle(room, recorded=False)).status == "disabled"
    assert store.asked == 0


async def test_what_is_dropped_is_gone_with_all_that_was_written_before(tmp_path: Path) -> None:
    room, _ = room_of(tmp_path)
    tape = room.begin(CALL)
    tape.caller(tone(1_000, 16_000), 0.0)
    file, looks = tmp_path / "spool" / f"{CALL}.opus", iter((False, True))

    def now_ms() -> float:
        """The second is already on the disk, and the next is about to be written, when the caller refuses."""
        written = next(looks)
        assert file.exists() is written
        if written:
            tape.drop()
            tape.caller(tone(1_000, 16_000), 1_000.0)
        return 2_000.0 if written else 1_000.0

    async with asyncio.timeout(5):
        await tape.run(now_ms)
    assert not file.exists()
    await tape.end(3_000.0)
    assert [*(tmp_path / "spool").iterdir()] == []


async def test_a_store_in_a_bad_moment_is_asked_again_and_one_that_is_gone_is_told(tmp_path: Path) -> None:
    room, store = room_of(tmp_path, MoodyRecordings(refusals=2))
    await taped(room)
    assert ((await settle(room)).status, store.asked) == ("stored", 3)
    gone, _ = room_of(tmp_path, MoodyRecordings(refusals=10_000))
    assert ((await settle(gone)).status, (await settle(gone)).code) == ("failed", "store_unavailable")


async def test_a_disk_that_takes_nothing_ends_the_recording_and_holds_no_memory(tmp_path: Path) -> None:
    room, _ = room_of(tmp_path)
    tape = room.begin(CALL)
    for at_ms in range(0, int(HELD_LIMIT_MS) + 4_000, 20):
        tape.caller(silence(20, 16_000), at_ms)  # nobody writes: run is not running
    await tape.end(HELD_LIMIT_MS)
    assert ((await settle(room)).status, (await settle(room)).code) == ("failed", "recording_failed")
    assert not (tmp_path / "spool").exists()


async def test_a_spool_that_is_no_folder_ends_the_recording(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    room, _ = room_of(tmp_path)
    await taped(room)
    assert (await settle(room)).code == "recording_failed"
