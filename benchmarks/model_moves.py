"""What a caller notices when a call moves: to a fresh session of the model in time, to another process or engine after a fault."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmarks.caller import calling, frames, now_ms, repeated, until
from benchmarks.doubles import address, doubles
from benchmarks.figures import Figure, percentile, spread
from benchmarks.processes import load
from benchmarks.served import MODEL_TENANTS, Product, product
from benchmarks.steps import START, Heard, crossings, cycle
from local.client import schemas
from local.sidecar.options import Faults, SidecarOptions
from local.sidecar.server import Sidecar
from media_plane.audio import EAR_RATE_HZ, FRAME_MS, AudioFrame, silence
from nexus.errors import NotFound

_CALLS = 2
_PROCESSES = 3
_ROTATE_AFTER_S = 5
_SECONDS = 52.0
_PAUSE_MS = 900
_SETUP_S = 1.0
_TALK_S = 2.0
_FAULT_LIMIT_S = 15.0
_TIMES = 3


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
        return caller.call_id, times, len(crossings(came, START, quiet_before=True))


async def _record(server: Product, tenant_id: str, call_id: str) -> schemas.SessionDetail:
    """The session record, once it is written."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(NotFound):
                return await asyncio.to_thread(server.api.sessions.get, tenant_id, call_id)
            await asyncio.sleep(0.2)


# --- faults ----------------------------------------------------------------------------------------------------------------------


def _fails(faults: Faults) -> None:
    faults.fail_after_frames = 0


def _dies(faults: Faults) -> None:
    faults.drop_after_frames, faults.refuse_handshake = 0, True


def _hangs(faults: Faults) -> None:
    faults.hang_after_frames = 0


def _mend(faults: Faults) -> None:
    faults.fail_after_frames = faults.drop_after_frames = faults.hang_after_frames = None
    faults.refuse_handshake = False


@dataclass(frozen=True, slots=True)
class _Fault:
    """What goes wrong, how it is switched on, and how many processes there are."""

    name: str
    strike: Callable[[Faults], None]
    processes: int = 1


_FAULTS = (
    _Fault("closes with 1000; another process is free", _fails, 2),
    _Fault("closes with 1000; no other process", _fails),
    _Fault("resets the connection and refuses the next", _dies),
    _Fault("hangs: takes audio, gives none", _hangs),
)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """From the fault, milliseconds. ``told``: None when the call stayed with the model. ``how``: the reason on record."""

    told_ms: float | None
    heard_ms: float
    how: str


async def failover() -> list[Figure]:
    """Each fault in several calls, one after the other."""
    rows = [_fault_row(fault.name, await _struck(fault)) for fault in _FAULTS]
    columns = ("the model's server", "told by `mode_changed`", "next voice heard", "then")
    note = f"{_TIMES} calls for each fault, median (range); doubles with a set-up of {_SETUP_S:g} s; {load()}."
    return [Figure("failover", "From the fault, ms", columns, tuple(rows), (note,))]


def _fault_row(name: str, found: list[_Outcome]) -> tuple[str, ...]:
    told = [each.told_ms for each in found if each.told_ms is not None]
    return (name, spread(told) if told else "-", spread([each.heard_ms for each in found]), ", ".join(sorted({each.how for each in found})))


async def _struck(fault: _Fault) -> list[_Outcome]:
    async with AsyncExitStack() as stack:
        options = [SidecarOptions(mode="echo", setup_s=_SETUP_S) for _ in range(fault.processes)]
        running = [await stack.enter_async_context(Sidecar(each)) for each in options]
        settings = {"PERSONAPLEX_WS_URL": ",".join(each.url for each in running)}
        server = await stack.enter_async_context(product("personaplex", 1, settings=settings))
        return [await _one(server, running, fault) for _ in range(_TIMES)]


async def _one(server: Product, running: list[Sidecar], fault: _Fault) -> _Outcome:
    """A call in which the fault strikes while the model talks."""
    for each in running:
        _mend(each.faults)
    async with calling(server.api, MODEL_TENANTS[0]) as caller:
        talking = asyncio.create_task(caller.stream(repeated((), frames(cycle(EAR_RATE_HZ).pcm), 3_000), float(FRAME_MS)))
        await asyncio.sleep(_TALK_S)
        struck_ms = now_ms()
        fault.strike(next(each.faults for each in running if each.busy))
        told_ms = heard_ms = None
        if fault.processes == 1:
            told_ms = await until(lambda: caller.first_after("mode_changed", struck_ms), _FAULT_LIMIT_S)
            heard_ms = await until(lambda: caller.first_audio_after(told_ms or struck_ms), _FAULT_LIMIT_S)
        else:
            await asyncio.sleep(_SETUP_S + _TALK_S)
        talking.cancel()
    record = await _record(server, MODEL_TENANTS[0], caller.call_id)
    if told_ms is None or heard_ms is None:
        move = record["engine_rotations"][0]
        return _Outcome(None, float(move["gap_ms"]), f"the model goes on in the other process (`{move['reason']}`)")
    return _Outcome(told_ms - struck_ms, heard_ms - struck_ms, f"`cascade` (`{record['mode_changes'][0]['reason']}`)")
