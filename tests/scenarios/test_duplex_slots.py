"""Calls on PersonaPlex processes: one connection each, a full house is refused at the door, a long call moves without a gap."""

from __future__ import annotations

from pathlib import Path

from tests.scenarios.duplex_house import duplex_house
from tests.scenarios.house import LOUD, write_tenant


async def test_a_call_on_a_double(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with duplex_house(tmp_path) as built:
        async with built.house.call() as caller:
            await caller.hears("state", state="listening", within_s=5)
            await caller.speak(3000, LOUD)
            assert await caller.hang_up() == "caller_hangup"
        record = await built.house.record()
        assert record.slot_ms > 500
