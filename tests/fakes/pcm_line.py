"""A line to a PCM sidecar that a test speaks into, and what it gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from media_plane.audio import silence
from media_plane.conversation.commands import CallerAudio
from media_plane.engines.pcm_sidecar import PcmSidecarLimits, PcmSidecarLine
from media_plane.ports.speech_line import LineEvent, LineLost, ModelAudio, ModelBrief
from media_plane.streams import closing
from nexus.clock import Clock
from nexus.domain.tenant import TenantConfig
from tests.fakes.pcm_sidecar_server import Script, SidecarServer, sidecar_server

DEADLINE_S = 10.0
BRIEF = ModelBrief("call_1", 1, TenantConfig(tenant_id="shop", system_prompt="You are Ada."))
FRAME = CallerAudio(silence(20, 16_000))
LOUD = b"\x10\x20" * 320


def line_to(url: str, limits: PcmSidecarLimits | None = None, clock: Clock | None = None) -> PcmSidecarLine:
    return PcmSidecarLine(url, limits or PcmSidecarLimits(mute_ms=120_000), clock or Clock(speed=20))


@asynccontextmanager
async def opened(
    script: Script, limits: PcmSidecarLimits | None = None, *, buffer_bytes: int | None = None, clock: Clock | None = None
) -> AsyncIterator[tuple[PcmSidecarLine, SidecarServer]]:
    async with asyncio.timeout(DEADLINE_S), sidecar_server(script, buffer_bytes=buffer_bytes) as server:
        line = line_to(server.url, limits, clock)
        await line.open(BRIEF)
        try:
            yield line, server
        finally:
            await line.close()


def spoken(events: list[LineEvent]) -> bytes:
    """The agent's audio without the silence that only keeps time."""
    return b"".join(event.frame.pcm for event in events if isinstance(event, ModelAudio) and any(event.frame.pcm))


def told(events: list[LineEvent]) -> list[LineEvent]:
    return [event for event in events if not isinstance(event, ModelAudio)]


async def collect(line: PcmSidecarLine, done: Callable[[list[LineEvent]], bool], *, step: CallerAudio = FRAME) -> list[LineEvent]:
    """The events until ``done`` or the end; a ``step`` of the caller's audio goes in every millisecond meanwhile."""

    async def speak() -> None:
        while True:
            line.send(step)
            await asyncio.sleep(0.001)

    speaking = asyncio.create_task(speak())
    seen: list[LineEvent] = []
    try:
        async with closing(line.events()) as events:
            async for event in events:
                seen.append(event)
                if done(seen):
                    break
        return seen
    finally:
        speaking.cancel()


async def until_lost(line: PcmSidecarLine) -> list[LineEvent]:
    return await collect(line, lambda seen: False)


async def until(line: PcmSidecarLine, wanted: type[LineEvent]) -> list[LineEvent]:
    seen = await collect(line, lambda seen: isinstance(seen[-1], wanted))
    assert isinstance(seen[-1], wanted), f"no {wanted.__name__} in {told(seen)}"
    return seen


async def until_spoken(line: PcmSidecarLine, size_bytes: int) -> list[LineEvent]:
    seen = await collect(line, lambda seen: len(spoken(seen)) >= size_bytes)
    assert len(spoken(seen)) >= size_bytes, f"only {len(spoken(seen))} bytes and {told(seen)}"
    return seen


async def lost_by(
    script: Script, limits: PcmSidecarLimits | None = None, *, buffer_bytes: int | None = None
) -> tuple[LineLost, list[LineEvent]]:
    async with opened(script, limits, buffer_bytes=buffer_bytes) as (line, _):
        *before, last = await until_lost(line)
        assert isinstance(last, LineLost), last
        assert await line.close() is False, "a lost line confirms nothing"
        return last, before
