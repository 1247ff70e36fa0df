"""All recordings of one media process: begun with a call, settled after it, found again after a death of the process."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from datetime import datetime, timedelta
from pathlib import Path

from media_plane.recording.file_tape import FileTape
from media_plane.recording.stream import CHANNELS, StreamEnd, stream_end
from media_plane.recording.tape import TAPE_RATE_HZ
from nexus.clock import Clock
from nexus.domain.call import EndReason
from nexus.domain.ids import check_call_id
from nexus.domain.journal import Opened
from nexus.domain.session import RecordingTrace
from nexus.errors import StoreError
from nexus.ports.sessions import Recordings

_log = logging.getLogger("nexus.recording")
MEDIA_TYPE = "audio/ogg"
_TAIL_BYTES = 131_072
_AGAIN_S = 1.0
_CODE = "recording_failed"
_NOTHING = "nothing_recorded"
"""The call ended before anything could be heard."""


class RecordingRoom:
    """Recordings lie in ``spool`` while their calls live, and in ``store`` afterwards."""

    def __init__(self, spool: Path, store: Recordings, clock: Clock) -> None:
        self._spool = spool
        self._store = store
        self._clock = clock
        self._failed: set[str] = set()

    def begin(self, call_id: str) -> FileTape:
        """Record a call."""
        return FileTape(self._path(call_id), self._clock, lambda: self._failed.add(call_id))

    async def settle(self, opened: Opened, ended_at: datetime, reason: EndReason, *, within_s: float) -> RecordingTrace:
        """Store the sound of a call that is over, and say what became of it. Never raises; takes hardly longer than ``within_s``.

        The file in the spool stays until ``forget``, so that a process that dies before the record is written can settle it again.
        """
        if not opened.recorded:
            return RecordingTrace()
        if reason is EndReason.CONSENT_REFUSED:
            return RecordingTrace(status="refused")
        if opened.call_id in self._failed:
            return RecordingTrace(status="failed", code=_CODE)
        path = self._path(opened.call_id)
        try:
            found = await asyncio.to_thread(_examined, path)
        except OSError as error:
            _log.error("the recording cannot be read: %s", error)
            return RecordingTrace(status="failed", code=_CODE)
        if found is None:
            died = reason is EndReason.LOST
            return RecordingTrace(status="lost") if died else RecordingTrace(status="failed", code=_NOTHING)
        end, sha256 = found
        delete_after = ended_at + timedelta(days=opened.retention_days)
        if not await self._stored(opened, path, delete_after, within_s):
            return RecordingTrace(status="failed", code="store_unavailable")
        return RecordingTrace(
            status="stored",
            media_type=MEDIA_TYPE,
            channels=CHANNELS,
            sample_rate_hz=TAPE_RATE_HZ,
            duration_ms=round(end.duration_ms, 1),
            bytes=end.end_bytes,
            sha256=sha256,
            delete_after=delete_after,
        )

    async def forget(self, call_id: str) -> None:
        """The call's record is written: nothing of it is needed here any more."""
        self._failed.discard(call_id)
        try:
            await asyncio.to_thread(self._path(call_id).unlink, missing_ok=True)
        except OSError as error:
            _log.error("a recording stays in the spool: %s", error)

    async def _stored(self, opened: Opened, path: Path, delete_after: datetime, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s / self._clock.speed):
                while True:
                    try:
                        await self._store.put(opened.tenant_id, opened.call_id, path, delete_after=delete_after)
                        return True
                    except StoreError as error:
                        _log.error("recording not stored, tried again for a while: %s", error)
                    await asyncio.sleep(_AGAIN_S / self._clock.speed)
        except TimeoutError:
            return False

    def _path(self, call_id: str) -> Path:
        return self._spool / f"{check_call_id(call_id)}.opus"


def _examined(path: Path) -> tuple[StreamEnd, str] | None:
    """Length and checksum of a recording, cut to its last whole page; None where there is none. Raises OSError."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    with path.open("r+b") as file:
        at = max(0, size - _TAIL_BYTES)
        file.seek(at)
        end = stream_end(file.read(), at)
        if end is None:
            return None
        file.truncate(end.end_bytes)
        file.seek(0)
        return end, hashlib.file_digest(file, "sha256").hexdigest()
