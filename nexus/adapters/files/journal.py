"""Journals of living calls: one file of JSON lines each, appended as the call lives."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from nexus.adapters.files import disk
from nexus.domain.ids import check_call_id
from nexus.domain.journal import JournalEntry, decode_entry, encode_entries


class FileCallJournal:
    """What was appended outlives the process; a line torn by its death is left out when read."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "journal"

    async def append(self, call_id: str, entries: Sequence[JournalEntry]) -> None:
        path = self._path(call_id)
        lines = encode_entries(entries)
        with disk.translated(path):
            await asyncio.to_thread(disk.append, path, lines)

    async def read(self, call_id: str) -> tuple[JournalEntry, ...]:
        path = self._path(call_id)
        try:
            with disk.translated(path):
                data = await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            return ()
        return tuple(entry for line in data.split(b"\n")[:-1] if (entry := decode_entry(line)) is not None)

    async def open_calls(self) -> tuple[str, ...]:
        with disk.translated(self._folder):
            return await asyncio.to_thread(lambda: tuple(sorted(path.stem for path in self._folder.glob("call_*.jsonl"))))

    async def discard(self, call_id: str) -> None:
        path = self._path(call_id)
        with disk.translated(path):
            await asyncio.to_thread(path.unlink, True)

    def _path(self, call_id: str) -> Path:
        return self._folder / f"{check_call_id(call_id)}.jsonl"
