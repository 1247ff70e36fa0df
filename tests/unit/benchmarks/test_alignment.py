"""The times that the benchmarks read off a call are the right ones of it."""

from __future__ import annotations

import asyncio
import os

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from benchmarks.caller import Caller, now_ms
from benchmarks.latency import endpoint
from benchmarks.processes import cost_of
from media_plane.audio import EAR_RATE_HZ, AudioFrame, silence
from media_plane.engines.scripted import tone
from media_plane.speech.ear import Ear
from media_plane.speech.vad import ScriptedDetector


async def test_a_caller_finds_the_last_audio_before_a_flush() -> None:
    async def agent(connection: ServerConnection) -> None:
        for message in (b"one", b"two", '{"type": "audio.clear"}', b"three"):
            await connection.send(message)
            await asyncio.sleep(0.01)

    async with serve(agent, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        began = now_ms()
        async with connect(f"ws://127.0.0.1:{port}", proxy=None) as connection:
            caller = Caller(connection)
            await caller.listen()
    flush_ms = caller.first_after("audio.clear", began)
    assert flush_ms is not None and caller.first_after("audio.clear", flush_ms) is None
    assert len(caller.audio_ms) == 3
    assert caller.last_audio_before(flush_ms) == caller.audio_ms[1]


def test_the_endpoint_of_a_tone_is_its_end_and_half_a_second() -> None:
    speech = AudioFrame(silence(200, EAR_RATE_HZ).pcm + tone(600, EAR_RATE_HZ).pcm, EAR_RATE_HZ)
    seen_ms, called_ms = endpoint(Ear(ScriptedDetector()), speech)
    assert seen_ms == 800.0
    assert 1_200.0 <= called_ms <= 1_400.0


def test_what_a_process_costs_counts_time_and_memory() -> None:
    before = cost_of(os.getpid())
    sum(n * n for n in range(2_000_000))
    after = cost_of(os.getpid())
    assert after.cpu_s >= before.cpu_s and after.pss_mib > 1 and after.processes >= 1
