"""Recorded calls: the file a listener gets holds the caller left and the agent right as heard, in step with the record."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from media_plane.engines.scripted import Reaction, Script, Speak
from nexus.domain.session import SessionRecord
from tests.fakes.opus_file import RATE_HZ, decoded, level_db
from tests.scenarios.house import LOUD, QUIET, Caller, House, house, write_tenant

STORY = Script((Reaction("turn", (Speak("A long story.", 10_000),), "story"),), transcripts=("stop please",), echo=True)
RECORDED: dict[str, Any] = {"recording": {"enabled": True, "consent_line": "We record.", "retention_days": 7}}


def kept(home: House) -> list[Path]:
    return [*(home.settings.data_dir / "media").rglob("*.opus")]


def spooled(home: House) -> list[Path]:
    return [*(home.settings.data_dir / "spool").glob("*")]


def said(caller: Caller) -> str:
    """Everything that the agent has said so far."""
    return " ".join(str(one["text"]) for one in caller.messages("transcript") if one["role"] == "agent")


def loud_spans(samples: NDArray[np.float64], over_db: float = -40.0) -> list[tuple[float, float]]:
    """When there is sound, ms; pauses below 100 ms are bridged."""
    block = RATE_HZ // 100
    levels = [level_db(samples[at : at + block]) > over_db for at in range(0, len(samples) - block, block)]
    spans: list[tuple[float, float]] = []
    for number, loud in enumerate(levels):
        if loud and spans and number * 10 - spans[-1][1] < 100:
            spans[-1] = (spans[-1][0], number * 10 + 10.0)
        elif loud:
            spans.append((number * 10.0, number * 10 + 10.0))
    return spans


async def test_both_sides_lie_where_the_record_says(tmp_path: Path) -> None:
    """The agent tells a story, the caller's voice cuts it off, the agent answers: three stretches of sound, each on its side."""
    write_tenant(tmp_path / "tenants", greeting="", recording={**RECORDED["recording"], "consent_line": "We record this."})
    async with house(tmp_path, STORY) as home:
        async with home.call() as caller:
            await caller.hears("audio.end")
            await caller.speak(300, QUIET)
            await caller.type("Tell me a story")
            await caller.until(lambda: len(caller.messages("audio.begin")) == 2)
            await caller.speak(1_000, QUIET)
            await caller.speak(600, LOUD)
            await caller.speak(1_000, QUIET)
            await caller.until(lambda: len(caller.messages("audio.end")) == 2)
            await caller.hang_up()
        record = await home.record()
        data = kept(home)[0].read_bytes()
        assert spooled(home) == []
    check_trace(record, data)
    left, right = decoded(data)
    assert len(left) / 48 == pytest.approx(record.recording.duration_ms, abs=10)
    assert record.recording.duration_ms == pytest.approx(record.duration_ms, abs=60)

    agent = [turn for turn in record.turns if turn.role == "agent"]
    assert [turn.interrupted for turn in agent] == [False, True, False]
    spoken = loud_spans(right)
    assert len(spoken) == 3
    for (begin_ms, end_ms), turn in zip(spoken, agent, strict=True):
        assert begin_ms == pytest.approx(turn.start_ms, abs=60)
        assert end_ms == pytest.approx(turn.start_ms + turn.heard_ms, abs=60)
    assert spoken[1][1] - spoken[1][0] < 2_000, "the story would have lasted ten seconds"

    voice = next(turn for turn in record.turns if turn.role == "caller" and not turn.typed)
    ((begin_ms, end_ms),) = loud_spans(left)
    assert (begin_ms, end_ms) == (pytest.approx(voice.start_ms, abs=80), pytest.approx(voice.end_ms, abs=80))
    assert end_ms - begin_ms == pytest.approx(600, abs=60)
    assert between(left, begin_ms, end_ms) > -25 and between(right, spoken[1][1] + 100, end_ms) < -70
    assert between(right, *spoken[0]) > -25 and between(left, *spoken[0]) < -70


