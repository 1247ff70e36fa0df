"""Speaking in a living call from outside: heard within two seconds, known to the agent, on record."""

# ruff: noqa: ASYNC110  (what is waited for is written by another process)

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from control_plane.services.live_lines import LineDesk
from media_plane.engines.scripted import Reaction, Script, Speak
from media_plane.wiring import Instead
from nexus.domain.journal import LineNoted
from tests.scenarios.duplex_house import QuickVoice, duplex_house
from tests.scenarios.house import TENANT, Caller, House, Shell, house, speech, write_tenant

STORY = Script((Reaction("turn", (Speak("A long story.", 8_000),), "story"),), echo=True)
BOTH = pytest.mark.parametrize("shell", ["sockets", "uvicorn"])


async def order(home: House, caller: Caller, kind: Any, text: str, mode: Any = "next") -> str:
    desk = LineDesk(home.stores.ledger, home.stores.ids)
    return (await desk.order(TENANT, caller.call_id, kind, text, mode)).order_id


@BOTH
async def test_said_now_in_place_of_a_story_and_next_after_an_answer(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, STORY, shell=shell) as home, home.call() as caller:
        await caller.hears("audio.end")
        await caller.type("Tell me a story")
        await caller.until(lambda: len(caller.messages("audio.begin")) == 2)
        first = await order(home, caller, "say", "Sorry, one moment.", "now")
        asked_ms = caller.clock.monotonic_ms()
        cleared_ms = await caller.hears("audio.clear")
        assert cleared_ms - asked_ms < 2_000
        await caller.hears("transcript", role="agent", text="Sorry, one moment.", final=True)
        second = await order(home, caller, "say", "Thank you for waiting.")
        await caller.hears("transcript", role="agent", text="Thank you for waiting.", final=True)
        await caller.hang_up()
        record = await home.record()
    assert [turn.text for turn in record.turns if turn.role == "agent"] == [
        "Hi!",
        "A long story.",
        "Sorry, one moment.",
        "Thank you for waiting.",
    ]
    assert [(line.order_id, line.kind, line.mode) for line in record.lines] == [(first, "say", "now"), (second, "say", "next")]


async def test_what_was_injected_is_in_the_agents_next_answer_and_is_not_heard(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", engines=["text"])
    async with house(tmp_path, instead=Instead(speech=speech())) as home, home.call() as caller:
        await caller.until(lambda: "Hi!" in caller.agent_lines())
        await order(home, caller, "inject", "Our parking garage is closed for repairs this week.")
        await noted(home, caller)
        await caller.type("Can I use the parking garage?")
        await caller.until(lambda: len(caller.agent_lines()) == 2)
        await caller.hang_up()
        record = await home.record()
    assert caller.agent_lines()[1] == "Our parking garage is closed for repairs this week."
    assert [(line.kind, line.text) for line in record.lines] == [("inject", "Our parking garage is closed for repairs this week.")]
    assert next(turn.text for turn in record.turns if turn.role == "agent") == "Hi!"


async def test_beside_a_speech_model_our_own_voice_says_the_line(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", first_speaker="caller")
    voice = QuickVoice()
    async with duplex_house(tmp_path, processes=2, voice=voice) as built, built.house.call() as caller:
        await caller.hears("state", state="listening")
        await order(built.house, caller, "say", "The manager is on the way.")
        await caller.hears("transcript", role="agent", text="The manager is on the way.", final=True)
        await order(built.house, caller, "inject", "The caller waits in the lobby.")
        await noted(built.house, caller, 2)
        await caller.hang_up()
        record = await built.house.record()
    assert "The manager is on the way." in voice.said and "The caller waits in the lobby." not in voice.said
    assert [line.kind for line in record.lines] == ["say", "inject"]


async def noted(home: House, caller: Caller, count: int = 1) -> None:
    """The call has carried out so many lines."""
    async with asyncio.timeout(5):
        while sum(isinstance(entry, LineNoted) for entry in await home.stores.journal.read(caller.call_id)) < count:
            await asyncio.sleep(0.02)
