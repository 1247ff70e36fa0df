"""The way to a full-duplex model and back: how much later the bridge makes the sound, and what it costs, repaged and transcoded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmarks.bridge_cost import Sound
from benchmarks.caller import Caller, calling, frames, repeated
from benchmarks.doubles import address, doubles
from benchmarks.figures import Figure, percentile
from benchmarks.processes import cost_of, load
from benchmarks.served import MODEL_TENANTS, Product, product
from benchmarks.steps import CYCLE_MS, RISE, SILENT_MS, SOFT_MS, START, Heard, crossings, cycle, delays
from benchmarks.tap import BINARY, Link, Tap, messages, newest_link, tapped
from media_plane.audio import EAR_RATE_HZ, FRAME_MS, AudioFormat, AudioFrame, Codec
from media_plane.codecs.decoders import decoder_for
from media_plane.codecs.encoders import encoder_for
from media_plane.codecs.ogg import OggReader
from media_plane.codecs.opus import OpusDecoder, OpusEncoder
from media_plane.conversation.commands import CallerAudio
from media_plane.engines.personaplex.caller_stream import CallerStream
from media_plane.speech.vad import SileroDetector, VoiceDetector
from media_plane.speech_models.silero import load_silero
from tests.fakes.webm_bytes import cluster, header, simple_block

_CODECS: tuple[tuple[Codec, str], ...] = (("pcm_s16le", "transcoded"), ("opus", "repaged"), ("webm_opus", "repaged"))
_CALLS = 4
_SECONDS = 16.0
_SETTLE_S = 3.0
_AUDIO = 1
STEPS = ((START, SILENT_MS // FRAME_MS), (RISE, (SILENT_MS + SOFT_MS) // FRAME_MS))
"""The level of each step, and which message of a cycle it is in."""
_FLOOR_CYCLES = 9
_STEP_REPEATS = 5


@dataclass(frozen=True, slots=True)
class Run:
    """One codec's calls."""

    there_ms: list[float]
    back_ms: list[float]
    """Until the message with the sound reaches the caller."""
    played_ms: list[float]
    """Until the caller's client plays it."""
    cpu_s: float
    """Per call-second."""


async def measure() -> list[Figure]:
    """Four calls at once for each codec, all in one run of the product."""
    session = load_silero()
    rows: list[tuple[str, ...]] = []
    costs: list[tuple[str, ...]] = []
    transcoded_s = 0.0
    async with doubles(_CALLS, setup_s=0.3) as ports, AsyncExitStack() as stack:
        taps = [await stack.enter_async_context(tapped(port)) for port in ports]
        server = await stack.enter_async_context(product("personaplex", _CALLS, settings=_settings(taps)))
        for codec, way in _CODECS:
            sound = sound_of(codec)
            floor_s = await asyncio.to_thread(floor, sound, SileroDetector(session))
            run = await _calls(server, taps, sound)
            transcoded_s = transcoded_s or run.cpu_s
            ways = (
                ("caller to model", run.there_ms),
                ("model to caller, received", run.back_ms),
                ("model to caller, played", run.played_ms),
            )
            rows += [_row(codec, way, direction, values) for direction, values in ways]
            cells = (f"{run.cpu_s * 1000:.1f}", f"{floor_s * 1000:.1f}", f"{run.cpu_s / floor_s:.1f}", f"{run.cpu_s / transcoded_s:.2f}")
            costs.append((codec, way, *cells))
    notes = (f"{_CALLS} calls at once, {_SECONDS:g} s each, one echoing double a call; {load()}.",)
    columns = ("caller audio", "toward the model", "way", "p50", "p99", "max", "marks")
    cost_columns = ("caller audio", "toward the model", "CPU ms per call-second", "floor: codecs and detector", "ratio", "to transcoded")
    return [
        Figure("model_latency", "Added by the bridge, ms", columns, tuple(rows), notes),
        Figure("model_cost", "CPU of a call with a full-duplex model (without the model)", cost_columns, tuple(costs), notes),
        _last_step(),
    ]


