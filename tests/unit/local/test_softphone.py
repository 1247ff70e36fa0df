"""The soft phone against a real socket: it speaks in turn, hears on the call's time line, and says what it lived through."""

from __future__ import annotations

import asyncio
import math
import struct
import wave
from pathlib import Path

import pytest

from local.softphone import Patience, Script, SoftPhone
from nexus.clock import Clock
from nexus.errors import ConfigurationError, UpstreamError
from tests.fakes.agent_server import ScriptedAgent

SPEED = 5.0
DEADLINE_S = 20.0


def tone(path: Path, *, seconds: float, tail_s: float = 0.0, rate_hz: int = 16_000, channels: int = 1) -> Path:
    """A WAV with a tone, then silence."""
    samples = [int(12_000 * math.sin(at * 1200 / rate_hz * math.tau)) for at in range(int(seconds * rate_hz))] + [0] * int(tail_s * rate_hz)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(b"".join(struct.pack("<h", sample) * channels for sample in samples))
    return path


def phone(url: str, clock: Clock) -> SoftPhone:
    return SoftPhone(url, "a.b.c", clock=clock, patience=Patience(greeting_ms=2_000, answer_ms=6_000, pause_ms=200, hang_up_ms=5_000))


async def test_it_speaks_file_after_file_each_when_the_agent_has_finished(tmp_path: Path) -> None:
    clock = Clock(speed=SPEED)
    agent = ScriptedAgent(clock)
    files = (tone(tmp_path / "one.wav", seconds=0.5, tail_s=0.6), tone(tmp_path / "two.wav", seconds=0.3, rate_hz=44_100, channels=2))
    async with agent.served() as url, asyncio.timeout(DEADLINE_S):
        caller = phone(url, clock)
        report = await caller.call(Script(wavs=files))
    assert agent.tickets == ["a.b.c"]
    assert agent.utterances_ms == pytest.approx([500, 300], abs=40)
    assert report.call_id == "call_01"
    assert report.end_reason == "caller_hangup"
    assert [line.text for line in report.lines] == ["Hello!", "I heard you", "I heard you"]
    assert report.tools == ("look_up: done",) * 3
    assert [turn.said for turn in report.turns] == ["one.wav", "two.wav"]
    for turn in report.turns:
        assert turn.response_ms is not None
        assert 200 < turn.response_ms < 1_500
    assert report.heard_ms == pytest.approx(1_800, abs=1)
    assert {value.item_id for value in agent.played} == {"a1", "a2", "a3"}
    assert max(value.played_ms for value in agent.played) == pytest.approx(600, abs=1)


async def test_words_that_are_told_before_their_audio_are_heard_out_first(tmp_path: Path) -> None:
    clock = Clock(speed=SPEED)
    agent = ScriptedAgent(clock, voice_after_ms=1_200)
    async with agent.served() as url, asyncio.timeout(DEADLINE_S):
        report = await phone(url, clock).call(
            Script(wavs=(tone(tmp_path / "one.wav", seconds=0.4), tone(tmp_path / "two.wav", seconds=0.4)))
        )
    assert [line.text for line in report.lines] == ["Hello!", "I heard you", "I heard you"]
    first, second = report.turns
    assert first.response_ms is not None
    assert second.voice_end_ms > first.voice_end_ms + first.response_ms + 600, "the first answer was heard out before the second file"


async def test_what_was_heard_lies_on_the_time_line_of_the_call(tmp_path: Path) -> None:
    clock = Clock(speed=SPEED)
    async with ScriptedAgent(clock).served() as url, asyncio.timeout(DEADLINE_S):
        caller = phone(url, clock)
        report = await caller.call(Script(wavs=(tone(tmp_path / "one.wav", seconds=0.4),)))
    caller.write_heard(tmp_path / "out" / "heard.wav")
    caller.write_heard(tmp_path / "out" / "both.wav", stereo=True)
    with wave.open(str(tmp_path / "out" / "heard.wav")) as heard:
        assert (heard.getnchannels(), heard.getframerate()) == (1, 16_000)
        pcm = heard.readframes(heard.getnframes())
    (turn,) = report.turns
    answer_at_ms = turn.voice_end_ms + (turn.response_ms or 0)
    assert pcm[int(answer_at_ms * 16 + 160) * 2 :][:2] == b"\x10\x27"
    assert pcm[int(answer_at_ms * 16 - 160) * 2 :][:2] == b"\0\0"
    with wave.open(str(tmp_path / "out" / "both.wav")) as both:
        assert both.getnchannels() == 2
        assert both.getnframes() >= heard.getnframes()


async def test_typed_lines_go_instead_of_files() -> None:
    clock = Clock(speed=SPEED)
    agent = ScriptedAgent(clock, answer_ms=100)
    async with agent.served() as url, asyncio.timeout(DEADLINE_S):
        report = await phone(url, clock).call(Script(typed=("one", "two")))
    assert agent.typed == ["one", "two"]
    assert [line.text for line in report.lines] == ["Hello!", "You typed one", "You typed two"]
    assert all(turn.response_ms is not None for turn in report.turns)


async def test_it_waits_as_long_as_the_engine_is_connecting_and_then_for_the_greeting() -> None:
    clock = Clock(speed=SPEED)
    agent = ScriptedAgent(clock, answer_ms=100, connecting_ms=8_000)
    async with agent.served() as url, asyncio.timeout(DEADLINE_S):
        report = await phone(url, clock).call(Script(typed=("one",)))
    assert [line.text for line in report.lines] == ["Hello!", "You typed one"]
    assert report.duration_ms > 8_000, "longer than a greeting is waited for"


async def test_audio_that_must_be_forgotten_is_not_heard() -> None:
    clock = Clock(speed=SPEED)
    agent = ScriptedAgent(clock, answer_ms=5_000, clear_after_ms=300)
    async with agent.served() as url, asyncio.timeout(DEADLINE_S):
        report = await phone(url, clock).call(Script())
    assert 200 < report.heard_ms < 1_000
    assert report.modes == ("text_only: engine_lost",)
    assert max(value.played_ms for value in agent.played) < 1_000


async def test_an_agent_that_hangs_up_ends_the_call() -> None:
    clock = Clock(speed=SPEED)
    async with ScriptedAgent(clock, answer_ms=100, hang_up_after=1).served() as url, asyncio.timeout(DEADLINE_S):
        report = await phone(url, clock).call(Script(typed=("bye", "never said")))
    assert report.end_reason == "agent_hangup"
    assert [turn.said for turn in report.turns] == ["bye"]


async def test_nobody_at_the_other_end_names_the_fix() -> None:
    with pytest.raises(UpstreamError, match="nexus run"):
        await SoftPhone("ws://127.0.0.1:9/", "t").call(Script())


@pytest.mark.parametrize("content", [None, b"", b"RIFF nonsense"])
async def test_a_file_that_is_no_sound_is_found_before_dialling(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"x\.wav"):
        await SoftPhone("ws://127.0.0.1:9/", "t").call(Script(wavs=(path,)))
