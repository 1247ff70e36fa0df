"""Once is once: stores that fail in the middle, processes that are killed, on the SQLite file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from media_plane.conversation.events import ToolFinished
from media_plane.tooling.processes import PoolLimits, ToolProcesses
from media_plane.tooling.runner import TenantTools, ToolParts
from nexus.adapters.sqlite import Database, SqliteEffectLog, SqliteToolStore
from nexus.clock import Clock
from nexus.domain.tenant import Limits, TenantConfig
from nexus.errors import Unavailable
from nexus.ports.tools import Effect, EffectLog
from tests.fakes.tool_bench import HEAD, bench, run, tool

ROOT = Path(__file__).parents[4]
COUNT = "n = await context.store.get('n')\nn = 1 + (n.value if n else 0)\nawait context.store.put('n', n)\n"
BOOK = HEAD + "import asyncio\n" + tool("book", COUNT + "return f'booked {n}'", effect="write")
HANG = HEAD + "import asyncio\n" + tool("book", COUNT + "await asyncio.sleep(60)", effect="write")
FIRST_LIFE = """
import asyncio, sys
from pathlib import Path
from nexus.adapters.sqlite import SqliteToolStore
from tests.unit.media_plane.tooling.test_once import HANG, life
from tests.fakes.tool_bench import run
class Telling(SqliteToolStore):
    async def put(self, *args, **options):
        stored = await super().put(*args, **options)
        print("written", flush=True)
        return stored
async def main():
    async with life(Path(sys.argv[1]), HANG, Telling) as tools:
        await run(tools("call_1"), "book")
asyncio.run(main())
"""


class Effects:
    """An effect log whose ``begin`` or ``finish`` fails as often as asked."""

    def __init__(self, inner: EffectLog, *, begins: int = 0, finishes: int = 0) -> None:
        self._inner = inner
        self.begins, self.finishes = begins, finishes

    async def begin(self, tenant_id: str, call_id: str, effect_id: str, tool: str) -> Effect:
        if self.begins:
            self.begins -= 1
            raise Unavailable("store_unavailable", "The disk is full.")
        return await self._inner.begin(tenant_id, call_id, effect_id, tool)

    async def finish(self, tenant_id: str, call_id: str, effect_id: str, *, output: str, failed: bool = False) -> None:
        if self.finishes:
            self.finishes -= 1
            raise Unavailable("store_unavailable", "The disk is full.")
        await self._inner.finish(tenant_id, call_id, effect_id, output=output, failed=failed)

    async def forget(self, tenant_id: str, call_id: str, effect_id: str) -> None:
        await self._inner.forget(tenant_id, call_id, effect_id)


class Life:
    """One process's tools over a SQLite file; called with a call's id it gives the call's runner."""

    def __init__(self, path: Path, source: str, processes: ToolProcesses, store: SqliteToolStore, effects: Effects) -> None:
        self.store, self.effects = store, effects
        self._source, self._processes = source, processes

    async def _read(self, _tenant_id: str) -> str:
        return self._source

    def __call__(self, call_id: str) -> TenantTools:
        config = TenantConfig(tenant_id="shop", system_prompt="x", enabled_tools=("book",), limits=Limits(tool_timeout_s=30))
        return TenantTools(config, call_id, ToolParts(self._processes, self._read, self.effects, Clock()))

    async def count(self) -> int:
        found = await self.store.get("shop", "n")
        return 0 if found is None else int(found.value)


@asynccontextmanager
async def life(path: Path, source: str, make_store: type[SqliteToolStore] = SqliteToolStore) -> AsyncIterator[Life]:
    database = Database(path)
    store = make_store(database)
    async with ToolProcesses(store) as processes:
        yield Life(path, source, processes, store, Effects(SqliteEffectLog(database)))


def outcome(finished: ToolFinished) -> tuple[str, str]:
    return finished.status, finished.error_code


async def test_a_write_of_a_killed_process_is_unknown_for_its_call_and_never_run_again(tmp_path: Path) -> None:
    path = tmp_path / "nexus.sqlite"
    first = await asyncio.create_subprocess_exec(sys.executable, "-c", FIRST_LIFE, str(path), cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        assert first.stdout is not None
        async with asyncio.timeout(20):
            assert await first.stdout.readline() == b"written\n"
    finally:
        first.kill()
        await first.wait()
    async with life(path, BOOK) as second:
        for _ in range(2):
            assert outcome(await run(second("call_1"), "book")) == ("unknown", "tool_outcome_unknown")
        assert await second.count() == 1
        assert (await run(second("call_2"), "book")).output == "booked 2"


async def test_a_write_done_in_an_earlier_life_is_replayed(tmp_path: Path) -> None:
    async with life(tmp_path / "nexus.sqlite", BOOK) as first:
        assert (await run(first("call_1"), "book")).output == "booked 1"
    async with life(tmp_path / "nexus.sqlite", BOOK) as second:
        again = await run(second("call_1"), "book")
        assert (again.status, again.output, await second.count()) == ("replayed", "booked 1", 1)


async def test_what_cannot_be_recorded_is_not_done(tmp_path: Path) -> None:
    async with life(tmp_path / "nexus.sqlite", BOOK) as given:
        given.effects.begins = 1
        tools = given("call_1")
        assert outcome(await run(tools, "book")) == ("failed", "store_unavailable")
        assert await given.count() == 0
        assert (await run(tools, "book")).output == "booked 1"


async def test_an_outcome_that_cannot_be_written_is_told_once_and_then_unknown(tmp_path: Path) -> None:
    async with life(tmp_path / "nexus.sqlite", BOOK) as given:
        given.effects.finishes = 1
        assert (await run(given("call_1"), "book")).output == "booked 1"
        assert outcome(await run(given("call_1"), "book")) == ("unknown", "tool_outcome_unknown")
        assert await given.count() == 1


async def test_only_the_idle_are_swept() -> None:
    async with bench({"shop": tool("look", "return 'x'")}, pool=PoolLimits(idle_s=0.0)) as given:
        await run(given.tools("shop", "look"), "look")
        await given.processes.sweep_once()
        assert given.processes.count == 0
        assert (await run(given.tools("shop", "look"), "look")).output == "x"
    async with bench({"shop": tool("look", "return 'x'")}, pool=PoolLimits(idle_s=300.0)) as given:
        await run(given.tools("shop", "look"), "look")
        await given.processes.sweep_once()
        assert given.processes.count == 1
