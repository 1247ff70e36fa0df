"""Journals of living calls in DynamoDB: one small item a batch, in the order of writing, gone with the call.

DynamoDB rather than S3: S3 cannot append, so each batch would be an object with a higher price, twice to five times the wait, and a
listing to read them back. The items lie under the call's own partition, which is the operator's: no role of a tenant reads it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

from nexus.adapters.aws import keys
from nexus.adapters.aws.items import Item, item
from nexus.adapters.aws.schema import TTL_ATTRIBUTE
from nexus.adapters.aws.table import ABSENT, Range, Table
from nexus.domain.journal import JournalEntry, decode_entry, encode_entries
from nexus.errors import Unavailable

_PART_CHARACTERS = 90_000
"""DynamoDB takes items up to 400 KB, and a character may have four bytes."""
_REMEMBERED = 1000
_TRIES = 10
KEPT = timedelta(days=7)
"""A journal that nobody archived is private data without an owner: it goes after a week."""


class DynamoCallJournal:
    """Parts are numbered. One process writes a call's journal; should two, each part still gets a number of its own."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._next: OrderedDict[str, int] = OrderedDict()

    async def append(self, call_id: str, entries: Sequence[JournalEntry]) -> None:
        if not entries:
            return
        lines = encode_entries(entries).decode()
        text = "\n" + lines  # a line torn by an earlier death is closed first, so that it never swallows a new one
        for first in range(0, len(text), _PART_CHARACTERS):
            await self._write(call_id, text[first : first + _PART_CHARACTERS])

    async def read(self, call_id: str) -> tuple[JournalEntry, ...]:
        text = "".join([str(part["lines"]) async for part in self._parts(call_id)])
        return tuple(entry for line in text.split("\n")[:-1] if line and (entry := decode_entry(line)) is not None)

    async def open_calls(self) -> tuple[str, ...]:
        return tuple([str(found["sk"]) async for found in self._table.query(Range(keys.JOURNALS))])

    async def discard(self, call_id: str) -> None:
        """Its line in the list goes last: stopped before that, the call is found again."""
        numbers = [int(part["sk"]) async for part in self._parts(call_id)]
        await self._table.delete_many([keys.journal_part(call_id, number) for number in numbers])
        await self._table.delete(keys.journalled(call_id))
        self._next.pop(call_id, None)

    def _parts(self, call_id: str) -> AsyncIterator[Item]:
        return self._table.query(Range(keys.journal(call_id)))

    async def _write(self, call_id: str, text: str) -> None:
        number = self._next.get(call_id)
        for _ in range(_TRIES):
            if number is None:
                number = await self._first_free(call_id)
            part = item(keys.journal_part(call_id, number), lines=text, **_until())
            if await self._table.put(part, ABSENT) is None:
                self._remember(call_id, number + 1)
                return
            number = None
        raise Unavailable("store_unavailable", "Others write the journal of the same call; try again.")

    async def _first_free(self, call_id: str) -> int:
        """The number after the last one. A journal that begins is put into the list first."""
        async for part in self._table.query(Range(keys.journal(call_id), backwards=True, page=1)):
            return int(part["sk"]) + 1
        await self._table.put(item(keys.journalled(call_id), **_until()))
        return 0

    def _remember(self, call_id: str, number: int) -> None:
        self._next[call_id] = number
        self._next.move_to_end(call_id)
        if len(self._next) > _REMEMBERED:
            self._next.popitem(last=False)


def _until() -> dict[str, int]:
    return {TTL_ATTRIBUTE: int((datetime.now(UTC) + KEPT).timestamp())}
