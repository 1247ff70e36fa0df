"""One suite over every SpeechLine: it listens after ``open``, gives sound and words, is lost honestly, and lets go."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve

from local.sidecar.options import Faults, SidecarOptions
from local.sidecar.server import Sidecar
from media_plane.audio import AudioFrame, silence
from media_plane.conversation.commands import CallerAudio
from media_plane.engines.pcm_sidecar import PcmSidecarLimits, PcmSidecarLine
from media_plane.engines.personaplex.line import LineSettings, PersonaPlexLine
from media_plane.ports.speech_line import LineEvent, LineLost, ModelAudio, ModelBrief, Said, SpeechLine
from nexus.clock import Clock
from nexus.domain.tenant import TenantConfig, VoiceSettings
from nexus.errors import NexusError, UpstreamError

DEADLINE_S = 20.0
SPEED = 4.0
CONFIG = TenantConfig(
    tenant_id="shop", system_prompt="You are Ada of the barber shop.", voice_settings=VoiceSettings(voice_id="en_us_female_calm")
)
BRIEF = ModelBrief("call_1", 1, CONFIG, facts=("The caller is booked for three.",), said=(Said("agent", "Hello!"), Said("caller", "Hi.")))


@dataclass
class House:
    """A kind of line with a server behind it. ``fault`` sets what the server does from now on: die, hang or mute."""

    line: Callable[[], SpeechLine]
    fault: Callable[[str], Awaitable[None]]
    idle: Callable[[], Awaitable[None]]


def example() -> ModuleType:
    path = Path(__file__).parents[2] / "docs" / "examples" / "pcm_sidecar.py"
    spec = importlib.util.spec_from_file_location("pcm_sidecar_example", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def pcm_sidecar() -> AsyncIterator[House]:
    """The example of docs/pcm-sidecar.md, in this process."""
    module = example()
    connections: list[ServerConnection] = []

    async def call(connection: ServerConnection) -> None:
        connections.append(connection)
        await module.serve_call(connection, "echo")

    async def fault(kind: str) -> None:
        for connection in connections:
            if kind == "die":
                connection.transport.abort()
            else:  # hang: nothing is read or written any more
                connection.transport.pause_reading()

    async def idle() -> None:
        for connection in connections:
            await connection.wait_closed()

    async with serve(call, "127.0.0.1", 0, compression=None, close_timeout=0.2) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        limits = PcmSidecarLimits(mute_ms=4_000, close_ms=500)
        yield House(lambda: PcmSidecarLine(f"ws://127.0.0.1:{port}/v1/audio-stream", limits, Clock(SPEED)), fault, idle)
        for connection in connections:
            connection.transport.abort()


@asynccontextmanager
async def personaplex() -> AsyncIterator[House]:
    """The double of NVIDIA's server, answering with an echo."""
    faults = Faults()
    sidecar = Sidecar(SidecarOptions(mode="echo", setup_s=0.05, faults=faults), clock=Clock(SPEED))
    url = await sidecar.start()

    async def fault(kind: str) -> None:
        if kind == "die":
            faults.drop_after_frames = 0
        else:
            faults.hang_after_frames = 0

    settings = LineSettings(mute_s=4.0, close_wait_s=0.5)
    try:
        yield House(lambda: PersonaPlexLine(url, settings, Clock(SPEED)), fault, sidecar.idle)
    finally:
        await sidecar.stop()


HOUSES = pytest.mark.parametrize("house", [pcm_sidecar, personaplex])
Open = Callable[[], AbstractAsyncContextManager[House]]


def voice(duration_ms: int) -> bytes:
    """Something as loud and coloured as speech, PCM16, 16 kHz."""
    at = np.arange(duration_ms * 16) / 16_000
    wave = 6_000 * (np.sin(2 * np.pi * 220 * at) + 0.5 * np.sin(2 * np.pi * 660 * at)) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * at))
    return bytes(wave.astype("<i2").tobytes())


@asynccontextmanager
async def talking(line: SpeechLine, said: bytes = b"") -> AsyncIterator[None]:
    """The caller says this, then is silent; in the time of the line's clock, 20 ms after 20 ms."""

    async def talk() -> None:
        clock, due_ms = Clock(SPEED), 0.0
        pieces = [said[at : at + 640] for at in range(0, len(said), 640)]
        while True:
            frame = AudioFrame(pieces.pop(0), 16_000) if pieces else silence(20, 16_000)
            line.send(CallerAudio(frame))
            due_ms += 20
            await clock.sleep_ms(due_ms - clock.monotonic_ms())

    task = asyncio.create_task(talk())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def collect(line: SpeechLine, done: Callable[[list[LineEvent]], bool]) -> list[LineEvent]:
    seen: list[LineEvent] = []
    async with aclosing(line.events()) as events:  # type: ignore[type-var]
        async for event in events:
            seen.append(event)
            if done(seen):
                break
    return seen


