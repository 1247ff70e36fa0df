"""Ten minutes without a control plane: calls that live go on, calls whose tickets are minted begin, and every one is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from control_plane.services.calls import OrderedCall
from nexus.adapters.aws import AwsStores
from nexus.clock import Clock
from nexus.domain.session import SessionRecord
from tests.scenarios.fleet import fleet_over_aws
from tests.scenarios.house import TENANT, Caller, dial, house, write_tenant
from tests.scenarios.test_aws_media import lying_in_bucket

MINUTE_MS = 60_000.0
SPEED = 40.0
LIMITS = {"idle_timeout_s": 600, "no_input_s": 600}


@dataclass(frozen=True, slots=True)
class Alone:
    """A media process, and two calls that were ordered before its control plane went; the calls live by the clock."""

    url: str
    clock: Clock
    ordered: Sequence[OrderedCall]


async def ten_minutes(alone: Alone) -> None:
    """The first call begins at once, the second 40 s later; both talk each minute."""
    clock, (living, minted) = alone.clock, alone.ordered
    begun_ms = clock.monotonic_ms()
    async with AsyncExitStack() as lines:
        first = await begun(alone, living, lines)
        await until(clock, begun_ms + 40_000)
        second = await begun(alone, minted, lines)
        for minute in range(1, 11):
            await until(clock, begun_ms + minute * MINUTE_MS)
            for caller in (first, second):
                await talk(caller, f"Minute {minute}")
        for caller in (first, second):
            assert await caller.hang_up() == "caller_hangup"


def check_records(records: Sequence[SessionRecord], alone: Alone) -> None:
    assert {record.id for record in records} == {one.entry.call_id for one in alone.ordered}
    for record in records:
        assert record.end_reason == "caller_hangup"
        said = [turn.text for turn in record.turns if turn.role == "caller"]
        assert said == [f"Minute {minute}" for minute in range(1, 11)], "nothing is lost"
        assert record.turns[-1].end_ms > 9 * MINUTE_MS


async def test_living_calls_and_minted_tickets_outlive_the_control_plane(tmp_path: Path) -> None:
    """The house has a media process only; the desk that minted the tickets is never asked again. A second is a fiftieth of one."""
    write_tenant(tmp_path / "tenants", limits=LIMITS)
    async with house(tmp_path, speed=50) as home:
        alone = Alone(home.url, home.clock, [await home.order(), await home.order()])
        await ten_minutes(alone)
        records = await home.many_records(2)
    check_records(records, alone)
    assert all(record.duration_ms > 9 * MINUTE_MS for record in records)


async def test_over_a_table_and_a_bucket_too(tmp_path: Path, emulator_stores: AwsStores) -> None:
    """A process as a container runs it; the REST API that published the tenant is gone, and the desk that minted the tickets is too. Calls
    live forty times as fast; tickets, leases and heartbeats by the real clock."""
    async with fleet_over_aws(tmp_path, emulator_stores, speed=SPEED) as fleet:
        task = await fleet.start("alone")
        alone = Alone(task.url, Clock(speed=SPEED), [await fleet.order(), await fleet.order()])
        await ten_minutes(alone)
        records = await fleet.records(2)
        assert task.running.returncode is None and "heartbeat failed" not in task.log
    check_records([*records.values()], alone)
    for call_id, record in records.items():
        assert lying_in_bucket(emulator_stores, call_id)["id"] == record.id
        entry = await emulator_stores.ledger.get(TENANT, call_id)
        assert (entry.state, entry.end_reason) == ("ended", "caller_hangup"), "seat and slot are given back"


async def begun(alone: Alone, ordered: OrderedCall, lines: AsyncExitStack) -> Caller:
    caller = await lines.enter_async_context(dial(alone.url, ordered.entry.call_id, ordered.ticket, alone.clock))
    await caller.begin()
    await caller.hears("audio.end")
    return caller


async def until(clock: Clock, at_ms: float) -> None:
    await clock.sleep_ms(max(0.0, at_ms - clock.monotonic_ms()))


async def talk(caller: Caller, text: str) -> None:
    await caller.type(text)
    await caller.hears("transcript", within_s=15, role="agent", text=text, final=True)
