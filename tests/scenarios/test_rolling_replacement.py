"""A deployment as platforms do it: the new process comes up, the old one is told to go, and no call is dropped. And what a crash costs."""

# ruff: noqa: ASYNC110  (what is waited for is written by another process)

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from control_plane.services.calls import OrderedCall
from nexus.adapters.aws import AwsStores
from nexus.errors import QuotaExceeded
from tests import emf
from tests.fakes.ecs_agent import Asked
from tests.scenarios.fleet import Fleet, Task, fleet_on_disk, fleet_over_aws
from tests.scenarios.house import TENANT, Caller, dial

NO_NEW_LEASE_AFTER_S = 1.0


@dataclass
class Orders:
    """Calls ordered one after the other while processes come and go: when, and where their slots are."""

    fleet: Fleet
    door: Task
    """Whom their callers reach."""
    placed: list[tuple[float, OrderedCall]] = field(default_factory=list)
    _enough: bool = False

    async def keep_coming(self) -> None:
        """Each is taken up, said a word, and hung up, as soon as it is placed."""
        async with asyncio.TaskGroup() as callers:
            while not self._enough:
                ordered = await self.fleet.order()
                self.placed.append((time.monotonic(), ordered))
                callers.create_task(self._call(ordered))
                await asyncio.sleep(0.15)  # callers come at their own times

    async def _call(self, ordered: OrderedCall) -> None:
        async with dial(self.door.url, ordered.entry.call_id, ordered.ticket) as caller:
            await caller.begin()
            await caller.hears("audio.end", within_s=20)
            assert await caller.hang_up() == "caller_hangup"

    def enough(self) -> None:
        self._enough = True

    def after(self, moment: float) -> set[str]:
        """The processes that were given a call after this moment."""
        return {ordered.entry.process_url for at, ordered in self.placed if at >= moment}


@dataclass
class Chat:
    """A caller who says a line every so often until it is enough."""

    caller: Caller
    every_s: float
    lines: int = 0
    _enough: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        while not self._enough.is_set():
            await talk(self.caller, f"Line {self.lines}")
            self.lines += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), self.every_s)

    def enough(self) -> None:
        self._enough.set()


async def talk(caller: Caller, text: str) -> None:
    await caller.type(text)
    await caller.hears("transcript", within_s=15, role="agent", text=text, final=True)


async def replaced(fleet: Fleet, *, lasts_s: float, every_s: float, real_time: bool) -> None:
    """The old process holds a call of ``lasts_s`` real seconds, a lease, and a socket of another's call when it is told to go."""
    old = await fleet.start("old")
    async with AsyncExitStack() as callers, asyncio.TaskGroup() as talking:
        long = await up(await fleet.order(), old, callers)
        begun, chat = time.monotonic(), Chat(long, every_s)
        said_all = [talking.create_task(chat.run())]
        assert (await asyncio.to_thread(old.agent.wait_for, 1))[0].enabled, "protected while the call lives"
        leased = await fleet.order()
        assert leased.entry.process_url == old.url
        new = await fleet.start("new")
        elsewhere = await placed_in(fleet, new)
        relayed = await up(elsewhere, old, callers)
        by_way = Chat(relayed, every_s)
        said_all.append(talking.create_task(by_way.run()))

        orders = Orders(fleet, new)
        coming = talking.create_task(orders.keep_coming())
        old.running.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            while await old.ready():
                await asyncio.sleep(0.01)
        told = time.monotonic()
        while time.monotonic() < told + NO_NEW_LEASE_AFTER_S + 2.0:
            await asyncio.sleep(0.1)
        orders.enough()
        await coming
        assert orders.after(told + NO_NEW_LEASE_AFTER_S) == {new.url}, "no lease in the old process"
        late = await up(leased, old, callers)
        assert await late.hang_up() == "caller_hangup"
        old.running.send_signal(signal.SIGTERM)  # asked again: nothing dies

        await asyncio.sleep(max(0.0, begun + lasts_s - time.monotonic()))  # as long as it is
        chat.enough()
        by_way.enough()
        await asyncio.gather(*said_all)
        assert old.running.returncode is None
        assert await long.hang_up() == "caller_hangup"
        assert await relayed.hang_up() == "caller_hangup"
        assert await old.exited(within_s=10) == 0, old.log

    assert await new.ready()
    new.running.send_signal(signal.SIGTERM)
    assert await new.exited(within_s=15) == 0, new.log
    records = await fleet.records(len(orders.placed) + 3)
    assert {record.end_reason for record in records.values()} == {"caller_hangup"}
    for talked in (chat, by_way):
        turns, lines = records[talked.caller.call_id].turns, [f"Line {line}" for line in range(talked.lines)]
        assert [turn.text for turn in turns if turn.role == "caller"] == lines, "not a word was lost"
        if real_time:  # by a fast clock a hiccup of milliseconds is a stalled socket: old audio is dropped, and the words with it
            assert [turn.text for turn in turns if turn.role == "agent"] == ["Hi!", *lines]
    check_figures([old, new], calls=len(records))
    for task in (old, new):
        assert task.agent.asked[-1] == Asked(False, 0) and task.agent.faults == []
        assert all(asked.minutes == 130 for asked in task.agent.asked if asked.enabled), "the longest call of the platform and a margin"


