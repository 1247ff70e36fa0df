"""The real processes, killed: what was said is recorded as lost, a tool's effect happens at most once, the seat is free again."""

# ruff: noqa: ASYNC110  (what is waited for is written by another process or another connection)

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nexus.adapters.embedded import embedded_stores, ticket_private_key
from nexus.clock import Clock
from tests.fakes.opus_file import decoded
from tests.scenarios.house import TENANT, House, make_settings, write_tenant

BOOK = """
class Book(BaseTool):
    name = 'book_appointment'
    description = 'Book an appointment'
    effect = 'write'
    parameters = {}
    async def execute(self, context, **arguments):
        import asyncio
        seen = await context.store.list('booking')
        await context.store.put('booking/%d' % len(seen), {'n': len(seen)})
        await asyncio.sleep(6)
        return {'booked': True}
"""
MEDIA = ("-m", "media_plane")
NEXUS = ("-m", "local.cli", "run")
ROOT = Path(__file__).parents[2]
BLOCKED = "import sys; sys.modules['local'] = None; import runpy; runpy.run_module('media_plane', run_name='__main__')"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def process(
    folder: Path, *arguments: str, before: tuple[str, ...] = (), **more: str
) -> AsyncIterator[tuple[House, asyncio.subprocess.Process]]:
    """A media or whole-product process over ``folder``, ready for calls."""
    port = free_port()
    settings = make_settings(folder)
    stores = embedded_stores(settings)
    ticket_private_key(settings)
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PORT": str(port),
        "DATA_DIR": str(settings.data_dir),
        "TENANTS_DIR": str(settings.tenants_dir),
        "ENGINE": "scripted",
        "HOME": str(folder),
        **more,
    }
    log = (folder / f"log.{port}").open("wb")
    running = await asyncio.create_subprocess_exec(*before, sys.executable, *arguments, env=env, cwd=folder, stdout=log, stderr=log)
    try:
        async with asyncio.timeout(40):
            while True:
                if running.returncode is not None:
                    pytest.fail((folder / f"log.{port}").read_text())
                said = (folder / f"log.{port}").read_bytes()
                if b"Nexus is ready" in said or b"serving calls" in said:
                    break
                await asyncio.sleep(0.1)
        yield House(f"ws://127.0.0.1:{port}", settings, stores, Clock()), running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()
        log.close()


@pytest.mark.parametrize("entry", [MEDIA, NEXUS], ids=["media_plane", "nexus run"])
async def test_killed_in_the_middle_of_a_call(tmp_path: Path, entry: tuple[str, ...]) -> None:
    """One call in the middle of a talk, one before its first word."""
    write_tenant(tmp_path / "tenants")
    write_tenant(tmp_path / "tenants", "shy_shop", first_speaker="caller")
    async with process(tmp_path, *entry) as (home, running), home.call() as caller, home.call("shy_shop") as shy:
        await shy.hears("session.started")
        await caller.hears("audio.end")
        await caller.type("Remember me")
        await caller.hears("transcript", role="agent", text="Remember me", final=True)
        await asyncio.sleep(0.2)
        running.send_signal(signal.SIGKILL)
        await caller.ended()
        assert await home.records() == []
    async with process(tmp_path, *entry) as (home, _):
        record = await home.record(within_s=20)
        assert (record.end_reason, record.status) == ("lost", "failed")
        assert (await home.record("shy_shop")).end_reason == "lost"
        assert [turn.text for turn in record.turns][:3] == ["Hi!", "Remember me", "Remember me"]
        assert (await home.order()).entry.state == "ready", "the seat is free"


