"""Every way a call can end, over both shells: each leaves exactly one archived record with its own end_reason."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from media_plane.conversation.events import HangUpRequested
from media_plane.engines.scripted import Emit, Reaction, Script, Speak
from tests.scenarios.house import QUIET, TENANT, Shell, dial, house, write_tenant

BOTH = pytest.mark.parametrize("shell", ["sockets", "uvicorn"])


@BOTH
async def test_hang_up(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, shell=shell) as home, home.call() as caller:
        await caller.hears("audio.end")
        await caller.type("Good morning")
        await caller.hears("transcript", role="agent", text="Good morning", final=True)
        assert await caller.hang_up() == "caller_hangup"
        record = await home.record()
    assert (record.end_reason, record.status) == ("caller_hangup", "completed")
    assert [(turn.role, turn.text) for turn in record.turns] == [("agent", "Hi!"), ("caller", "Good morning"), ("agent", "Good morning")]


@BOTH
async def test_ping_keeps_a_silent_socket_alive_and_idle_ends_it(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants", limits={"idle_timeout_s": 5, "no_input_s": 600})
    async with house(tmp_path, shell=shell, speed=10) as home, home.call() as caller:
        for number in range(4):
            await caller.tell("ping", t=number)
            await caller.clock.sleep_ms(3_000)
        assert [message["t"] for message in caller.messages("pong")] == [0, 1, 2, 3]
        began_ms = caller.clock.monotonic_ms()
        assert await caller.ended() == "idle_socket"
        assert caller.clock.monotonic_ms() - began_ms < 4_000
        assert (await home.record()).end_reason == "idle_socket"


@BOTH
async def test_no_input_is_prompted_twice_then_ends_with_a_goodbye(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants", limits={"no_input_s": 3}, phrases={"no_input": ["Still there?", "Hello?"], "goodbye": "Bye."})
    async with house(tmp_path, shell=shell, speed=10) as home, home.call() as caller:
        microphone = asyncio.create_task(caller.speak(60_000, QUIET))
        assert await caller.ended() == "no_input"
        microphone.cancel()
        assert caller.agent_lines() == ["Hi!", "Still there?", "Hello?", "Bye."]
        assert (await home.record()).end_reason == "no_input"


@BOTH
async def test_maximum_duration(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants", limits={"max_duration_s": 5})
    async with house(tmp_path, shell=shell, speed=10) as home, home.call() as caller:
        assert await caller.ended() == "max_duration"
        record = await home.record()
    assert record.end_reason == "max_duration"
    assert 5_000 <= record.duration_ms < 7_000


@BOTH
async def test_ended_from_outside_within_four_seconds(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, shell=shell) as home, home.call() as caller:
        await caller.hears("audio.begin")
        asked_ms = caller.clock.monotonic_ms()
        await home.stores.ledger.request_end(TENANT, caller.call_id)
        assert await caller.ended() == "tenant_ended"
        assert caller.clock.monotonic_ms() - asked_ms < 4_000
        assert (await home.record()).end_reason == "tenant_ended"


@BOTH
async def test_the_agent_hangs_up_after_its_last_word_is_heard(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants")
    goodbye = Reaction("turn", (Speak("So long!", 600), Emit(HangUpRequested())))
    async with house(tmp_path, Script((goodbye,)), shell=shell) as home, home.call() as caller:
        await caller.type("Bye")
        assert await caller.ended() == "agent_hangup"
        record = await home.record()
    assert record.end_reason == "agent_hangup"
    assert record.turns[-1].heard_text == "So long!" and not record.turns[-1].interrupted


@BOTH
async def test_the_caller_vanishes_without_a_close(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, shell=shell) as home, home.call() as caller:
        await caller.hears("audio.begin")
        caller.connection.transport.abort()  # RST or FIN without a close frame
        assert (await home.record()).end_reason == "caller_lost"


@BOTH
async def test_a_caller_on_a_dead_line_is_let_go_by_the_idle_limit(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants", limits={"idle_timeout_s": 5})
    async with house(tmp_path, shell=shell, speed=10) as home, home.call() as caller:
        await caller.hears("audio.begin")
        caller.connection.transport.pause_reading()  # half open: nothing comes, nothing is read, nothing is closed
        assert (await home.record()).end_reason == "idle_socket"
        caller.connection.transport.abort()


async def test_no_session_start(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path) as home:
        ordered = await home.order()
        async with dial(home.url, ordered.entry.call_id, ordered.ticket) as caller:
            await caller.connection.send(b"\0" * 640)
            await caller.ended()
        assert (await home.record()).end_reason == "connect_timeout"


async def test_a_drain_that_may_not_wait_ends_every_call_in_good_order(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path) as home, home.call() as caller:
        await caller.hears("audio.begin")
        assert home.calls is not None
        await asyncio.gather(home.calls.drain(0.1), caller.ended())
        assert await caller.ended() == "draining_forced"
        assert (await home.record()).end_reason == "draining_forced"
