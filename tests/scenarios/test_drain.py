"""A process that is told to go: whom it still serves, what it says when it may wait no longer, and how it starts and ends as a task."""

# ruff: noqa: ASYNC110  (what is waited for is written by another process)

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from media_plane.server.draining import DrainTerms
from nexus.errors import ConfigurationError
from nexus.settings.values import load_settings
from tests import emf
from tests.fakes.ecs_agent import Asked
from tests.scenarios.fleet import fleet_on_disk
from tests.scenarios.house import ECHO, TENANT, Caller, House, dial, house, write_tenant

ROOT = Path(__file__).parents[2]
SORRY = "I'm sorry, I have to end this call here. Please call us again."


async def drained(home: House, terms: DrainTerms) -> None:
    assert home.calls is not None
    async with asyncio.timeout(20):
        await home.calls.empty(terms)


def answered(caller: Caller, text: str) -> bool:
    return text in caller.agent_lines()


# --- at the limit ---


async def test_whoever_still_talks_at_the_limit_is_told_in_the_agents_voice(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path) as home, home.call() as caller:
        await caller.hears("audio.end")
        before = len(caller.audio_after(0))
        await drained(home, DrainTerms(within_s=10.1, farewell_s=10))
        assert await caller.ended() == "draining_forced"
        assert answered(caller, SORRY) and len(caller.audio_after(0)) > before
        record = await home.record()
    assert (record.end_reason, record.status) == ("draining_forced", "abandoned")
    assert (record.turns[-1].text, record.turns[-1].heard_text, record.turns[-1].interrupted) == (SORRY, SORRY, False)


async def test_what_the_agent_says_meanwhile_gives_way(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", greeting="word " * 200)
    async with house(tmp_path) as home, home.call() as caller:
        await caller.hears("audio.begin")
        await drained(home, DrainTerms(within_s=10.1, farewell_s=10))
        record = await home.record()
    assert record.end_reason == "draining_forced"
    assert [turn.interrupted for turn in record.turns] == [True, False] and record.turns[-1].heard_text == SORRY
    assert record.interruptions.caller == 0, "the caller interrupted nobody"


async def test_a_tenant_may_say_it_in_its_own_words_or_not_at_all(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", phrases={"must_end": "Leider muss ich jetzt auflegen."})
    write_tenant(tmp_path / "tenants", "mute_shop", phrases={"must_end": ""})
    async with house(tmp_path) as home, home.call() as caller, home.call("mute_shop") as mute:
        await caller.hears("audio.end")
        await mute.hears("audio.end")
        said = len(mute.agent_lines())
        await drained(home, DrainTerms(within_s=10.1, farewell_s=10))
        assert answered(caller, "Leider muss ich jetzt auflegen.")
        assert len(mute.agent_lines()) == said
        assert {await caller.ended(), await mute.ended()} == {"draining_forced"}


async def test_a_farewell_that_takes_too_long_is_cut(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", phrases={"must_end": "word " * 500})
    async with house(tmp_path) as home, home.call() as caller:
        await caller.hears("audio.end")
        await drained(home, DrainTerms(within_s=0.6, farewell_s=0.5))
        assert await caller.ended() == "draining_forced"
        assert (await home.record()).end_reason == "draining_forced"


# --- whom it still serves ---


async def test_a_process_that_drains_waits_for_the_callers_of_its_leases(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path) as home:
        assert home.calls is not None
        ordered = await home.order()
        draining = asyncio.create_task(drained(home, DrainTerms(within_s=15, leases=True)))
        while not home.calls.occupancy.waiting:
            await asyncio.sleep(0.01)
        async with dial(home.url, ordered.entry.call_id, ordered.ticket) as caller:
            await caller.begin()
            await caller.hears("audio.end")
            assert not draining.done()
            assert await caller.hang_up() == "caller_hangup"
        await draining
        assert (await home.record()).end_reason == "caller_hangup"


async def test_a_process_that_drains_stays_for_a_call_that_is_just_being_placed(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path) as home:
        begun = asyncio.get_running_loop().time()
        await drained(home, DrainTerms(within_s=5, leases=True, linger_s=0.4))
        assert asyncio.get_running_loop().time() - begun >= 0.4


async def test_no_call_outlasts_the_platforms_cap(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", limits={"max_duration_s": 3600, "idle_timeout_s": 600, "no_input_s": 600})
    async with house(tmp_path, ECHO, speed=10, call_cap_s=20) as home, home.call() as caller:
        await caller.hears("session.started")
        assert caller.messages("session.started")[0]["limits"]["max_duration_s"] == 20
        assert await caller.ended(within_s=10) == "max_duration"


# --- as a task of ECS ---


async def test_a_task_at_its_limit_whose_agent_hangs(tmp_path: Path) -> None:
    """The limit is a setting, what it cuts is counted, and an agent without an answer keeps no caller waiting and no process alive."""
    async with fleet_on_disk(tmp_path) as fleet:
        task = await fleet.start("task", DRAIN_LIMIT_S="9")
        task.agent.mood = "hangs"
        ordered = await fleet.order()
        async with dial(task.url, ordered.entry.call_id, ordered.ticket) as caller:
            await caller.begin()
            await caller.hears("audio.end")
            await asyncio.to_thread(task.agent.wait_for, 1)
            task.running.send_signal(signal.SIGTERM)
            await caller.type("Still there?")
            await caller.hears("transcript", role="agent", text="Still there?", final=True)
            assert await caller.ended(within_s=15) == "draining_forced"
            assert answered(caller, SORRY)
        assert await task.exited(within_s=15) == 0
        (record,) = (await fleet.records(1)).values()
        assert record.end_reason == "draining_forced"
        assert (await fleet.stores.ledger.get(TENANT, ordered.entry.call_id)).end_reason == "draining_forced"
        figures = task.figures()
        assert emf.total(figures, "CallsDroppedByUs") == emf.total(figures, "CallsEnded", EndReason="draining_forced") == 1
        assert "no answer within" in task.log and emf.total(figures, "ProtectionFailures") >= 1
        assert task.agent.asked[-1] == Asked(False, 0)


async def test_what_ecs_does_not_tell_is_named_at_the_start(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    relay, protect = {"MEDIA_RELAY_URL": "ecs", "PORT": "8765"}, {"SCALE_IN_PROTECTION": "ecs", "PORT": "0"}
    await asyncio.gather(
        refused(tmp_path, relay, "ECS_CONTAINER_METADATA_URI_V4"),
        refused(tmp_path, {**relay, "ECS_CONTAINER_METADATA_URI_V4": "http://127.0.0.1:9/v4/x"}, "metadata cannot be read"),
        refused(tmp_path, protect, "ECS_AGENT_URI"),
    )


async def refused(folder: Path, env: dict[str, str], says: str) -> None:
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "media_plane"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ENGINE": "scripted", **env},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(running.communicate(), 30)
    assert running.returncode == 1 and says in said.decode() and "Traceback" not in said.decode(), said


def test_a_task_needs_a_port_that_others_know() -> None:
    with pytest.raises(ConfigurationError, match="needs a fixed port"):
        load_settings(None, media_relay_url="ecs", port=0)
