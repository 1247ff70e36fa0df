"""Every store that can forget a tenant: it forgets all of one, and nothing of another whose id begins alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest

from nexus.adapters.files import FileRecordings, FileSessionArchive
from nexus.adapters.memory import (
    MemoryCallLedger,
    MemoryEffectLog,
    MemoryLeadStore,
    MemoryRecordings,
    MemorySessionArchive,
    MemorySessionIndex,
    MemoryToolStore,
)
from nexus.adapters.sqlite import Database, SqliteCallLedger, SqliteEffectLog, SqliteLeadStore, SqliteSessionIndex, SqliteToolStore
from nexus.domain.call import EndReason
from nexus.errors import NotFound
from nexus.ports.sessions import SessionFilter
from tests.aws import AWS, aws
from tests.fakes.stored import NOON, analysis, call_id, order, private, process, record, row

MINE, OTHER = "shop", "shop_two"


@dataclass
class Opened:
    """One of each store that forgets."""

    ledger: Any
    archive: Any
    index: Any
    leads: Any
    tool_values: Any
    effects: Any
    recordings: Any


def _memory() -> Opened:
    return Opened(
        MemoryCallLedger(),
        MemorySessionArchive(),
        MemorySessionIndex(),
        MemoryLeadStore(),
        MemoryToolStore(),
        MemoryEffectLog(),
        MemoryRecordings(),
    )


def _disk(folder: Path) -> Opened:
    database = Database(folder / "nexus.sqlite")
    return Opened(
        SqliteCallLedger(database),
        FileSessionArchive(folder),
        SqliteSessionIndex(database),
        SqliteLeadStore(database),
        SqliteToolStore(database),
        SqliteEffectLog(database),
        FileRecordings(folder, lambda: bytes(32)),
    )


@pytest.fixture(params=["memory", "disk", *AWS])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    match request.param:
        case "memory":
            return _memory()
        case "disk":
            return _disk(tmp_path)
    given = aws(request)
    return Opened(given.ledger, given.archive, given.sessions, given.leads, given.tool_values, given.effects, given.recordings)


Fill = Callable[[Opened, str, int], Awaitable[None]]
Count = Callable[[Opened, str, int], Awaitable[int]]


async def _archive(stores: Opened, tenant_id: str, number: int) -> None:
    await stores.archive.put(record(number, tenant_id=tenant_id), private(number, tenant_id=tenant_id))


async def _archived(stores: Opened, tenant_id: str, number: int) -> int:
    kept = await stores.archive.get_private(tenant_id, call_id(number))
    return len(await stores.archive.list_calls(tenant_id)) + int(kept is not None)


async def _index(stores: Opened, tenant_id: str, number: int) -> None:
    await stores.index.put(row(number, tenant_id=tenant_id))


async def _indexed(stores: Opened, tenant_id: str, number: int) -> int:
    every = await stores.index.list(tenant_id, SessionFilter(), limit=9)
    completed = await stores.index.list(tenant_id, SessionFilter(status="completed"), limit=9)
    return len(every) + len(completed) + await stores.index.has(tenant_id, call_id(number))


async def _lead(stores: Opened, tenant_id: str, number: int) -> None:
    await stores.leads.put(analysis(number, tenant_id=tenant_id, call_outcome="booked"))


async def _leads(stores: Opened, tenant_id: str, number: int) -> int:
    return len(await stores.leads.list(tenant_id, limit=9)) + len(await stores.leads.list(tenant_id, limit=9, outcome="booked"))


async def _value(stores: Opened, tenant_id: str, number: int) -> None:
    await stores.tool_values.put(tenant_id, f"slot/{number}", "ä")
    await stores.tool_values.put(tenant_id, "~last", 1)


async def _values(stores: Opened, tenant_id: str, number: int) -> int:
    return len(await stores.tool_values.list(tenant_id, ""))


async def _effect(stores: Opened, tenant_id: str, number: int) -> None:
    await stores.effects.begin(tenant_id, call_id(number), "e1", "book")
    await stores.effects.finish(tenant_id, call_id(number), "e1", output="done")
    await stores.effects.begin(tenant_id, call_id(number), "e2", "book")


async def _effects(stores: Opened, tenant_id: str, number: int) -> int:
    found = 0
    for effect_id in ("e1", "e2"):
        state = (await stores.effects.begin(tenant_id, call_id(number), effect_id, "book")).state
        found += state != "new"
        if state == "new":
            await stores.effects.forget(tenant_id, call_id(number), effect_id)
    return found


async def _recording(stores: Opened, tenant_id: str, number: int) -> None:
    with NamedTemporaryFile() as sound:
        await stores.recordings.put(tenant_id, call_id(number), Path(sound.name), delete_after=NOON)


async def _recordings(stores: Opened, tenant_id: str, number: int) -> int:
    try:
        return len(await stores.recordings.address(tenant_id, call_id(number), now=NOON, lifetime_s=60)) and 1
    except NotFound:
        return 0


@pytest.mark.parametrize(
    ("name", "fill", "count"),
    [
        ("archive", _archive, _archived),
        ("index", _index, _indexed),
        ("leads", _lead, _leads),
        ("tool_values", _value, _values),
        ("effects", _effect, _effects),
        ("recordings", _recording, _recordings),
    ],
)
async def test_a_store_forgets_one_tenant_whole(stores: Opened, name: str, fill: Fill, count: Count) -> None:
    for number, tenant_id in ((1, MINE), (2, MINE), (3, OTHER)):
        await fill(stores, tenant_id, number)
    before = await count(stores, OTHER, 3)
    assert await count(stores, MINE, 1) > 0 and before > 0
    erasing = getattr(stores, name)
    for _ in range(2):  # again is silent
        assert await erasing.erase_tenant(MINE) is True
        assert (await count(stores, MINE, 1), await count(stores, MINE, 2)) == (0, 0)
    assert await count(stores, OTHER, 3) == before
    assert await erasing.erase_tenant("never_there") is True
    await fill(stores, MINE, 1)
    assert await count(stores, MINE, 1) > 0, "what is forgotten can be written anew"


async def test_the_ledger_forgets_what_does_not_live_and_ends_what_does(stores: Opened) -> None:
    ledger = stores.ledger
    await ledger.heartbeat(process(seen_at=NOON))

    async def reserved(number: int, tenant_id: str) -> None:
        asked = order(tenant_id=tenant_id, key=f"key {number}")
        await ledger.reserve(asked, call_id=call_id(number), nonce=f"n{number}", tenant_limit=9, lease_s=60, now=NOON)

    for number, tenant_id in ((1, MINE), (2, MINE), (3, MINE), (4, OTHER)):
        await reserved(number, tenant_id)
    for number, tenant_id in ((2, MINE), (3, MINE), (4, OTHER)):
        await ledger.redeem(tenant_id, call_id(number), nonce=f"n{number}", process_id="mp_1", now=NOON)
    await ledger.release(MINE, call_id(3), EndReason.CALLER_HANGUP, NOON)

    assert await ledger.erase_tenant(MINE) is False, "one call lives"
    assert (await ledger.heartbeat(process(seen_at=NOON))).to_end == (call_id(2),)
    for number in (1, 3):
        with pytest.raises(NotFound):
            await ledger.get(MINE, call_id(number))
    await ledger.release(MINE, call_id(2), EndReason.TENANT_ENDED, NOON)
    assert await ledger.erase_tenant(MINE) is True
    with pytest.raises(NotFound):
        await ledger.get(MINE, call_id(2))
    with pytest.raises(NotFound):
        await ledger.redeem(MINE, call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    assert not (await ledger.get(OTHER, call_id(4))).end_requested
    await reserved(5, MINE)  # seats and slots are free again
    assert await ledger.erase_tenant("never_there") is True