def _settings(taps: Sequence[Tap]) -> dict[str, str]:
    urls = ",".join(address(tap.port) for tap in taps)
    return {"PERSONAPLEX_WS_URL": urls, "PERSONAPLEX_SPARES": "0", "PERSONAPLEX_ROTATE_AFTER_S": "600", "PERSONAPLEX_WINDOW_S": "3600"}


def _row(codec: str, way: str, direction: str, values: Sequence[float]) -> tuple[str, ...]:
    cells = [f"{percentile(values, share):.1f}" for share in (0.5, 0.99, 1.0)] if values else ["-"] * 3
    return (codec, way, direction, *cells, str(len(values)))


async def _calls(server: Product, taps: Sequence[Tap], sound: Sound) -> Run:
    """All calls at once; what passed the taps meanwhile is compared with what the callers sent and got."""
    seen = [len(tap.sessions()) for tap in taps]
    pieces = int((_SETTLE_S + _SECONDS) * 1000 / sound.piece_ms)
    async with AsyncExitStack() as stack:
        pairs: list[tuple[Caller, Link]] = []
        for tenant_id in MODEL_TENANTS[:_CALLS]:
            caller = await stack.enter_async_context(calling(server.api, tenant_id, sound.codec))
            caller.keeps_sound = True
            pairs.append((caller, await newest_link(taps, seen)))
        async with asyncio.TaskGroup() as group:
            streams = [group.create_task(caller.stream(repeated(sound.head, sound.pieces, pieces), sound.piece_ms)) for caller, _ in pairs]
            await asyncio.sleep(_SETTLE_S)
            before, began = cost_of(server.pid), time.monotonic()
            await asyncio.sleep(_SECONDS - _SETTLE_S)
            cpu_s = (cost_of(server.pid).cpu_s - before.cpu_s) / ((time.monotonic() - began) * _CALLS)
        sent = [each.result()[len(sound.head) :] for each in streams]
    there = [delay for (_, link), times in zip(pairs, sent, strict=True) for delay in to_model(link, times, len(sound.pieces))]
    back = [delay for caller, link in pairs for delay in to_caller(link, arrivals(caller.sound))]
    heard = [delay for caller, link in pairs for delay in to_caller(link, played(caller.sound))]
    return Run(there, back, heard, cpu_s)


def to_model(link: Link, sent_ms: Sequence[float], per_cycle: int) -> Iterator[float]:
    """From the message with a step to the message that carries it to the model's server."""
    came = list(_decoded(link, to_model=True))
    for level, at in STEPS:
        starts = [sent_ms[number] for number in range(at, len(sent_ms), per_cycle)]
        yield from delays(starts, [each.at_ms for each in crossings(came, level)])


