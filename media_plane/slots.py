"""The server processes of a speech model: exactly one connection to each, spares for long calls, health without touching a session.

A second connection to a process of the model does not fail: it waits in silence and replaces the first one's prompt. So nobody connects
without a lease, a lease is given to one holder, and whether a process lives is asked by a plain HTTP GET, never by a WebSocket.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from media_plane.ports.speech_line import SlotLease
from nexus.clock import Clock
from nexus.errors import QuotaExceeded

_log = logging.getLogger("nexus.slots")
SlotState = Literal["free", "taken", "cooling", "down"]
SlotUse = Literal["call", "rotation"]
Probe = Callable[[str], Awaitable[bool]]
CHECK_EVERY_MS = 5_000.0
COOL_FIRST_MS = 100.0
"""A process that was let go unsound is asked after so long for the first time: it notices a broken connection within a frame."""
RETRY_AFTER_S = 5
_PROBE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class SlotRow:
    """One process as doctor, readiness and console show it. ``for_ms``: how long it has been so."""

    address: str
    state: SlotState
    call_id: str
    for_ms: float


class _Slot:
    """One process. ``epoch`` counts its changes, so that an answer that was asked for earlier changes nothing."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.state: SlotState = "down"
        self.call_id = ""
        self.since_ms = 0.0
        self.check_at_ms = 0.0
        self.misses = 0
        self.epoch = 0
        self.changed = asyncio.Event()

    def become(self, state: SlotState, now_ms: float, *, call_id: str = "", check_in_ms: float = CHECK_EVERY_MS) -> None:
        self.state = state
        self.call_id = call_id
        self.since_ms = now_ms
        self.check_at_ms = now_ms + check_in_ms
        self.epoch += 1
        self.changed.set()


class Lease:
    """Implements ``SlotLease``; given back once, again is silent."""

    def __init__(self, slot: _Slot, returned: Callable[[_Slot, bool], None]) -> None:
        self._slot = slot
        self._returned: Callable[[_Slot, bool], None] | None = returned

    @property
    def address(self) -> str:
        """See ``SlotLease.address``."""
        return self._slot.address

    def give_back(self, *, sound: bool) -> None:
        """See ``SlotLease.give_back``."""
        returned, self._returned = self._returned, None
        if returned is not None:
            returned(self._slot, sound)