async def placed_in(fleet: Fleet, task: Task) -> OrderedCall:
    """A call whose slot is in this process."""
    ordered = await fleet.order()
    assert ordered.entry.process_url == task.url
    return ordered


def check_figures(tasks: Sequence[Task], *, calls: int) -> None:
    figures = [point for task in tasks for point in task.figures()]
    assert emf.total(figures, "CallsDroppedByUs") == 0
    assert emf.total(figures, "CallsStarted") == emf.total(figures, "CallsEnded") == calls
    assert emf.total(figures, "CallsEnded", EndReason="caller_hangup") == calls
    assert emf.total(figures, "ProtectionFailures") == 0


async def test_a_call_of_a_minute_over_aws(tmp_path: Path, emulator_stores: AwsStores, more_emulator_stores: AwsStores) -> None:
    """Meanwhile, in two other fleets, over another table and on disk, processes are killed: it saves the time of a test of its own."""
    folders = {name: tmp_path / name for name in ("minute", "table", "disk")}
    for folder in folders.values():
        folder.mkdir()
    async with (
        fleet_over_aws(folders["minute"], emulator_stores) as fleet,
        fleet_over_aws(folders["table"], more_emulator_stores, concurrent_calls=3) as table,
        fleet_on_disk(folders["disk"], concurrent_calls=3) as disk,
        asyncio.TaskGroup() as together,
    ):
        together.create_task(replaced(fleet, lasts_s=60, every_s=5, real_time=True))
        together.create_task(killed(table, survivors=("one", "two")))
        together.create_task(killed(disk, survivors=("one",)))
    call_ids = await emulator_stores.archive.list_calls(TENANT)
    longest_ms = max([(await emulator_stores.archive.get(TENANT, call_id)).duration_ms for call_id in call_ids])
    assert longest_ms >= 60_000


async def test_a_call_of_twenty_minutes_in_twenty_seconds(tmp_path: Path) -> None:
    """Calls live sixty times as fast; who is alive is agreed on in real time."""
    async with fleet_on_disk(tmp_path, speed=60, max_duration_s=7200) as fleet:
        await replaced(fleet, lasts_s=20, every_s=1.0, real_time=False)
        records = await fleet.records(len(await fleet.stores.archive.list_calls(TENANT)))
        last_ms = max(turn.end_ms for record in records.values() for turn in record.turns)
        assert last_ms >= 19 * 60_000, "the caller was heard for twenty minutes"


