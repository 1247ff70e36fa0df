"""How long the agent goes on after the caller has begun to speak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.caller import Caller, calling, frames, now_ms
from benchmarks.figures import Figure, percentile
from benchmarks.processes import load
from benchmarks.served import SPEECH, TENANTS, product
from local.wav import read_wav
from media_plane.audio import EAR_RATE_HZ

_SAID = ("wait_stop", "yes_please", "caller_yes", "caller_name", "caller_goodbye", "hello_short", "book_tomorrow", "caller_phone")
_TIMES = 24
_CALLS = 2
_LINE = "All of this is said aloud by the scripted engine as one long tone that lasts. " * 12
_QUIET = bytes(640)
_ONSET_SHARE = 0.02
_LET_TALK_MS = 1_000.0
_LIMIT_MS = 2_500.0


@dataclass(frozen=True, slots=True)
class Interruption:
    """From the caller's onset, milliseconds; None: never stopped. ``stray``: audio frames
    that came after the flush, before new speech was announced."""

    said: str
    last_byte_ms: float | None
    flush_ms: float | None
    stray: int = 0


async def measure() -> list[Figure]:
    """Twenty-four interruptions, medium sensitivity."""
    found: list[Interruption] = []
    async with product("scripted", 8) as server:
        for tenant_id in TENANTS[:_CALLS]:
            async with calling(server.api, tenant_id) as caller:
                for _ in range(_TIMES // _CALLS):
                    found.append(await _interrupt(caller, _SAID[len(found) % len(_SAID)]))
    rows = [_row(name, [each for each in found if each.said == name]) for name in _SAID]
    rows.append(_row("**all**", found))
    missed = sum(each.flush_ms is None for each in found)
    notes = (
        f"{len(found)} interruptions, {missed} not noticed within {_LIMIT_MS / 1000:g} s, {sum(each.stray for each in found)} stray frames "
        f"after a flush; {load()}.",
    )
    columns = ("interruption", "last agent byte p50", "p95", "flush message p50", "p95")
    return [Figure("barge_in", "Caller's onset to silence, ms", columns, tuple(rows), notes)]


async def _interrupt(caller: Caller, said: str) -> Interruption:
    """Let the agent talk, speak over it, note when it stops."""
    speech = read_wav(SPEECH / f"{said}.wav", EAR_RATE_HZ).pcm
    began = now_ms()
    await caller.type(_LINE)
    await caller.stream([_QUIET] * 10, 20)
    while caller.first_after("audio.begin", began) is None and now_ms() - began < _LIMIT_MS:
        await caller.stream([_QUIET], 20)
    await caller.stream([_QUIET] * int(_LET_TALK_MS / 20), 20)
    onset_ms = now_ms() + onset_in_ms(speech)
    await caller.stream([*frames(speech), *[_QUIET] * 60], 20)
    flush_ms = caller.first_after("audio.clear", onset_ms)
    if flush_ms is None:
        return Interruption(said, None, None)
    last_ms = caller.last_audio_before(flush_ms) or onset_ms
    begun_ms = caller.first_after("audio.begin", flush_ms) or flush_ms + _LIMIT_MS
    stray = sum(flush_ms < at_ms < begun_ms for at_ms in caller.audio_ms)
    return Interruption(said, max(0.0, last_ms - onset_ms), flush_ms - onset_ms, stray)


def onset_in_ms(pcm: bytes) -> float:
    """Where the voice begins: the first sample above 2 % of the peak, milliseconds from the start."""
    samples = np.abs(np.frombuffer(pcm, dtype="<i2").astype(np.int32))
    loud = np.flatnonzero(samples > _ONSET_SHARE * samples.max(initial=0))
    return float(loud[0]) * 1000.0 / EAR_RATE_HZ if loud.size else 0.0


def _row(name: str, found: list[Interruption]) -> tuple[str, ...]:
    cells = [name]
    for values in ([each.last_byte_ms for each in found], [each.flush_ms for each in found]):
        known = [value for value in values if value is not None]
        cells += [f"{percentile(known, share):.0f}" for share in (0.5, 0.95)] if known else ["-", "-"]
    return tuple(cells)
