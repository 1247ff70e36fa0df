"""Ten minutes without a control plane: calls that live go on, calls whose tickets are minted begin, and every one is recorded."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from tests.scenarios.house import Caller, House, dial, house, write_tenant

MINUTE_MS = 60_000.0
LIMITS = {"idle_timeout_s": 600, "no_input_s": 600}


async def test_living_calls_and_minted_tickets_outlive_the_control_plane(tmp_path: Path) -> None:
    """The house has a media process only; the desk that minted the tickets is never asked again. A second is a fiftieth of one."""
    write_tenant(tmp_path / "tenants", limits=LIMITS)
    async with house(tmp_path, speed=50) as home, AsyncExitStack() as lines:
        living, minted = await home.order(), await home.order()
        begun_ms = home.clock.monotonic_ms()
        first = await lines.enter_async_context(dial(home.url, living.entry.call_id, living.ticket, home.clock))
        await first.begin()
        await first.hears("audio.end")
        await until(home, begun_ms + 40_000)
        second = await lines.enter_async_context(dial(home.url, minted.entry.call_id, minted.ticket, home.clock))
        await second.begin()
        await second.hears("audio.end")
        for minute in range(1, 11):
            await until(home, begun_ms + minute * MINUTE_MS)
            for caller in (first, second):
                await talk(caller, f"Minute {minute}")
        for caller in (first, second):
            assert await caller.hang_up() == "caller_hangup"
        records = await home.many_records(2)
    assert {record.id for record in records} == {living.entry.call_id, minted.entry.call_id}
    assert all(record.end_reason == "caller_hangup" and record.duration_ms > 9 * MINUTE_MS for record in records)
    assert all("Minute 10" in [turn.text for turn in record.turns] for record in records)


async def until(home: House, at_ms: float) -> None:
    await home.clock.sleep_ms(max(0.0, at_ms - home.clock.monotonic_ms()))


async def talk(caller: Caller, text: str) -> None:
    await caller.type(text)
    await caller.hears("transcript", role="agent", text=text, final=True)
