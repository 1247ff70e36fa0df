"""Writes one call's recording to a file as the call goes, beside the event loop; what fails costs the recording, never the call."""

from __future__ import annotations

import asyncio
import logging
import os
import zlib
from collections.abc import Callable
from pathlib import Path

from media_plane.audio import AudioFrame
from media_plane.recording.stream import StereoStream
from media_plane.recording.tape import StereoTape
from nexus.clock import Clock

_log = logging.getLogger("nexus.recording")
_WRITE_EVERY_MS = 1_000.0
HELD_LIMIT_MS = 30_000.0
"""So much audio may wait for a disk that hangs; then the recording is given up."""


class FileTape:
    """Implements ``media_plane.bridge.tape.Tape``. A process that is killed leaves a file that ends a second or two earlier.

    Args:
        path: made anew, for the owner only.
        failed: called once when the recording is given up.
    """

    def __init__(self, path: Path, clock: Clock, failed: Callable[[], None]) -> None:
        self._path = path
        self._clock = clock
        self._failed = failed
        self._tape: StereoTape | None = StereoTape()
        self._stream = StereoStream(zlib.crc32(path.name.encode()))
        self._begun = False
        self._dropped = False
        self._writing: asyncio.Future[None] | None = None

    def caller(self, frame: AudioFrame, begin_ms: float) -> None:
        """See ``Tape``."""
        if self._tape is not None:
            self._tape.caller(frame, begin_ms)
            self._check_room()

    def agent(self, frame: AudioFrame, begin_ms: float) -> None:
        """See ``Tape``."""
        if self._tape is not None:
            self._tape.agent(frame, begin_ms)
            self._check_room()

    def agent_stopped(self, at_ms: float) -> None:
        """See ``Tape``."""
        if self._tape is not None:
            self._tape.agent_stopped(at_ms)

    def drop(self) -> None:
        """See ``Tape``."""
        self._tape, self._dropped = None, True

    async def run(self, now_ms: Callable[[], float]) -> None:
        """See ``Tape``."""
        while self._tape is not None:
            await self._clock.sleep_ms(_WRITE_EVERY_MS)
            if self._tape is not None:
                await self._write(*self._tape.cut(now_ms()))
        await self._remove_dropped()

    async def end(self, at_ms: float) -> None:
        """See ``Tape``."""
        if self._writing is not None:  # its waiter was cancelled, its thread was not
            await asyncio.wait([self._writing])
        if self._tape is not None:
            await self._write(*self._tape.finish(at_ms), last=True)
        self._tape = None
        await self._remove_dropped()

    async def _remove_dropped(self) -> None:
        """What was written before the recording was dropped. Where the disk refuses, the room removes it after the call."""
        if not self._dropped:
            return
        if self._writing is not None:
            await asyncio.wait([self._writing])
        try:
            await asyncio.to_thread(self._path.unlink, missing_ok=True)
        except OSError as error:
            _log.error("a dropped recording is still there: %s", error)

    def _check_room(self) -> None:
        if self._tape is not None and self._tape.waiting_ms > HELD_LIMIT_MS:
            self._give_up("the disk takes nothing")

    async def _write(self, left: bytes, right: bytes, *, last: bool = False) -> None:
        if not left:
            return
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._append, left, right, last)
        try:
            await asyncio.shield(self._writing)
        except OSError as error:
            self._give_up(str(error))

    def _append(self, left: bytes, right: bytes, last: bool) -> None:
        """In a thread: encoding a second of both voices takes two milliseconds, and a disk may take longer."""
        flags = os.O_WRONLY | os.O_APPEND
        if not self._begun:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            flags |= os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(self._path, flags, 0o600), "ab", buffering=0) as file:
            data = (b"" if self._begun else self._stream.headers()) + self._stream.pages(left, right, last=last)
            self._begun = True
            if file.write(data) != len(data):
                raise OSError("only a part was written: the disk is full")

    def _give_up(self, why: str) -> None:
        _log.error("the call goes on, its recording does not: %s", why)
        self._tape = None
        self._failed()
