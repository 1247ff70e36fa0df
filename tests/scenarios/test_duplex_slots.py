"""Calls on PersonaPlex processes: one connection each, a full house is refused at the door, a waiting call is primed, a long one moves."""

# ruff: noqa: ASYNC110  (what is waited for happens in another connection)

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from local.sidecar.options import SidecarOptions
from nexus.errors import QuotaExceeded
from tests.scenarios.duplex_house import DuplexHouse, duplex_house
from tests.scenarios.house import QUIET, TENANT, dial, write_tenant

QUICK = SidecarOptions(mode="silent", setup_s=0.1)


async def until(met: Callable[[], Any], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not met():
            await asyncio.sleep(0.01)


def states(built: DuplexHouse) -> list[str]:
    return sorted(row.state for row in built.pool.status())


async def test_a_call_holds_one_process_and_gives_it_back(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with duplex_house(tmp_path, double=QUICK) as built:
        async with built.house.call() as caller:
            await caller.hears("state", state="listening")
            assert states(built) == ["free", "taken"]
            await caller.speak(300, QUIET)
            assert await caller.hang_up() == "caller_hangup"
        await until(lambda: states(built) == ["free", "free"], within_s=2)
        record = await built.house.record()
        assert record.engine == "personaplex"
        assert record.slot_ms > 300
        assert record.engine_rotations == ()
        assert [dump.ended for double in built.doubles for dump in double.sessions] == ["closed"]


async def test_a_caller_who_vanishes_leaves_a_free_process(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with duplex_house(tmp_path, double=QUICK) as built:
        async with built.house.call() as caller:
            await caller.hears("state", state="listening")
            caller.connection.transport.abort()
            await until(lambda: states(built) == ["free", "free"], within_s=2)
        assert (await built.house.record()).end_reason == "caller_lost"


class TestTheDoor:
    @pytest.mark.parametrize("door", ["ticket", "simple"])
    async def test_a_full_house_refuses_before_the_upgrade_and_the_ticket_stays_good(self, tmp_path: Path, door: str) -> None:
        write_tenant(tmp_path / "tenants")
        async with duplex_house(tmp_path, double=QUICK) as built:
            ordered = await built.house.order()
            leases = [built.pool.take(f"call_{number}", "rotation") for number in range(2)]
            path = f"/v1/calls/{ordered.entry.call_id}" if door == "ticket" else f"/ws/call/{TENANT}"
            headers = {"authorization": f"Bearer {ordered.ticket}"} if door == "ticket" else {}
            began = time.perf_counter()
            with pytest.raises(InvalidStatus) as refused:
                async with connect(built.house.url + path, additional_headers=headers, proxy=None):
                    raise AssertionError("let in")
            took_ms = (time.perf_counter() - began) * 1000
            answer = refused.value.response
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert b"no_engine_slot" in bytes(answer.body or b"")
            assert took_ms < 100
            for lease in leases:
                lease.give_back(sound=True)
            if door == "ticket":
                async with dial(built.house.url, ordered.entry.call_id, ordered.ticket) as caller:
                    await caller.begin()
                    await caller.hears("state", state="listening")
                    await caller.hang_up()
            else:
                assert await built.house.stores.archive.list_calls(TENANT) == ()

    async def test_the_ledger_has_room_for_the_healthy_processes_less_the_spares(self, tmp_path: Path) -> None:
        write_tenant(tmp_path / "tenants")
        async with duplex_house(tmp_path, double=QUICK, processes=3) as built:
            assert [await built.house.order() for _ in range(2)]
            with pytest.raises(QuotaExceeded) as full:
                await built.house.order()
            assert full.value.code == "no_engine_slot"

    async def test_no_process_lives(self, tmp_path: Path) -> None:
        write_tenant(tmp_path / "tenants")
        async with duplex_house(tmp_path, double=QUICK) as built:
            for double in built.doubles:
                await double.stop()
            await until(lambda: states(built) == ["down", "down"], within_s=8)
            assert (built.pool.healthy, built.pool.usable) == (0, 0)
            for double in built.doubles:
                await double.start()
            await until(lambda: states(built) == ["free", "free"], within_s=8)

    async def test_a_tenant_of_the_cascade_needs_no_process(self, tmp_path: Path) -> None:
        write_tenant(tmp_path / "tenants", engines=["cascade"])
        async with duplex_house(tmp_path, double=QUICK) as built:
            ordered = await built.house.order()
            for number in range(2):
                built.pool.take(f"call_{number}", "rotation")
            async with dial(built.house.url, ordered.entry.call_id, ordered.ticket) as caller:
                await caller.begin()
                await caller.hears("state", state="listening")
                await caller.hang_up()
            assert [len(double.sessions) for double in built.doubles] == [0, 0]
            record = await built.house.record()
            assert record.slot_ms == 0


class TestPriming:
    async def test_a_waiting_call_has_its_session_set_up_before_the_caller_comes(self, tmp_path: Path) -> None:
        write_tenant(tmp_path / "tenants")
        async with duplex_house(tmp_path, double=SidecarOptions(mode="silent", setup_s=1.0)) as built:
            ordered = await built.house.order()
            await until(lambda: any(dump.handshake_at_ms for double in built.doubles for dump in double.sessions))
            began = time.perf_counter()
            async with dial(built.house.url, ordered.entry.call_id, ordered.ticket) as caller:
                await caller.begin()
                await caller.hears("state", state="listening")
                assert time.perf_counter() - began < 0.6  # a set-up takes a second
                await caller.speak(500, QUIET)
                await caller.hang_up()
            assert sum(len(double.sessions) for double in built.doubles) == 1
            record = await built.house.record()
            assert record.slot_ms > record.duration_ms + 900

    async def test_a_caller_who_comes_while_it_is_being_set_up_waits_for_that_one(self, tmp_path: Path) -> None:
        write_tenant(tmp_path / "tenants")
        async with duplex_house(tmp_path, double=SidecarOptions(mode="silent", setup_s=1.5)) as built:
            ordered = await built.house.order()
            await until(lambda: any(double.sessions for double in built.doubles))
            async with dial(built.house.url, ordered.entry.call_id, ordered.ticket) as caller:
                await caller.begin()
                await caller.hears("state", state="listening")
                await caller.hang_up()
            assert sum(len(double.sessions) for double in built.doubles) == 1

    async def test_a_call_whose_caller_never_comes_lets_its_process_go(self, tmp_path: Path) -> None:
        write_tenant(tmp_path / "tenants")
        async with duplex_house(tmp_path, double=QUICK, speed=30) as built:
            await built.house.order()
            await until(lambda: states(built) == ["free", "taken"])
            await until(lambda: states(built) == ["free", "free"], within_s=10)
            assert [dump.ended for double in built.doubles for dump in double.sessions] == ["closed"]

    async def test_the_end_of_the_house_closes_what_was_primed(self, tmp_path: Path) -> None:
        write_tenant(tmp_path / "tenants")
        async with duplex_house(tmp_path, double=QUICK) as built:
            await built.house.order()
            await until(lambda: any(dump.handshake_at_ms for double in built.doubles for dump in double.sessions))
            pool = built.pool
        assert sorted(row.state for row in pool.status()) == ["free", "free"]


async def test_a_long_call_moves_from_process_to_process(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", first_speaker="caller")
    over: dict[str, Any] = {"personaplex_rotate_after_s": 6, "personaplex_window_s": 30}
    async with duplex_house(tmp_path, double=SidecarOptions(mode="silent", setup_s=0.5), speed=5, **over) as built:
        async with built.house.call() as caller:
            await caller.hears("state", state="listening")
            await caller.speak(30_000, QUIET)
            await caller.hang_up()
        record = await built.house.record()
        moves = record.engine_rotations
        assert len(moves) >= 3
        assert [move.generation for move in moves] == list(range(2, 2 + len(moves)))
        assert {move.reason for move in moves} == {"window"}
        assert built.most_open() == 1
        assert len(built.prompts()) == len(moves) + 1
        assert record.mode_changes == ()
        assert not any(dump.leaked for double in built.doubles for dump in double.sessions)
        assert max(move.gap_ms for move in moves) <= 500 * 2  # in compressed time a late event loop counts five times