async def test_a_busy_task_that_holds_a_deployment_up_is_given_calls_only_where_no_other_has_room(tmp_path: Path) -> None:
    """Its next wish is refused: new calls go to the smaller new task, no caller is turned away, and it is stopped when it is empty."""
    async with fleet_on_disk(tmp_path, speed=60) as fleet, AsyncExitStack() as callers:
        old = await fleet.start("old")
        living = await up(await fleet.order(), old, callers)
        assert (await asyncio.to_thread(old.agent.wait_for, 1))[0].enabled
        new = await fleet.start("new", ENGINE_SLOTS="2")
        old.agent.mood = new.agent.mood = "held_up"
        count = 1
        async with asyncio.timeout(20):
            while (ordered := await fleet.order()).entry.process_url == old.url:
                await brief(ordered, old)
                count += 1
        in_new = [await up(one, new, callers) for one in (ordered, await placed_in(fleet, new))]
        await brief(await placed_in(fleet, old), old)
        assert await old.ready() and old.agent.protected, "nobody is turned away, and who talks is covered"
        for caller in (living, *in_new):
            assert await caller.hang_up() == "caller_hangup"
        async with asyncio.timeout(10):
            while old.agent.protected:
                await asyncio.sleep(0.01)
        old.running.send_signal(signal.SIGTERM)  # as ECS then does
        assert await old.exited(within_s=10) == 0, old.log
        records = await fleet.records(count + 3)
        assert {record.end_reason for record in records.values()} == {"caller_hangup"}
        assert emf.total(old.figures(), "CallsDroppedByUs") == emf.total(old.figures(), "ProtectionFailures") == 0
        assert "held up by tasks that are protected already" in new.log and old.agent.faults == new.agent.faults == []


async def up(ordered: OrderedCall, door: Task, callers: AsyncExitStack) -> Caller:
    """The call, once its greeting was heard."""
    caller = await callers.enter_async_context(dial(door.url, ordered.entry.call_id, ordered.ticket))
    await caller.begin()
    await caller.hears("audio.end", within_s=15)
    return caller


async def brief(ordered: OrderedCall, door: Task) -> None:
    """A call that is taken up and ended."""
    async with AsyncExitStack() as callers:
        assert await (await up(ordered, door, callers)).hang_up() == "caller_hangup"


async def killed(fleet: Fleet, survivors: tuple[str, ...]) -> None:
    """A process with two calls and a lease dies: each call is recorded once, whoever sees it, and seats and slots are free."""
    doomed = await fleet.start("doomed")
    async with AsyncExitStack() as callers:
        ordered = [await fleet.order() for _ in range(3)]
        calls = [await callers.enter_async_context(dial(doomed.url, one.entry.call_id, one.ticket)) for one in ordered[:2]]
        for caller in calls:
            await caller.begin()
            await caller.hears("audio.end", within_s=15)
        await talk(calls[0], "Remember me")
        left = await asyncio.gather(*(fleet.start(name) for name in survivors))
        with pytest.raises(QuotaExceeded, match="has 3 of 3 calls"):
            await fleet.order()
        doomed.running.send_signal(signal.SIGKILL)
        began = time.monotonic()
        for caller in calls:
            await caller.ended()
        records = await fleet.records(2, within_s=15)
        for one in ordered[:2]:
            while (await fleet.stores.ledger.get(TENANT, one.entry.call_id)).state != "ended":
                await asyncio.sleep(0.05)
        took_s = time.monotonic() - began
    assert took_s < 15, took_s
    assert {record.end_reason for record in records.values()} == {"lost"}
    assert [turn.text for turn in records[calls[0].call_id].turns] == ["Hi!", "Remember me", "Remember me"]
    for task in left:
        task.running.send_signal(signal.SIGTERM)
    assert [await task.exited(within_s=15) for task in left] == [0] * len(left)
    figures = [point for task in left for point in task.figures()]
    for name, under in (("CallsDroppedByUs", {}), ("CallsEnded", {}), ("CallsEnded", {"EndReason": "lost"})):
        assert emf.total(figures, name, **under) == 2, (name, under)
    heir = await fleet.start("heir")
    again = [await fleet.order() for _ in range(3)]
    assert {one.entry.process_url for one in again} == {heir.url}, "every seat is free, every slot elsewhere"