async def test_what_was_recorded_until_the_death_is_kept_and_what_is_lost_is_told(tmp_path: Path) -> None:
    """Three recorded calls: the file of one is found by the next process, that of another has died with its disk, and in the third the
    caller has refused: what lies there of it is not stored."""
    recorded = {"enabled": True, "consent_line": "We record this."}
    for shop in (TENANT, "other_shop", "shy_shop"):
        write_tenant(tmp_path / "tenants", shop, recording=recorded)
    spool = tmp_path / "data" / "spool"
    async with (
        process(tmp_path, *MEDIA) as (home, running),
        home.call() as caller,
        home.call("other_shop") as other,
        home.call("shy_shop") as shy,
    ):
        await caller.hears("audio.end")
        await shy.type("Please don't record this.")
        await asyncio.gather(caller.speak(3_000), other.speak(3_000), shy.speak(3_000))
        assert not (spool / f"{shy.call_id}.opus").exists()
        running.send_signal(signal.SIGKILL)
        await caller.ended()
    (spool / f"{other.call_id}.opus").rename(spool / f"{shy.call_id}.opus")  # as if it could not be removed in time
    with (spool / f"{caller.call_id}.opus").open("ab") as file:
        file.write(b"OggS\0\0 a page that was being written")
    async with process(tmp_path, *MEDIA) as (home, _):
        record = await home.record(within_s=20)
        without = await home.record("other_shop")
        refused = await home.record("shy_shop")
    (kept,) = (tmp_path / "data" / "media").rglob("*.opus")
    assert (record.end_reason, record.recording.status) == ("lost", "stored")
    assert (without.end_reason, without.recording.status, without.recording.bytes) == ("lost", "lost", 0)
    assert (refused.end_reason, refused.recording.status, refused.recording.bytes) == ("lost", "refused", 0)
    assert record.recording.duration_ms > 1_500, "at most the last two seconds are missing"
    assert len(decoded(kept.read_bytes())[0]) / 48 == pytest.approx(record.recording.duration_ms, abs=10)
    assert kept.stat().st_size == record.recording.bytes
    assert [*spool.iterdir()] == []


async def test_sigterm_lets_the_call_end_and_takes_no_other(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with process(tmp_path, *MEDIA) as (home, running), home.call() as caller:
        await caller.hears("audio.end")
        running.terminate()
        async with asyncio.timeout(5):
            while b"draining" not in (tmp_path / f"log.{home.url.rpartition(':')[2]}").read_bytes():
                await asyncio.sleep(0.02)
        await caller.type("Still there?")
        await caller.hears("transcript", role="agent", text="Still there?", final=True)
        assert await caller.hang_up() == "caller_hangup"
        async with asyncio.timeout(10):
            assert await running.wait() == 0
        assert (await home.record()).end_reason == "caller_hangup"


async def test_the_media_plane_serves_a_call_where_local_cannot_be_imported(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with process(tmp_path, "-c", BLOCKED) as (home, _), home.call() as caller:
        await caller.hears("audio.end")
        assert await caller.hang_up() == "caller_hangup"
        assert (await home.record()).end_reason == "caller_hangup"


async def test_port_taken(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PORT": str(taken.getsockname()[1]), "ENGINE": "scripted"}
        env |= {"DATA_DIR": str(tmp_path / "data"), "TENANTS_DIR": str(tmp_path / "tenants")}
        for entry in (MEDIA, NEXUS):
            running = await asyncio.create_subprocess_exec(
                sys.executable, *entry, env=env, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
            said, _ = await running.communicate()
            assert running.returncode not in (0, None)
            assert b"PORT" in said and b"Traceback" not in said, said.decode()


async def test_killed_while_a_tool_books_with_the_speech_model_missing(tmp_path: Path) -> None:
    """No speech model: the call goes on in writing. The tool is killed with the process: its one effect stands, its outcome is unknown."""
    write_tenant(tmp_path / "tenants", tools=BOOK, enabled_tools=["book_appointment"])
    nowhere: dict[str, Any] = {
        "ENGINE": "cascade",
        "STT_MODEL_DIR": str(tmp_path / "nowhere"),
        "ENGINE_CONNECT_ATTEMPTS": "1",
        "CHAT_MODEL": "scripted",
    }
    async with process(tmp_path, *MEDIA, **nowhere) as (home, running), home.call() as caller:
        await caller.hears("mode_changed", within_s=15, to="text_only", reason="engine_unreachable")
        assert b"STT_MODEL_DIR" in (tmp_path / f"log.{home.url.rpartition(':')[2]}").read_bytes()
        await caller.until(caller.agent_lines)  # the greeting is no answer
        await caller.type("Please book an appointment")
        for _ in range(3):
            said = len(caller.agent_lines())

            def answered(said: int = said) -> bool:
                return bool(caller.at("tool", status="running")) or len(caller.agent_lines()) > said

            await caller.until(answered, 10)
            if caller.at("tool", status="running"):
                break
            await caller.type("Yes please")
        await caller.hears("tool", status="running")
        async with asyncio.timeout(10):
            while not await home.stores.tool_values.list(TENANT, "booking"):
                await asyncio.sleep(0.05)
        running.send_signal(signal.SIGKILL)
        await caller.ended()
    async with process(tmp_path, *MEDIA, **nowhere) as (home, _):
        record = await home.record(within_s=20)
        assert record.end_reason == "lost"
        assert [(use.name, use.status) for use in record.tools] == [("book_appointment", "unknown")]
        assert len(await home.stores.tool_values.list(TENANT, "booking")) == 1
