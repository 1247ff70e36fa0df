"""Who is first: processes and threads that want the same thing at the same moment."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import sqlite3
import subprocess
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from nexus.adapters.files import FileSessionArchive
from nexus.adapters.sqlite import Database, SqliteCallLedger, SqliteEffectLog, SqliteToolStore
from nexus.errors import Conflict, NotAuthorised, Unavailable
from tests.fakes.stored import NOON, call_id, order, private, process, record

ROOT = Path(__file__).parents[4]
SPAWN = multiprocessing.get_context("spawn")


async def put_new(path: Path, _: int) -> int:
    store = SqliteToolStore(Database(path))
    won = 0
    for slot in range(20):
        try:
            await store.put("barber", f"slot_{slot}", os.getpid(), new_only=True)
            won += 1
        except Conflict:
            pass
    return won


async def redeem(path: Path, number: int) -> int:
    ledger = SqliteCallLedger(Database(path))
    won = 0
    for call in range(20):
        try:
            await ledger.redeem("barber", call_id(call), nonce="n", process_id=f"mp_{number}", now=NOON)
            won += 1
        except NotAuthorised as refused:
            assert refused.code == "ticket_used"
    return won


async def begin_effect(path: Path, _: int) -> int:
    effects = SqliteEffectLog(Database(path))
    return sum([(await effects.begin("barber", call_id(1), f"e{n}", "book")).state == "new" for n in range(20)])


RACES = {"put_new": put_new, "redeem": redeem, "begin_effect": begin_effect}


def run_in_child(name: str, path: Path, number: int, start: Barrier, wins: multiprocessing.Queue[int]) -> None:
    start.wait(30)
    wins.put(asyncio.run(RACES[name](path, number)))


@pytest.mark.parametrize("name", list(RACES))
def test_of_two_processes_one_wins_each_time(name: str, tmp_path: Path) -> None:
    path = tmp_path / "nexus.sqlite"

    async def prepare() -> None:
        ledger = SqliteCallLedger(Database(path))
        await ledger.heartbeat(process(slots=100))
        for call in range(20):
            await ledger.reserve(order(), call_id=call_id(call), nonce="n", tenant_limit=100, lease_s=60, now=NOON)

    asyncio.run(prepare())
    start, wins = SPAWN.Barrier(2), SPAWN.Queue()
    children = [SPAWN.Process(target=run_in_child, args=(name, path, number, start, wins)) for number in range(2)]
    for child in children:
        child.start()
    counts = [wins.get(timeout=60) for _ in children]
    for child in children:
        child.join(30)
    assert [child.exitcode for child in children] == [0, 0]
    assert sum(counts) == 20


async def test_forty_writers_at_once_all_write(tmp_path: Path) -> None:
    store = SqliteToolStore(Database(tmp_path / "nexus.sqlite"))

    async def writer(number: int) -> None:
        for _ in range(10):
            await store.put("barber", "shared", number)
            await store.put("barber", f"own_{number}", number)

    await asyncio.gather(*(writer(number) for number in range(40)))
    shared = await store.get("barber", "shared")
    assert shared is not None and shared.version == 400
    assert len(await store.list("barber", "own_")) == 40
    workers = min(32, (os.cpu_count() or 1) + 4)
    assert open_under(tmp_path) <= 3 * workers  # at most one connection a worker thread: database, log, shared memory


def open_under(folder: Path) -> int:
    """How many files of a folder this process holds open (Linux; elsewhere none are seen)."""
    links = [os.path.realpath(link) for link in Path("/proc/self/fd").glob("*")]
    return sum(link.startswith(str(folder.resolve())) for link in links)


def test_connections_go_with_the_loop_that_used_them(tmp_path: Path) -> None:
    """Each ``asyncio.run`` has its own worker threads; what they opened is closed once the collector has passed."""
    database = Database(tmp_path / "nexus.sqlite")
    for _ in range(5):
        asyncio.run(SqliteToolStore(database).get("barber", "k"))
    gc.collect()  # a dead thread's connection sits in a cycle
    assert open_under(tmp_path) == 0


CLEAN = """
import asyncio, sys
from pathlib import Path
from nexus.adapters.sqlite import Database, SqliteToolStore
async def main():
    asyncio.get_running_loop().slow_callback_duration = 60  # a busy machine is no fault
    store = SqliteToolStore(Database(Path(sys.argv[1])))
    await asyncio.gather(*(store.put("barber", str(n), n) for n in range(40)))
asyncio.run(main())
"""


def test_a_process_ends_without_a_word_and_leaves_one_file(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-c", CLEAN, str(tmp_path / "nexus.sqlite")], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert [one.name for one in tmp_path.iterdir()] == ["nexus.sqlite"]


async def test_when_commit_fails_the_next_transaction_works(tmp_path: Path) -> None:
    """A deferred constraint fails at COMMIT, like a full disk does: nothing stays half open."""
    database = Database(tmp_path / "nexus.sqlite")

    def broken(db: sqlite3.Connection) -> None:
        _with_foreign_keys(db)
        db.execute("CREATE TABLE IF NOT EXISTS a (id INTEGER PRIMARY KEY)")
        db.execute("CREATE TABLE IF NOT EXISTS b (a INTEGER REFERENCES a(id) DEFERRABLE INITIALLY DEFERRED)")
        db.execute("INSERT INTO b VALUES (7)")

    await database.write(lambda db: None)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await database.write(broken)
    assert (await SqliteToolStore(database).put("barber", "k", 1)).version == 1


def _with_foreign_keys(db: sqlite3.Connection) -> None:
    db.execute("COMMIT")  # the pragma works only outside a transaction
    db.execute("PRAGMA foreign_keys=ON")
    db.execute("BEGIN IMMEDIATE")


async def test_of_two_archivers_the_first_record_stays(tmp_path: Path) -> None:
    """Every process is told of an orphaned call, so two may archive it at once, each with its own reading of the end."""
    archives = [FileSessionArchive(tmp_path) for _ in range(8)]
    texts = [f"version {n}" for n in range(8)]
    seen: list[str] = []

    async def put_and_read(archive: FileSessionArchive, text: str) -> None:
        await archive.put(record(text=text), private(text=text))
        seen.append((await archive.get("barber", call_id(1))).turns[0].text)

    await asyncio.gather(*(put_and_read(archive, text) for archive, text in zip(archives, texts, strict=True)))
    assert len(set(seen)) == 1
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [f"{call_id(1)}.json"] * 2
