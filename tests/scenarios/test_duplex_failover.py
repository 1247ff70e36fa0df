"""Sidecars that fail under a call: another process takes over, then the next engine, and the caller is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local.sidecar.options import SidecarOptions
from media_plane.wiring import Instead
from tests.fakes.pcm_sidecar_server import Side, sidecar_server
from tests.scenarios.duplex_house import QuickEar, QuickVoice, duplex_house
from tests.scenarios.house import QUIET, Caller, House, house, speech, write_tenant

SILENT = SidecarOptions(mode="silent", setup_s=0.1)
FAST: dict[str, Any] = {"personaplex_connect_timeout": 1, "personaplex_reconnect_delay": 0.1, "engine_mute_s": 1}


async def talk(home: House, ms: float = 1500) -> Caller:
    async with home.call() as caller:
        await caller.hears("state", state="listening")
        await caller.speak(ms, QUIET)
        await caller.hang_up()
    return caller


@pytest.mark.parametrize("fault", ["fail_after_frames", "drop_after_frames"])
async def test_a_process_that_dies_is_replaced_by_the_spare(tmp_path: Path, fault: str) -> None:
    write_tenant(tmp_path / "tenants")
    async with duplex_house(tmp_path, double=SILENT, **FAST) as built:
        setattr(built.doubles[0].faults, fault, 5)
        caller = await talk(built.house, 2500)
        record = await built.house.record()
        assert [(move.generation, move.reason) for move in record.engine_rotations] == [(2, "lost")]
        assert caller.messages("mode_changed") == []
        assert record.engine == "personaplex"
        assert built.most_open() == 1


async def test_when_the_spare_dies_too_the_cascade_takes_over(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with duplex_house(tmp_path, double=SILENT, **FAST) as built:
        for double in built.doubles:
            double.faults.fail_after_frames = 5
        async with built.house.call() as caller:
            await caller.hears("state", state="listening")
            await caller.speak(2500, QUIET)
            await caller.hears("mode_changed", to="voice", reason="engine_lost")
            await caller.hang_up()
        record = await built.house.record()
        assert record.mode_changes[0].reason == "engine_lost"
        assert sorted(row.state for row in built.pool.status()) == ["free", "free"]


@pytest.mark.parametrize("fault", ["refuse_handshake", "never_handshake"])
async def test_a_model_that_cannot_be_opened_is_followed_by_the_cascade(tmp_path: Path, fault: str) -> None:
    write_tenant(tmp_path / "tenants")
    async with duplex_house(tmp_path, double=SILENT, **FAST) as built:
        for double in built.doubles:
            setattr(double.faults, fault, True)
        async with built.house.call() as caller:
            await caller.hears("mode_changed", to="voice", reason="engine_unreachable")
            await caller.hears("transcript", role="agent", text="Hi!")
            await caller.hang_up()
        assert (await built.house.record()).slot_ms > 0


async def test_a_window_without_a_spare_ends_at_the_cascade(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    over: dict[str, Any] = {"personaplex_rotate_after_s": 5, "personaplex_window_s": 10, "personaplex_connect_timeout": 5}
    async with duplex_house(tmp_path, processes=1, double=SILENT, speed=5, **over) as built:
        async with built.house.call() as caller:
            await caller.hears("state", state="listening")
            await caller.speak(12_000, QUIET)
            await caller.hears("mode_changed", to="voice", reason="engine_window_ended")
            await caller.hang_up()
        record = await built.house.record()
        assert [event.event for event in record.transcript if event.type == "error"][:2] == ["engine_no_spare", "engine_window_ended"]


async def test_a_sidecar_of_ones_own(tmp_path: Path) -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.listen()

    write_tenant(tmp_path / "tenants")
    async with sidecar_server(script) as server:
        given = Instead(speech=speech(None, QuickEar(), QuickVoice()))
        over: dict[str, Any] = {"engine": "pcm_sidecar", "pcm_sidecar_ws_url": server.url, "engine_slots": 2}
        async with house(tmp_path, instead=given, **over) as home:
            assert home.slots is not None
            assert home.slots.usable == 2
            async with home.call() as one, home.call() as two:
                for caller in (one, two):
                    await caller.hears("state", state="listening")
                await one.speak(300, QUIET)
                await one.hang_up()
                await two.hang_up()
            records = await home.many_records(2)
            assert {record.engine for record in records} == {"pcm_sidecar"}
            assert all(record.slot_ms > 0 for record in records)
