"""Every call journal: in order, per call, forgotten when archived."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.adapters.files import FileCallJournal
from nexus.adapters.memory import MemoryCallJournal
from nexus.ports.calls import CallJournal
from tests.aws import AWS, aws
from tests.fakes.stored import call_id, mode_noted, turn_noted


@pytest.fixture(params=["memory", "files", *AWS])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> CallJournal:
    match request.param:
        case "memory":
            return MemoryCallJournal()
        case "files":
            return FileCallJournal(tmp_path)
    return aws(request).journal


async def test_entries_come_back_in_order(journal: CallJournal) -> None:
    entries = (turn_noted(0, "שלום 👋\nline two"), mode_noted("engine_lost"), turn_noted(0, "שלום"))
    await journal.append(call_id(1), entries[:1])
    await journal.append(call_id(1), entries[1:])
    assert await journal.read(call_id(1)) == entries


async def test_nothing_appended_is_nothing_written(journal: CallJournal) -> None:
    await journal.append(call_id(1), (turn_noted(0, "a"),))
    await journal.append(call_id(1), ())
    assert await journal.read(call_id(1)) == (turn_noted(0, "a"),)


async def test_calls_do_not_mix(journal: CallJournal) -> None:
    await journal.append(call_id(1), (turn_noted(0, "one"),))
    await journal.append(call_id(2), (turn_noted(0, "two"),))
    assert await journal.read(call_id(2)) == (turn_noted(0, "two"),)


async def test_an_unknown_call_is_empty(journal: CallJournal) -> None:
    assert await journal.read(call_id(1)) == ()
    assert await journal.open_calls() == ()


async def test_open_calls_are_listed_oldest_first_until_discarded(journal: CallJournal) -> None:
    for number in (3, 1, 2):
        await journal.append(call_id(number), (turn_noted(0, "a"),))
    await journal.discard(call_id(2))
    await journal.discard(call_id(2))
    assert await journal.open_calls() == (call_id(1), call_id(3))
    assert await journal.read(call_id(2)) == ()
