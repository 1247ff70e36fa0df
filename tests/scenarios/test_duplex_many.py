"""Many calls on few PersonaPlex processes: nobody is ever second on a process, nobody runs with another's prompt."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from local.sidecar.options import SidecarOptions
from tests.scenarios.duplex_house import DuplexHouse, duplex_house
from tests.scenarios.house import QUIET, write_tenant

QUICK = SidecarOptions(mode="silent", setup_s=0.05)
CALLS = 24


def shops(folder: Path) -> list[str]:
    names = [f"shop_{number}" for number in range(CALLS)]
    for name in names:
        write_tenant(folder / "tenants", name, system_prompt=f"You work for {name} alone.", first_speaker="caller")
    return names


async def call(built: DuplexHouse, tenant: str, talk_ms: float) -> None:
    async with built.house.call(tenant) as caller:
        await caller.hears("state", state="listening")
        await caller.speak(talk_ms, QUIET)
        assert await caller.hang_up() == "caller_hangup"
    await built.house.record(tenant)


def nobody_met_anybody(built: DuplexHouse, names: list[str]) -> None:
    sessions = [dump for double in built.doubles for dump in double.sessions]
    assert not any(dump.leaked for dump in sessions)
    assert built.most_open() == 1
    assert {dump.ended for dump in sessions} == {"closed"}
    served = sorted(name for name in names for dump in sessions if f"You work for {name} alone." in dump.used_prompt)
    assert served == sorted(names)
    assert len(sessions) == len(names)
    assert {row.state for row in built.pool.status()} == {"free"}


async def test_three_at_once_coming_and_going(tmp_path: Path) -> None:
    names = shops(tmp_path)
    waiting = list(names)
    chance = random.Random(7)
    async with duplex_house(tmp_path, processes=4, double=QUICK) as built:

        async def caller() -> None:
            while waiting:
                await call(built, waiting.pop(), chance.uniform(20, 200))

        await asyncio.gather(*(caller() for _ in range(3)))
        nobody_met_anybody(built, names)