def to_caller(link: Link, came: Sequence[Heard]) -> Iterator[float]:
    """From the model's page with a step to the caller's message with it, less the time by which the step stands later in the page."""
    for level, _ in STEPS:
        starts = [each.at_ms + each.into_ms // FRAME_MS * FRAME_MS for each in crossings(_decoded(link, to_model=False), level)]
        yield from delays(starts, [each.at_ms for each in crossings(came, level, quiet_before=True)])


def arrivals(sound: Sequence[tuple[float, bytes]]) -> list[Heard]:
    """The caller's messages when they came."""
    return [Heard(at_ms, AudioFrame(data, EAR_RATE_HZ)) for at_ms, data in sound]


def played(sound: Sequence[tuple[float, bytes]]) -> list[Heard]:
    """The caller's messages when they are played by a client that has no buffer of its own: each at once, but after the one before."""
    found: list[Heard] = []
    free_ms = 0.0
    for each in arrivals(sound):
        found.append(Heard(max(each.at_ms, free_ms), each.frame))
        free_ms = found[-1].at_ms + each.frame.duration_ms
    return found


def _decoded(link: Link, *, to_model: bool) -> Iterator[Heard]:
    reader, decoder = OggReader(), OpusDecoder(24_000)
    for message in messages(link.to_model if to_model else link.from_model):
        if message.kind != BINARY or message.payload[:1] != bytes((_AUDIO,)):
            continue
        for packet in reader.feed(message.payload[1:]):
            yield Heard(message.at_ms, decoder.decode(packet))


# --- sound and floor -----------------------------------------------------------------------------------------------------------


def sound_of(codec: Codec) -> Sound:
    """The steps in a codec, a message every 20 ms."""
    pcm = tuple(frames(cycle(EAR_RATE_HZ).pcm))
    if codec == "pcm_s16le":
        return Sound(codec, (), pcm, float(FRAME_MS))
    encoder = OpusEncoder(EAR_RATE_HZ)
    packets = [encoder.encode(AudioFrame(each, EAR_RATE_HZ)) for each in (*pcm, *pcm)][len(pcm) :]
    if codec == "opus":
        return Sound(codec, (), tuple(packets), float(FRAME_MS))
    return Sound(codec, (header(),), tuple(cluster([simple_block(each)]) for each in packets), float(FRAME_MS))


def floor(sound: Sound, detector: VoiceDetector) -> float:
    """CPU-seconds per second for what no bridge can leave out: decode the caller, find the voice, encode for the model where that is
    needed, decode the model, encode for the caller."""
    decoder, out = decoder_for(AudioFormat(sound.codec, EAR_RATE_HZ)), encoder_for(AudioFormat("pcm_s16le", EAR_RATE_HZ))
    for_model, from_model = OpusEncoder(EAR_RATE_HZ), OpusDecoder(24_000)
    model = _model_packets()
    for first in sound.head:
        decoder.feed(first)
    began = time.thread_time()
    for number, piece in enumerate(sound.pieces * _FLOOR_CYCLES):
        for frame in decoder.feed(piece):
            detector.probability(frame)
            if sound.codec == "pcm_s16le":
                for_model.encode(frame)
        out.encode(from_model.decode(model[number % len(model)]))
    return (time.thread_time() - began) / (_FLOOR_CYCLES * CYCLE_MS / 1000)


def _last_step() -> Figure:
    """Caller audio to pages for the model, alone: the one place at which repaging and transcoding differ."""
    decoder = decoder_for(AudioFormat("opus", EAR_RATE_HZ))
    packets = sound_of("opus").pieces
    frames_s = [frame for packet in packets for frame in decoder.feed(packet)]
    repaged = [CallerAudio(frame, (packet,)) for frame, packet in zip(frames_s, packets, strict=True)]
    costs = {"repaged: the caller's packet in a new page": repaged, "transcoded: encoded, then the same": list(map(CallerAudio, frames_s))}
    values = {name: percentile([_paging(audio) for _ in range(_STEP_REPEATS)], 0.5) for name, audio in costs.items()}
    slowest = max(values.values())
    rows = tuple((name, f"{value * 1000:.2f}", f"{value / slowest:.2f}") for name, value in values.items())
    return Figure("model_last_step", "The last step toward the model", ("caller audio", "CPU ms per call-second", "to transcoded"), rows)


def _paging(audio: list[CallerAudio]) -> float:
    """CPU-seconds per second of audio."""
    stream = CallerStream(1)
    stream.headers()
    began = time.thread_time()
    for each in audio * _FLOOR_CYCLES:
        stream.pages(each)
    return (time.thread_time() - began) / (_FLOOR_CYCLES * CYCLE_MS / 1000)


def _model_packets() -> list[bytes]:
    """What the model says, as packets of 20 ms."""
    encoder, pcm = OpusEncoder(24_000), frames(cycle(24_000).pcm, 960)
    return [encoder.encode(AudioFrame(each, 24_000)) for each in pcm]