def check_trace(record: SessionRecord, data: bytes) -> None:
    trace = record.recording
    assert (trace.status, trace.channels, trace.media_type, trace.code) == ("stored", 2, "audio/ogg", "")
    assert (trace.bytes, trace.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert trace.delete_after is not None
    assert abs(trace.delete_after - record.ended_at - timedelta(days=7)) < timedelta(seconds=2)


def between(samples: NDArray[np.float64], begin_ms: float, end_ms: float) -> float:
    return level_db(samples[int((begin_ms + 30) * 48) : int((end_ms - 30) * 48)])


@pytest.mark.parametrize("config", [{}, {"recording": {"enabled": False, "consent_line": "We record."}}])
async def test_without_recording_there_is_no_file(tmp_path: Path, config: dict[str, Any]) -> None:
    write_tenant(tmp_path / "tenants", **config)
    async with house(tmp_path) as home:
        async with home.call() as caller:
            await caller.hears("audio.end")
            await caller.hang_up()
        record = await home.record()
        assert (record.recording.status, record.recording.bytes) == ("disabled", 0)
        assert kept(home) == spooled(home) == []


async def test_an_order_without_recording_leaves_no_file_and_says_nothing_of_one(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", greeting="Hello.", **RECORDED)
    async with house(tmp_path) as home:
        async with home.call(recording="off") as caller:
            await caller.hears("audio.end")
            await caller.hang_up()
        record = await home.record()
        assert (record.recording.status, kept(home), spooled(home)) == ("disabled", [], [])
    assert [turn.text for turn in record.turns] == ["Hello."]


async def test_a_caller_who_does_not_agree_is_not_recorded_and_is_served(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", greeting="", **RECORDED)
    async with house(tmp_path, Script(echo=True)) as home:
        async with home.call() as caller:
            await caller.hears("audio.end")
            await caller.speak(1_300, QUIET)
            await caller.until(lambda: spooled(home) != [])
            await caller.type("Please don't record this call.")
            await caller.until(lambda: "this call is not recorded" in said(caller))
            await caller.speak(1_300, QUIET)
            await caller.until(lambda: spooled(home) == [])
            await caller.type("Are you open?")
            await caller.until(lambda: "Are you open?" in said(caller))
            assert await caller.hang_up() == "caller_hangup"
        record = await home.record()
        assert (record.recording.status, record.recording.bytes, kept(home), spooled(home)) == ("refused", 0, [], [])


async def test_where_the_tenant_demands_it_who_does_not_agree_hears_so_and_the_call_ends(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", greeting="", recording={**RECORDED["recording"], "on_refusal": "end"})
    async with house(tmp_path, Script(echo=True)) as home:
        async with home.call() as caller:
            await caller.hears("audio.end")
            await caller.type("I don't want to be recorded.")
            await caller.hears("session.ended")
            (ended,) = caller.messages("session.ended")
        record = await home.record()
        assert (ended["end_reason"], record.end_reason, record.status) == ("consent_refused", "consent_refused", "completed")
        assert (record.recording.status, kept(home), spooled(home)) == ("refused", [], [])
    assert record.turns[-1].heard_text.startswith("I'm sorry, I can't take this call")


async def test_a_store_that_fails_costs_the_recording_and_nothing_else(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", **RECORDED)
    async with house(tmp_path, speed=20.0) as home:
        (home.settings.data_dir / "media").parent.mkdir(parents=True, exist_ok=True)
        (home.settings.data_dir / "media").write_text("a file where the folder belongs")
        async with home.call() as caller:
            await caller.hears("audio.end")
            assert await caller.hang_up() == "caller_hangup"
        record = await home.record()
    assert (record.end_reason, record.recording.status, record.recording.code) == ("caller_hangup", "failed", "store_unavailable")


async def test_a_spool_that_cannot_be_written_costs_the_recording_and_nothing_else(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", **RECORDED)
    async with house(tmp_path, Script(echo=True)) as home:
        home.settings.data_dir.mkdir(exist_ok=True)
        (home.settings.data_dir / "spool").write_text("a file where the folder belongs")
        async with home.call() as caller:
            await caller.hears("audio.end")
            await caller.speak(1_300, QUIET)
            await caller.type("still there?")
            await caller.until(lambda: len(caller.messages("audio.end")) == 2)
            await caller.hang_up()
        record = await home.record()
    assert (record.end_reason, record.recording.status, record.recording.code) == ("caller_hangup", "failed", "recording_failed")
