"""What a probe is told of a media process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from media_plane.server.health import Health
from media_plane.slots import SlotPool
from nexus.clock import Clock
from tests.scenarios.house import house, write_tenant


def told(health: Health, *, ready: bool = True) -> tuple[bool, dict[str, Any]]:
    fine, body = health.answer(ready=ready)
    return fine, json.loads(body)


async def pool(*alive: bool, spares: int = 0) -> SlotPool:
    """Server processes of which some live."""
    lives = {f"ws://p{number}": one for number, one in enumerate(alive)}

    async def probe(address: str) -> bool:
        return lives[address]

    made = SlotPool([*lives], spares, Clock(), probe)
    await made.check_all()
    return made


async def test_server_processes_are_counted_and_the_dead_named(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path) as home:
        assert home.calls is not None
        fine, found = told(Health(home.calls, (), await pool(True, True, False, spares=1)))
        assert fine and found["status"] == "ready"
        assert found["checks"]["engine_slots"] == {
            "ok": True,
            "detail": "2 of 3 processes live, 2 free; calls at once: 1; does not answer: ws://p2",
        }
        fine, found = told(Health(home.calls, (), await pool(False, False)))
        assert not fine and found["status"] == "not_ready"
        assert found["checks"]["engine_slots"] == {
            "ok": False,
            "detail": "0 of 2 processes live, 0 free; calls at once: 0; does not answer: ws://p0, ws://p1",
        }


async def test_models_that_did_not_load_and_draining_are_not_ready_but_alive(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path) as home:
        assert home.calls is not None
        broken = Health(home.calls, ("no voice", "no ear"), None)
        fine, found = told(broken)
        assert (fine, found["checks"]["engine"]) == (False, {"ok": False, "detail": "no voice; no ear"})
        assert "engine_slots" not in found["checks"]
        sound = Health(home.calls, (), None)
        assert told(sound)[0]
        await home.calls.drain(0.1)
        fine, found = told(sound)
        assert (fine, found["checks"]["draining"]["ok"]) == (False, False)
        assert told(broken, ready=False) == (True, {"status": "ok", "active_calls": 0})