def is_loud(event: LineEvent) -> bool:
    return isinstance(event, ModelAudio) and len(event.frame.pcm) > 0 and bool(np.abs(np.frombuffer(event.frame.pcm, "<i2")).max() > 1_000)


def is_lost(event: LineEvent) -> bool:
    return isinstance(event, LineLost)


@HOUSES
async def test_silence_in_gives_sound_in_real_time(house: Open) -> None:
    async with asyncio.timeout(DEADLINE_S), house() as there:
        line = there.line()
        await line.open(BRIEF)
        async with talking(line):
            seen = await collect(line, lambda seen: sum(e.frame.duration_ms for e in seen if isinstance(e, ModelAudio)) >= 1_000)
        assert not any(map(is_lost, seen))
        assert await line.close() is True


@HOUSES
async def test_what_the_caller_says_is_answered_aloud(house: Open) -> None:
    async with asyncio.timeout(DEADLINE_S), house() as there:
        line = there.line()
        await line.open(BRIEF)
        async with talking(line, voice(800)):
            seen = await collect(line, lambda seen: sum(map(is_loud, seen)) >= 4 or is_lost(seen[-1]))
        assert not any(map(is_lost, seen)), seen[-1]
        assert await line.close() is True


@HOUSES
async def test_frames_of_any_length_are_taken(house: Open) -> None:
    said = voice(800)
    async with asyncio.timeout(DEADLINE_S), house() as there:
        line = there.line()
        await line.open(BRIEF)
        for size in (2, 638, 642, 1_000, 0):
            line.send(CallerAudio(AudioFrame(said[:size], 16_000)))
        async with talking(line, said):
            seen = await collect(line, lambda seen: any(map(is_loud, seen)) or is_lost(seen[-1]))
        assert is_loud(seen[-1]), seen[-1]
        await line.close()


@HOUSES
async def test_close_ends_the_events_frees_the_server_and_is_silent_again(house: Open) -> None:
    async with asyncio.timeout(DEADLINE_S), house() as there:
        for _ in range(2):  # the second session finds the server free
            line = there.line()
            await line.open(BRIEF)
            reading = asyncio.create_task(collect(line, lambda seen: False))
            async with talking(line, voice(100)):
                assert await line.close() is True
            assert not any(map(is_lost, await reading))
            line.send(CallerAudio(silence(20, 16_000)))
            await line.close()
            await there.idle()


@HOUSES
async def test_close_is_prompt_although_nobody_reads_the_events(house: Open) -> None:
    async with asyncio.timeout(DEADLINE_S), house() as there:
        line = there.line()
        await line.open(BRIEF)
        async with talking(line, voice(400)):
            await asyncio.sleep(0.3)
        assert await line.close() is True


@HOUSES
@pytest.mark.parametrize(("kind", "codes"), [("die", {"engine_lost"}), ("hang", {"engine_mute", "engine_lagging"})])
async def test_a_server_that_fails_is_a_loss_and_the_end(house: Open, kind: str, codes: set[str]) -> None:
    async with asyncio.timeout(DEADLINE_S), house() as there:
        line = there.line()
        await line.open(BRIEF)
        async with talking(line, voice(200)):
            before = await collect(line, lambda seen: isinstance(seen[-1], ModelAudio))
            assert not any(map(is_lost, before))
            await there.fault(kind)
            rest = await collect(line, lambda seen: False)
        assert [event.code for event in rest if isinstance(event, LineLost)] == [
            event.code for event in rest[-1:] if isinstance(event, LineLost)
        ]
        assert isinstance(rest[-1], LineLost)
        assert rest[-1].code in codes
        assert rest[-1].message.strip()
        async with asyncio.timeout(5):
            await line.close()


@HOUSES
async def test_a_server_that_is_not_there_is_unreachable_and_close_is_still_allowed(house: Open) -> None:
    async with asyncio.timeout(DEADLINE_S):
        async with house() as there:
            line = there.line()
        with pytest.raises(UpstreamError) as caught:
            await line.open(BRIEF)
        assert caught.value.code == "engine_unreachable"
        assert isinstance(caught.value, NexusError)
        assert await line.close() is False
        assert await line.close() is False


@HOUSES
async def test_close_without_open(house: Open) -> None:
    async with asyncio.timeout(DEADLINE_S), house() as there:
        line = there.line()
        line.send(CallerAudio(silence(20, 16_000)))
        assert await line.close() is False
