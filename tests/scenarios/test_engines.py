"""Engines that cannot be reached, are lost or fall mute: the call goes on in writing over the same socket and returns to voice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from media_plane.conversation.events import EngineFailed
from media_plane.engines.scripted import Emit, Reaction, Script, Speak
from tests.scenarios.house import Caller, Shell, house, write_tenant

FAST: dict[str, Any] = {"engine_connect_attempts": 2, "engine_retry_delay_s": 0.1, "engine_return_interval_s": 0.3, "engine_mute_s": 1}


def modes(caller: Caller) -> list[tuple[str, str]]:
    return [(message["to"], message["reason"]) for message in caller.messages("mode_changed")]


async def test_unreachable_at_the_start_then_back(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    down, up = Script(fail_start=True), Script(echo=True)
    async with house(tmp_path, (down, down, down, up), **FAST) as home, home.call() as caller:
        await caller.hears("transcript", role="agent", text="Hi!")
        assert not caller.audio_after(0), "text only has no audio"
        await caller.hears("mode_changed", to="voice")
        await caller.type("Are you back")
        await caller.hears("transcript", role="agent", text="Are you back", final=True)
        await caller.hang_up()
        record = await home.record()
    assert modes(caller) == [("text_only", "engine_unreachable"), ("voice", "engine_returned")]
    assert [(change.to, change.reason) for change in record.mode_changes] == modes(caller)
    assert caller.audio_after(0)
    assert record.end_reason == "caller_hangup"


async def test_lost_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    breaks = Script((Reaction("turn", (Speak("Let me see", 200), Emit(EngineFailed("engine_lost", "cable cut")))),))
    gone = Script(fail_start=True)
    async with house(tmp_path, (breaks, gone), **FAST) as home, home.call() as caller:
        await caller.hears("audio.end")
        await caller.type("Do you have time?")
        await caller.hears("mode_changed", to="text_only", reason="engine_lost")
        await caller.type("Hello, who is there?")
        await caller.until(lambda: len(caller.agent_lines()) > 2)
        await caller.hang_up()
        record = await home.record()
    assert record.mode_changes[0].reason == "engine_lost"
    assert [turn.text for turn in record.turns if turn.role == "caller"] == ["Do you have time?", "Hello, who is there?"]


async def test_connected_but_mute(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, (Script(mute=True), Script(fail_start=True)), **FAST) as home, home.call() as caller:
        await caller.type("Hello?")
        await caller.hears("mode_changed", to="text_only", reason="engine_mute")
        await caller.until(lambda: len(caller.agent_lines()) >= 1)
        await caller.hang_up()
        record = await home.record()
    assert record.end_reason == "caller_hangup"
    assert [change.reason for change in record.mode_changes] == ["engine_mute"]


async def test_what_is_typed_while_the_engine_connects_is_answered(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    slow: dict[str, Any] = {**FAST, "engine_retry_delay_s": 0.5}
    async with house(tmp_path, (Script(fail_start=True), Script(echo=True)), **slow) as home, home.call() as caller:
        await caller.type("Anybody?")
        await caller.hears("transcript", role="agent", text="Anybody?", final=True)
        await caller.hang_up()
        assert [turn.text for turn in (await home.record()).turns] == ["Anybody?", "Hi!", "Anybody?"]


@pytest.mark.parametrize("shell", ["sockets", "uvicorn"])
async def test_a_slow_engine_is_connecting_until_it_listens(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, Script(echo=True, start_ms=1_200), shell=shell, **FAST) as home, home.call() as caller:
        connecting_ms = await caller.hears("state", state="connecting")
        await caller.speak(400)
        assert [message["state"] for message in caller.messages("state")] == ["connecting"], "nobody listens yet"
        listening_ms = await caller.hears("state", state="listening")
        await caller.hears("audio.end")
        await caller.hang_up()
        record = await home.record()
    assert listening_ms - connecting_ms >= 1_100
    assert caller.agent_lines() == ["Hi!"]
    assert [turn.role for turn in record.turns] == ["agent"], "what was said before is neither heard late nor answered"
    assert record.mode_changes == ()