class SlotPool:
    """Implements ``EngineSlots``.

    Calls hold at most as many processes as are healthy, less the spares; a call that rotates holds a spare for a while, and when its old
    process is back, that one is the spare. With too few healthy processes the spares give way: one process carries one call.

    Args:
        addresses: one per process; the same address several times for a server that carries several sessions.
        spares: how many processes calls leave free.
        clock: times of checks.
        probe: whether the process behind an address lives; never raises.
    """

    def __init__(self, addresses: Sequence[str], spares: int, clock: Clock, probe: Probe | None = None) -> None:
        self._slots = [_Slot(address) for address in addresses]
        self._spares = spares
        self._clock = clock
        self._probe = probe or answers_http
        self._aside: dict[str, SlotLease] = {}
        self._held_ms: dict[str, float] = {}

    # --- leases ---

    def take(self, call_id: str, use: SlotUse) -> SlotLease:
        """See ``EngineSlots.take``. What was set aside for the call is given first."""
        aside = self._aside.pop(call_id, None) if use == "call" else None
        if aside is not None:
            return aside
        free = [slot for slot in self._slots if slot.state == "free"]
        if not free or (use == "call" and len(self._calls() - {call_id}) >= self.usable):
            raise QuotaExceeded("no_engine_slot", "Every engine is taken; try again in a few seconds.", retry_after_s=RETRY_AFTER_S)
        slot = min(free, key=lambda one: one.since_ms)  # the one that rested longest
        slot.become("taken", self._clock.monotonic_ms(), call_id=call_id)
        self._held_ms.setdefault(call_id, 0.0)
        return Lease(slot, self._returned)

    def set_aside(self, call_id: str) -> bool:
        """Keep a process for the call until it takes it; False when the call holds one already. Raises like ``take``."""
        if call_id in self._calls():
            return False
        self._aside[call_id] = self.take(call_id, "call")
        return True

    def put_back(self, call_id: str) -> None:
        """Let go of what was set aside and not taken; else silent."""
        aside = self._aside.pop(call_id, None)
        if aside is not None:
            aside.give_back(sound=True)

    def _returned(self, slot: _Slot, sound: bool) -> None:
        now_ms = self._clock.monotonic_ms()
        if slot.call_id in self._held_ms:
            self._held_ms[slot.call_id] += now_ms - slot.since_ms
        if sound:
            slot.become("free", now_ms)
        else:
            slot.become("cooling", now_ms, check_in_ms=COOL_FIRST_MS)

    # --- figures ---

    @property
    def healthy(self) -> int:
        """Processes that carry a call or could."""
        return sum(slot.state in ("free", "taken") for slot in self._slots)

    @property
    def usable(self) -> int:
        """How many calls can be carried in all: the healthy processes less the spares, at least one where any is healthy."""
        return max(self.healthy - self._spares, min(self.healthy, 1))

    def _calls(self) -> set[str]:
        return {slot.call_id for slot in self._slots if slot.state == "taken"}

    def held_ms(self, call_id: str) -> float:
        """How long processes were held for the call, added up; 0 for an unknown or forgotten one."""
        if call_id not in self._held_ms:
            return 0.0
        now_ms = self._clock.monotonic_ms()
        living = sum(now_ms - slot.since_ms for slot in self._slots if slot.state == "taken" and slot.call_id == call_id)
        return self._held_ms[call_id] + living

    def forget(self, call_id: str) -> None:
        """The call is over: what was set aside for it is free again, its figures are dropped."""
        self.put_back(call_id)
        self._held_ms.pop(call_id, None)

    def status(self) -> tuple[SlotRow, ...]:
        """Every process, in the order of the settings."""
        now_ms = self._clock.monotonic_ms()
        return tuple(SlotRow(slot.address, slot.state, slot.call_id, now_ms - slot.since_ms) for slot in self._slots)

    # --- health ---

    async def run(self) -> None:
        """Ask idle processes every five seconds, and those that are in doubt sooner; until cancelled."""
        async with asyncio.TaskGroup() as group:
            for slot in self._slots:
                group.create_task(self._watch(slot))

    async def check_all(self) -> None:
        """Ask every process that is not taken, now."""
        await asyncio.gather(*(self._check(slot) for slot in self._slots if slot.state != "taken"))

    async def _watch(self, slot: _Slot) -> None:
        while True:
            slot.changed.clear()
            wait_ms = slot.check_at_ms - self._clock.monotonic_ms()
            if slot.state == "taken":
                await slot.changed.wait()
            elif wait_ms > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_ms / 1000.0 / self._clock.speed):
                        await slot.changed.wait()
            else:
                await self._check(slot)

    async def _check(self, slot: _Slot) -> None:
        epoch = slot.epoch
        alive = await self._probe(slot.address)
        if slot.epoch != epoch:  # taken or given back meanwhile: the answer is about another state
            return
        now_ms = self._clock.monotonic_ms()
        if alive:
            if slot.state != "free":
                _log.info("engine process is there: %s", slot.address)
                slot.become("free", now_ms)
            slot.check_at_ms = now_ms + CHECK_EVERY_MS
            slot.misses = 0
            return
        if slot.state != "down":
            _log.warning("engine process does not answer: %s", slot.address)
            slot.become("down", now_ms)
        slot.misses += 1
        slot.check_at_ms = now_ms + min(CHECK_EVERY_MS, 250.0 * 2 ** min(slot.misses, 5))


async def answers_http(address: str) -> bool:
    """Whether anything answers a plain GET of ``ws://…`` as HTTP: the model's server says 400, for it expected an upgrade.

    The deadline is real time also under a faster clock: it is the wire's.
    """
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            return await _get(urlsplit(address))
    except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
        return False


async def _get(url: SplitResult) -> bool:
    secure = url.scheme in ("wss", "https")
    host = url.hostname or ""
    reader, writer = await asyncio.open_connection(host, url.port or (443 if secure else 80), ssl=_tls() if secure else None)
    try:
        writer.write(f"GET {url.path or '/'} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n".encode("ascii"))
        return await reader.readexactly(5) == b"HTTP/"
    finally:
        writer.close()


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
