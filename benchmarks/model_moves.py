"""What a caller notices when a call moves: to a fresh session of the model in time, to another process or engine after a fault."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks.caller import Caller, calling, frames, now_ms, repeated
from benchmarks.doubles import address, doubles
from benchmarks.figures import Figure, percentile
from benchmarks.processes import load
from benchmarks.served import MODEL_TENANTS, Product, product
from benchmarks.steps import START, Heard, crossings, cycle
from local.sidecar.options import Faults, SidecarOptions
from local.sidecar.server import Sidecar
from media_plane.audio import EAR_RATE_HZ, FRAME_MS, AudioFrame, silence

_CALLS = 2
_PROCESSES = 3
_ROTATE_AFTER_S = 5
_SECONDS = 45.0
_PAUSE_MS = 900
_SETUP_S = 1.0
_TALK_S = 3.0
_FAULT_LIMIT_MS = 15_000.0


async def rotations() -> list[Figure]:
    """Two calls on three processes, moved every five seconds."""
    gaps_ms: list[float] = []
    sent = heard = 0
    async with doubles(_PROCESSES, _SETUP_S) as ports:
        settings = {"PERSONAPLEX_WS_URL": ",".join(map(address, ports)), "PERSONAPLEX_ROTATE_AFTER_S": str(_ROTATE_AFTER_S)}
        async with product("personaplex", _CALLS, settings=settings) as server:
            calls = await asyncio.gather(*(_long_call(server, tenant_id) for tenant_id in MODEL_TENANTS[:_CALLS]))
            for tenant_id, (call_id, said, echoed) in zip(MODEL_TENANTS, calls, strict=False):
                record = await _record(server, tenant_id, call_id)
                gaps_ms += [each["gap_ms"] for each in record["engine_rotations"]]
                sent, heard = sent + said, heard + echoed
    cells = [f"{percentile(gaps_ms, share):.0f}" for share in (0.5, 1.0)] if gaps_ms else ["-", "-"]
    row = (str(len(gaps_ms)), *cells, f"{heard} of {sent}")
    columns = ("rotations", "gap p50", "gap max", "steps of the caller's sound that came back")
    note = f"{_CALLS} calls of {_SECONDS:g} s, {_PROCESSES} doubles with a set-up of {_SETUP_S:g} s; {load()}."
    return [Figure("rotation", "Gap of a rotation, ms", columns, (row,), (note,))]


async def _long_call(server: Product, tenant_id: str) -> tuple[str, int, int]:
    """The call, how many steps it was sent and how many came back."""
    pieces = [*frames(cycle(EAR_RATE_HZ).pcm), *frames(silence(_PAUSE_MS, EAR_RATE_HZ).pcm)]
    times = int(_SECONDS * 1000 / (len(pieces) * FRAME_MS))
    async with calling(server.api, tenant_id) as caller:
        caller.keeps_sound = True
        await caller.stream(repeated((), pieces, times * len(pieces)), float(FRAME_MS))
        came = [Heard(at_ms, AudioFrame(data, EAR_RATE_HZ)) for at_ms, data in caller.sound]
        return caller.call_id, times, len(crossings(came, START))


async def _record(server: Product, tenant_id: str, call_id: str) -> dict[str, Any]:
    """The session record, once it is written."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(Exception):
                return await asyncio.to_thread(server.api.session, tenant_id, call_id)
            await asyncio.sleep(0.2)


# --- faults ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Fault:
    """What goes wrong and how it is switched on. ``spare``: a sound process is free."""

    name: str
    strike: Callable[[Faults], None]
    spare: bool


def _fails(faults: Faults) -> None:
    faults.fail_after_frames = 0


def _hangs(faults: Faults) -> None:
    faults.hang_after_frames = 0


def _dies(faults: Faults) -> None:
    faults.drop_after_frames, faults.refuse_handshake = 0, True


_FAULTS = (
    _Fault("closes with 1000, a process is free", _fails, True),
    _Fault("closes with 1000, again and again", _fails, False),
    _Fault("resets the connection, refuses the next", _dies, False),
    _Fault("hangs: takes audio, gives none", _hangs, False),
)


async def failover() -> list[Figure]:
    """Each fault in a call of its own."""
    rows = [await _struck(fault) for fault in _FAULTS]
    columns = ("the model's server", "told by `mode_changed`", "model or next engine heard", "then carried by")
    note = f"One call each; the caller types a question right after the fault, so that the next engine has something to say; {load()}."
    return [Figure("failover", "From the fault, ms", columns, tuple(rows), (note,))]


async def _struck(fault: _Fault) -> tuple[str, ...]:
    async with AsyncExitStack() as stack:
        options = [SidecarOptions(mode="echo", setup_s=_SETUP_S) for _ in range(2 if fault.spare else 1)]
        running = [await stack.enter_async_context(Sidecar(each)) for each in options]
        settings = {"PERSONAPLEX_WS_URL": ",".join(each.url for each in running)}
        server = await stack.enter_async_context(product("personaplex", 1, settings=settings))
        async with calling(server.api, MODEL_TENANTS[0]) as caller:
            caller.keeps_sound = True
            talking = asyncio.create_task(caller.stream(repeated((), frames(cycle(EAR_RATE_HZ).pcm), 3_000), float(FRAME_MS)))
            await asyncio.sleep(_TALK_S)
            struck_ms = now_ms()
            fault.strike(next(each.faults for each in running if each.busy))
            await caller.type("Are you open on Saturday?")
            await _carried_on(caller, struck_ms)
            talking.cancel()
        record = await _record(server, MODEL_TENANTS[0], caller.call_id)
    told_ms = caller.first_after("mode_changed", struck_ms)
    since_ms = told_ms or struck_ms + 300.0
    heard_ms = next((at_ms for at_ms in caller.audio_ms if at_ms > since_ms), None)
    return (fault.name, *(f"{at_ms - struck_ms:.0f}" if at_ms else "-" for at_ms in (told_ms, heard_ms)), _last_engine(record))


async def _carried_on(caller: Caller, struck_ms: float) -> None:
    """Until the next engine is heard, or the limit."""
    while now_ms() - struck_ms < _FAULT_LIMIT_MS:
        told_ms = caller.first_after("mode_changed", struck_ms)
        if told_ms is not None and any(at_ms > told_ms for at_ms in caller.audio_ms):
            return
        await asyncio.sleep(0.02)


def _last_engine(record: dict[str, Any]) -> str:
    return "the model" if record["engine_rotations"] else str(record.get("engine"))
