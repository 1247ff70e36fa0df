"""Writes a call's journal as the call lives, and keeps every entry for its record."""

from __future__ import annotations

import asyncio
import logging

from nexus.domain.journal import JournalEntry
from nexus.errors import StoreError
from nexus.ports.calls import CallJournal

_log = logging.getLogger("nexus.bridge")


class Scribe:
    """One call's journal. A journal that cannot be written costs crash safety, not the call: its entries stay in memory."""

    def __init__(self, call_id: str, journal: CallJournal) -> None:
        self._call_id = call_id
        self._journal = journal
        self._entries: list[JournalEntry] = []
        self._unwritten: list[JournalEntry] = []
        self._noted = asyncio.Event()

    @property
    def entries(self) -> tuple[JournalEntry, ...]:
        """Everything noted so far, in order."""
        return tuple(self._entries)

    def note(self, entry: JournalEntry) -> None:
        """Take one entry; it is written soon."""
        self._entries.append(entry)
        self._unwritten.append(entry)
        self._noted.set()

    async def run(self) -> None:
        """Write what is noted, until cancelled."""
        while True:
            await self._noted.wait()
            self._noted.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write now what is not yet written; what cannot be written is tried again with the next entry."""
        batch, self._unwritten = self._unwritten, []
        if not batch:
            return
        try:
            await self._journal.append(self._call_id, batch)
        except StoreError as error:
            _log.error("journal not written, kept in memory: %s", error)
            self._unwritten = batch + self._unwritten
