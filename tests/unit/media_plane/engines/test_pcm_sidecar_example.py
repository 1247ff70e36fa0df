"""docs/examples/pcm_sidecar.py as an operator starts it: a process of its own, talked to by the product's line."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from media_plane.audio import AudioFrame, silence
from media_plane.conversation.commands import CallerAudio
from media_plane.engines.pcm_sidecar import PcmSidecarLimits, PcmSidecarLine
from media_plane.ports.speech_line import LineEvent, ModelAudio, ModelBrief, ModelFlush, ModelText
from media_plane.streams import closing
from nexus.clock import Clock
from nexus.domain.tenant import TenantConfig

EXAMPLE = Path(__file__).parents[4] / "docs" / "examples" / "pcm_sidecar.py"
BRIEF = ModelBrief("call_1", 1, TenantConfig(tenant_id="shop", system_prompt="You are Ada."))
SPEED = 2.0
LOUD = b"\x00\x20\x00\xe0" * 160


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[str]:
    """The example as a child process on a free port; gives its address."""
    async with asyncio.timeout(30):
        child = await asyncio.create_subprocess_exec(
            sys.executable, str(EXAMPLE), "--port", "0", *arguments, stderr=asyncio.subprocess.PIPE, cwd="/"
        )
        try:
            assert child.stderr is not None
            yield (await child.stderr.readline()).decode().split()[-1]
            child.send_signal(signal.SIGTERM)
            assert await child.wait() == 0
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()


async def talk(line: PcmSidecarLine, said: list[bytes], done: Callable[[list[LineEvent]], bool]) -> list[LineEvent]:
    """Say these frames, then silence, until ``done``."""

    async def speak() -> None:
        clock, due_ms = Clock(SPEED), 0.0
        while True:
            line.send(CallerAudio(AudioFrame(said.pop(0), 16_000) if said else silence(20, 16_000)))
            due_ms += 20
            await clock.sleep_ms(due_ms - clock.monotonic_ms())

    speaking = asyncio.create_task(speak())
    seen: list[LineEvent] = []
    try:
        async with closing(line.events()) as events:
            async for event in events:
                seen.append(event)
                if done(seen):
                    return seen
    finally:
        speaking.cancel()
    raise AssertionError(f"it ended with {seen[-1]}")


def loud_frames(events: list[LineEvent]) -> int:
    return sum(isinstance(event, ModelAudio) and any(event.frame.pcm) for event in events)


@pytest.mark.parametrize(("answer", "at_least"), [("echo", 15), ("tone", 30)])
async def test_it_answers_after_the_callers_pause(answer: str, at_least: int) -> None:
    async with running("--answer", answer) as url:
        line = PcmSidecarLine(url, PcmSidecarLimits(), Clock(SPEED))
        await line.open(BRIEF)
        assert not line.gives_transcripts
        seen = await talk(line, [LOUD] * 25, lambda seen: loud_frames(seen) >= at_least)
        words = [event.text for event in seen if isinstance(event, ModelText)]
        assert len(words) == 1
        assert words[0].startswith("You spoke for ")
        first_sound = next(i for i, event in enumerate(seen) if loud_frames([event]))
        assert seen.index(ModelText(words[0])) < first_sound
        assert await line.close() is True


async def test_it_falls_silent_when_the_caller_speaks_over_it() -> None:
    async with running("--answer", "tone") as url:
        line = PcmSidecarLine(url, PcmSidecarLimits(), Clock(SPEED))
        await line.open(BRIEF)
        over_it = [LOUD] * 10 + [bytes(640)] * 35 + [LOUD] * 20
        seen = await talk(line, over_it, lambda seen: isinstance(seen[-1], ModelFlush))
        assert 0 < loud_frames(seen) < 50, "the tone of a second was cut"
        assert await line.close() is True


async def test_it_outlives_clients_that_break_the_contract() -> None:
    async with running() as url:
        for first in ("nonsense", "[]", "{}", json.dumps({"type": "session.start", "version": 9}), b"\x00\x01"):
            async with connect(url, compression=None) as client:
                await client.send(first)
                with pytest.raises(ConnectionClosed):
                    while True:
                        assert json.loads(await client.recv())["type"] == "error"
        async with connect(url.replace("/v1/audio-stream", "/elsewhere"), compression=None) as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()
        line = PcmSidecarLine(url, PcmSidecarLimits(), Clock())
        await line.open(BRIEF)
        assert await line.close() is True


def test_it_is_small_and_needs_only_websockets() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 140
    foreign = {
        line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))
    } - sys.stdlib_module_names
    assert foreign == {"websockets"}
