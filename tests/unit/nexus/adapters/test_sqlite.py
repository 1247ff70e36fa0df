"""The SQLite file: private, versioned, and one truth for several processes."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from nexus.adapters.sqlite import Database, SqliteCallLedger, SqliteToolStore
from nexus.adapters.sqlite.database import MIGRATIONS
from nexus.errors import Unavailable
from tests.fakes.stored import NOON, call_id, order, process

ROOT = Path(__file__).parents[4]


async def test_the_file_is_for_the_owner_only_also_when_it_was_not(tmp_path: Path) -> None:
    path = tmp_path / "data" / "nexus.sqlite"
    await SqliteToolStore(Database(path)).put("barber", "k", 1)
    path.chmod(0o644)
    await SqliteToolStore(Database(path)).put("barber", "k", 2)
    assert {one.stat().st_mode & 0o777 for one in path.parent.iterdir()} == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_the_schema_has_its_version_and_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "nexus.sqlite"
    await SqliteToolStore(Database(path)).put("barber", "k", 1)
    found = await SqliteToolStore(Database(path)).get("barber", "k")
    assert found is not None
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_file_of_a_newer_release_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "nexus.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(Unavailable) as refused:
        await SqliteToolStore(Database(path)).get("barber", "k")
    assert "newer release" in refused.value.public_message


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "nexus.sqlite"
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(Unavailable) as refused:
        await SqliteToolStore(Database(path)).get("barber", "k")
    assert str(path) in refused.value.public_message


async def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "nexus.sqlite")

    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO tool_values VALUES ('barber', 'k', '1', 1)")
        raise KeyError("half way")

    with pytest.raises(KeyError):
        await database.write(half)
    assert await SqliteToolStore(database).get("barber", "k") is None


RACE = """
import asyncio, sys
from pathlib import Path
from nexus.adapters.sqlite import Database, SqliteCallLedger
from nexus.errors import QuotaExceeded
from tests.fakes.stored import NOON, call_id, order, process
async def main(path, first):
    ledger = SqliteCallLedger(Database(path))
    await ledger.heartbeat(process(slots=10))
    async def one(number):
        try:
            await ledger.reserve(order(), call_id=call_id(number), nonce="n", tenant_limit=500, lease_s=60, now=NOON)
        except QuotaExceeded:
            return 0
        return 1
    sys.stdout.write(str(sum(await asyncio.gather(*(one(first + n) for n in range(50))))))
asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


def test_processes_that_start_and_reserve_at_once_share_ten_slots(tmp_path: Path) -> None:
    path = tmp_path / "nexus.sqlite"
    children = [
        subprocess.Popen([sys.executable, "-c", RACE, str(path), str(100 * n)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for n in range(3)
    ]
    won = [int(child.communicate(timeout=60)[0]) for child in children]
    assert sum(won) == 10


async def test_a_cancelled_wait_does_not_break_the_next_transaction(tmp_path: Path) -> None:
    ledger = SqliteCallLedger(Database(tmp_path / "nexus.sqlite"))
    await ledger.heartbeat(process(slots=5))
    waiting = asyncio.ensure_future(ledger.reserve(order(), call_id=call_id(1), nonce="n", tenant_limit=5, lease_s=60, now=NOON))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    later = NOON + timedelta(seconds=1)
    entry = await ledger.reserve(order(), call_id=call_id(2), nonce="n", tenant_limit=5, lease_s=60, now=later)
    assert entry.state == "ready"
