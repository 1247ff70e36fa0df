"""A duplex engine and its line: when it counts as busy, how it starts, and what its losses come to."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from media_plane.conversation.commands import Say, ToolAnswer
from media_plane.conversation.events import (
    AgentAudio,
    AgentItemEnded,
    EngineFailed,
    EngineNotice,
    EngineRotated,
)
from media_plane.engines.duplex.engine import DuplexEngine, DuplexLimits, DuplexParts
from media_plane.ports.engine import EngineTraits
from media_plane.ports.speech_line import LineLost, LineNotice, LineRotated, ModelAudio
from nexus.clock import Clock
from nexus.errors import NexusError, QuotaExceeded, UpstreamError
from tests.fakes.model_lines import WrittenLine
from tests.fakes.stepped_clock import SteppedClock
from tests.unit.media_plane.engines.duplex.duplex_call import BRIEF, WANTED, Agent, Ear, Talk, Voice, talk, words
from tests.unit.media_plane.engines.duplex.talking import SPEECH


@pytest.mark.parametrize("code", ["engine_lost", "engine_mute", "engine_lagging", "engine_window_ended"])
async def test_a_lost_line_is_a_failed_engine(code: str) -> None:
    async with talk() as call:
        call.line.give(LineLost(code, "gone"))
        await call.clock.settle()
        assert call.events[-1] == EngineFailed(code, "gone")


async def test_a_line_that_just_ends_is_lost() -> None:
    async with talk() as call:
        call.line.end()
        await call.clock.settle()
        assert isinstance(call.events[-1], EngineFailed)
        assert call.events[-1].code == "engine_lost"


async def test_rotations_and_faults_of_the_line_go_on_record() -> None:
    async with talk() as call:
        await call.model(400, "Hm")
        call.line.give(LineNotice("engine_no_spare", "none free"), LineRotated(2, 120.0, "window"))
        await call.clock.settle()
        assert call.of(EngineNotice) == [EngineNotice("engine_no_spare", "engine", "none free")]
        assert call.of(EngineRotated) == [EngineRotated(2, 120.0, "window")]
        assert call.of(AgentItemEnded) == [AgentItemEnded("e1m1")]
        await call.model(400, "So")
        assert call.items() == ["e1m1", "e1m2"]


async def test_a_model_that_falls_dead_in_the_middle_of_a_word_ends_its_item() -> None:
    async with talk() as call:
        await call.model(400, "Hm")
        await call.clock.advance(1_000)
        assert call.kinds()[-1] == "AgentItemEnded"


async def test_the_line_is_told_when_anybody_is_busy() -> None:
    async with talk([WANTED, words("Done.")], ear=Ear(["Book"])) as call:
        assert call.line.busy_told == []
        await call.caller_speaks()
        await call.turn("Book")
        await call.quiet(4_000)
        assert call.line.busy_told == [True]
        await call.send(ToolAnswer("t1", "ok"))
        await call.quiet(960)
        assert call.line.busy_told == [True, False]
        await call.send(Say("Still there?"))
        await call.quiet(160)
        assert call.line.busy_told[-1]
        await call.quiet(960)
        assert not call.line.busy_told[-1]


async def test_the_line_stays_busy_until_the_caller_is_answered_or_nobody_will() -> None:
    """The call does not move to a session that has not heard the question."""
    async with talk(ear=Ear(["Hello", "Hm"])) as call:
        await call.caller_speaks()
        await call.quiet(1_600)
        assert call.line.busy_told == [True]
        await call.model(400, "Hello.")
        await call.quiet(960)
        assert call.line.busy_told == [True, False]
        await call.caller_speaks()
        await call.quiet(2_400)
        assert call.line.busy_told[-1]
        await call.quiet(240)
        assert not call.line.busy_told[-1]


async def test_a_model_that_talks_makes_the_line_busy() -> None:
    async with talk() as call:
        await call.model(400, "Hm.")
        assert call.line.busy_told == [True]
        await call.quiet(960)
        assert call.line.busy_told == [True, False]


async def test_what_is_held_back_and_over_keeps_the_line_from_nothing() -> None:
    async with talk([words("Which day?")]) as call:
        await call.turn("An appointment")
        await call.quiet(960)
        await call.model(480, "Any", "day!")
        assert call.line.busy_told[-1]
        await call.quiet(560)
        assert not call.line.busy_told[-1]


async def test_what_the_model_says_before_anybody_listens_is_not_heard_later() -> None:
    line, clock = WrittenLine(), SteppedClock()
    engine = DuplexEngine("duplex", line, DuplexParts(None, Voice()), clock)
    await engine.start(BRIEF)
    call = Talk(engine, line, Agent(), clock)
    await call.model(4_000, "Hello?", "Anybody?")
    listening = asyncio.create_task(call.listen())
    await call.quiet(640)
    assert call.got == []
    await call.model(400, "Hello!")
    assert call.items() == ["e1m1"]
    await engine.close()
    await listening


async def test_start_is_idempotent_also_side_by_side() -> None:
    line = WrittenLine()
    engine = DuplexEngine("personaplex", line, DuplexParts(None, Voice()), Clock())
    assert engine.traits == EngineTraits("personaplex", True, True, 24_000)
    await asyncio.gather(engine.start(BRIEF), engine.start(BRIEF))
    await engine.start(replace(BRIEF, item_prefix="e9"))
    assert len(line.briefs) == 1
    assert line.briefs[0].generation == 1
    await engine.close()
    await engine.close()
    assert line.closed == 2


@pytest.mark.parametrize("error", [UpstreamError("engine_unreachable", "down"), QuotaExceeded("no_engine_slot", "full")])
async def test_a_line_that_does_not_open_is_told_as_it_is_and_closed(error: NexusError) -> None:
    line = WrittenLine(fails=error)
    engine = DuplexEngine("duplex", line, DuplexParts(None, Voice()), Clock())
    with pytest.raises(NexusError) as caught:
        await engine.start(BRIEF)
    assert caught.value is error
    await engine.send(Say("Hello"))
    await engine.close()
    assert line.closed == 1
    assert [event async for event in engine.events()] == []


async def test_a_line_that_hangs_does_not_hold_the_call() -> None:
    engine = DuplexEngine("duplex", WrittenLine(hangs_at_close=True), DuplexParts(None, Voice()), Clock(), DuplexLimits(close_s=0.01))
    await engine.start(BRIEF)
    async with asyncio.timeout(2):
        await engine.close()


async def test_a_bridge_that_reads_nothing_slows_the_model_and_loses_nothing() -> None:
    line, clock = WrittenLine(), SteppedClock()
    engine = DuplexEngine("duplex", line, DuplexParts(None, Voice()), clock)
    await engine.start(BRIEF)
    events = aiter(engine.events())
    first = asyncio.ensure_future(anext(events))
    await clock.settle()
    for _ in range(600):
        line.give(ModelAudio(SPEECH))
    await clock.settle()
    got = [await first]
    assert 0 < sum(event.frame.duration_ms for event in got if isinstance(event, AgentAudio)) < 1_000
    while sum(event.frame.duration_ms for event in got if isinstance(event, AgentAudio)) < 600 * 80 - 40:
        got.append(await anext(events))
    await engine.close()
    assert {event.item_id for event in got if isinstance(event, AgentAudio)} == {"e1m1"}
