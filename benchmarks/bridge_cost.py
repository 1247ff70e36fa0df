"""What the bridge itself costs: CPU and memory of calls with the scripted engine, beside the floor of codec and voice detector alone."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmarks.caller import calling, frames, repeated
from benchmarks.figures import Figure, percentile, slope
from benchmarks.processes import cost_of, load
from benchmarks.served import SPEECH, TENANTS, Product, product
from local.wav import read_wav
from media_plane.audio import EAR_RATE_HZ, AudioFormat, AudioFrame, Codec
from media_plane.codecs.decoders import decoder_for
from media_plane.codecs.encoders import encoder_for
from media_plane.engines.scripted import tone
from media_plane.speech.vad import SileroDetector
from media_plane.speech_models.silero import load_silero
from tests.fakes.webm_bytes import cluster, header, opus_packets, simple_block

_CODECS: tuple[Codec, ...] = ("pcm_s16le", "webm_opus")
_CALLS = (1, 10, 30)
_SECONDS = 8.0
_SETTLE_S = 2.0
_FLOOR_REPEATS = 5
_LINE = "All of this is said aloud by the scripted engine as one long tone that lasts. " * 12


@dataclass(frozen=True, slots=True)
class Sound:
    """Caller audio on the wire: what comes first, then pieces of ``piece_ms`` over and over."""

    codec: Codec
    head: tuple[bytes, ...]
    pieces: tuple[bytes, ...]
    piece_ms: float


async def measure() -> list[Figure]:
    """One server; every count of calls with both codecs; the floor in the same run."""
    rows: list[tuple[str, ...]] = []
    memory: list[tuple[float, float]] = []
    async with product("scripted", 64) as server:
        idle = cost_of(server.pid)
        for codec in _CODECS:
            sound = sound_of(codec)
            floor_s = await asyncio.to_thread(floor, sound)
            for count in _CALLS:
                cpu_s, pss_mib = await _calls(server, sound, count)
                rows.append((codec, str(count), f"{cpu_s * 1000:.1f}", f"{floor_s * 1000:.1f}", f"{cpu_s / floor_s:.1f}", load()))
                memory.append((count, pss_mib))
    columns = ("caller audio", "calls at once", "CPU ms per call-second", "floor: codec and detector", "ratio", "machine")
    cost = Figure("bridge_cost", "CPU of the bridge alone (scripted engine, agent and caller both talking)", columns, tuple(rows))
    return [cost, _memory(idle.pss_mib, memory)]


def _memory(idle_mib: float, points: list[tuple[float, float]]) -> Figure:
    rows = [("0 (before the first call)", f"{idle_mib:.0f}")]
    rows += [(f"{count:g}", f"{pss_mib:.0f}") for count, pss_mib in points]
    note = f"Slope over all points with calls: **{slope(points) * 1024:.0f} KiB a call**; {load()}."
    return Figure(
        "memory", "Proportional set size of the server and its tool processes, MiB", ("calls at once", "PSS"), tuple(rows), (note,)
    )


async def _calls(server: Product, sound: Sound, count: int) -> tuple[float, float]:
    """CPU-seconds per call-second, idle cost left in, and the memory while the calls live."""
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(calling(server.api, TENANTS[0], sound.codec)) for _ in range(count)]
        async with asyncio.TaskGroup() as talking:
            for caller in callers:
                await caller.type(_LINE)
                pieces = repeated(sound.head, sound.pieces, int((_SECONDS + _SETTLE_S + 1) * 1000 / sound.piece_ms))
                talking.create_task(caller.stream(pieces, sound.piece_ms))
            await asyncio.sleep(_SETTLE_S)
            before, began = cost_of(server.pid), time.monotonic()
            await asyncio.sleep(_SECONDS)
            after, elapsed_s = cost_of(server.pid), time.monotonic() - began
    return (after.cpu_s - before.cpu_s) / (elapsed_s * count), after.pss_mib


def sound_of(codec: Codec) -> Sound:
    """A spoken sentence in a codec: PCM in 20 ms frames, WebM in clusters of 40 ms as a browser's recorder writes them."""
    pcm = read_wav(SPEECH / "caller_book_haircut.wav", EAR_RATE_HZ).pcm
    if codec == "pcm_s16le":
        return Sound(codec, (), tuple(frames(pcm)), 20.0)
    blocks = [simple_block(packet) for packet in opus_packets(pcm)]
    return Sound(codec, (header(),), tuple(cluster(blocks[at : at + 2]) for at in range(0, len(blocks) - 1, 2)), 40.0)


def floor(sound: Sound) -> float:
    """CPU-seconds per second of audio for what no bridge can leave out: decode, detect the voice, encode the agent's audio; the median."""
    session = load_silero()
    return percentile([_floor_once(sound, SileroDetector(session)) for _ in range(_FLOOR_REPEATS)], 0.5)


def _floor_once(sound: Sound, detector: SileroDetector) -> float:
    decoder, encoder = decoder_for(AudioFormat(sound.codec, EAR_RATE_HZ)), encoder_for(AudioFormat("pcm_s16le", EAR_RATE_HZ))
    agent: AudioFrame = tone(20, 24_000)
    pieces = list(repeated((), sound.pieces, int(10_000 / sound.piece_ms)))
    for first in sound.head:
        decoder.feed(first)
    began = time.thread_time()
    for piece in pieces:
        for frame in decoder.feed(piece):
            detector.probability(frame)
        for _ in range(int(sound.piece_ms // 20)):
            encoder.encode(agent)
    return (time.thread_time() - began) / (len(pieces) * sound.piece_ms / 1000)
