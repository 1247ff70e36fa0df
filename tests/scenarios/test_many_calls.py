"""Many calls: nothing is left behind, nobody disturbs anybody, one broken call is one broken call."""

# ruff: noqa: ASYNC110  (what is waited for is written by another process or another connection)

from __future__ import annotations

import asyncio
import gc
import os
import resource
from pathlib import Path

from media_plane.engines.scripted import Script, ScriptedEngine
from media_plane.ports.engine import VoiceEngine
from nexus.clock import Clock
from tests.scenarios.house import TENANT, House, house, write_tenant

SHORT = Script(echo=True)


def rss_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def left_behind() -> tuple[int, int, int]:
    """Open file descriptors, tasks, children."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return sum(1 for _ in Path("/proc/self/fd").iterdir()), len(asyncio.all_tasks()), len(children)


async def short_call(home: House) -> None:
    async with home.call() as caller:
        await caller.hears("audio.begin")
        await caller.type("Hello")
        await caller.until(lambda: caller.messages("audio.begin")[1:])
        assert await caller.hang_up() == "caller_hangup"


async def test_two_hundred_calls_leave_nothing_behind(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", limits={"concurrent_calls": 20})
    async with house(tmp_path, SHORT, engine_slots=20) as home:
        for _ in range(4):
            await asyncio.gather(*(short_call(home) for _ in range(10)))
        gc.collect()
        before, before_mib = left_behind(), rss_mib()
        for _ in range(20):
            await asyncio.gather(*(short_call(home) for _ in range(10)))
        async with asyncio.timeout(5):
            while home.calls is not None and home.calls.active:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        gc.collect()
        after, grown_mib = left_behind(), rss_mib() - before_mib
        assert after[0] <= before[0] + 2 and after[1] <= before[1] + 1 and after[2] == before[2], (before, after)
        assert grown_mib < 12, grown_mib
        records = await home.records()
        assert len(records) == 240 and {record.end_reason for record in records} == {"caller_hangup"}
        assert await home.stores.journal.open_calls() == ()


async def test_three_at_once_hear_only_their_own(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")

    async def talk(home: House, word: str) -> list[str]:
        async with home.call() as caller:
            await caller.hears("audio.end")
            for number in range(3):
                await caller.type(f"{word} {number}")
                await caller.hears("transcript", role="agent", text=f"{word} {number}", final=True)
            await caller.hang_up()
            return caller.agent_lines()

    async with house(tmp_path) as home:
        said = await asyncio.gather(*(talk(home, word) for word in ("ant", "bee", "cow")))
    assert said == [["Hi!", f"{word} 0", f"{word} 1", f"{word} 2"] for word in ("ant", "bee", "cow")]


class Broken:
    """An engine with a fault of the kind nobody thought of; ``inside``: in the platform's own code, outside any border of an engine."""

    def __init__(self, inner: ScriptedEngine, *, inside: bool = False) -> None:
        self._inner = inner
        self._inside = inside
        self.start = inner.start
        self.events = inner.events
        self.close = inner.close

    @property
    def traits(self):  # type: ignore[no-untyped-def]
        if self._inside:
            raise ZeroDivisionError("nobody thought of this either")
        return self._inner.traits

    async def send(self, value: object) -> None:
        if "boom" in str(getattr(value, "text", "")):
            raise ZeroDivisionError("nobody thought of this")
        await self._inner.send(value)  # type: ignore[arg-type]


async def test_an_engine_that_breaks_inside_costs_its_call_the_voice_and_the_others_nothing(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")

    def make() -> VoiceEngine:
        return Broken(ScriptedEngine(SHORT, Clock()))

    async with house(tmp_path, make, engine_return_interval_s=60) as home, home.call() as well, home.call() as ill:
        await well.hears("audio.end")
        await ill.hears("audio.end")
        await ill.type("boom")
        await ill.hears("mode_changed", to="text_only", reason="engine_lost")
        await ill.until(lambda: len(ill.agent_lines()) == 2)
        await well.type("Still fine")
        await well.hears("transcript", role="agent", text="Still fine", final=True)
        assert await well.hang_up() == await ill.hang_up() == "caller_hangup"
        changes = {record.id: [change.reason for change in record.mode_changes] for record in await home.many_records(2)}
    assert changes == {well.call_id: [], ill.call_id: ["engine_lost"]}


async def test_one_call_that_breaks_inside_is_recorded_and_leaves_the_others_alone(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    made: list[VoiceEngine] = []

    def make() -> VoiceEngine:
        made.append(Broken(ScriptedEngine(SHORT, Clock()), inside=bool(made)))
        return made[-1]

    async with house(tmp_path, make) as home, home.call() as well:
        await well.hears("audio.end")
        async with home.call() as ill:
            assert await ill.ended() == "internal_error"
            assert ill.connection.close_code == 1011
        await well.type("Still fine")
        await well.hears("transcript", role="agent", text="Still fine", final=True)
        assert await well.hang_up() == "caller_hangup"
        reasons = {record.id: record.end_reason for record in await home.many_records(2)}
        assert reasons == {well.call_id: "caller_hangup", ill.call_id: "internal_error"}
        ledger = [await home.stores.ledger.get(TENANT, call_id) for call_id in reasons]
        assert {entry.state for entry in ledger} == {"ended"}


async def test_a_call_that_cannot_even_be_wired_is_recorded(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", enabled_tools=["anything"])
    async with house(tmp_path) as home:
        source = home.settings.tenants_dir / TENANT / "tools.py"
        source.write_bytes(b"\xff\xfe not a text")
        async with home.call() as caller:
            await caller.until(lambda: caller.at("audio.end") or caller.closed.is_set())
            if not caller.closed.is_set():
                await caller.hang_up()
        assert (await home.record()).end_reason in ("caller_hangup", "engine_unavailable", "internal_error")
