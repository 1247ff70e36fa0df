"""Engines that begin before their caller is there: a call that waits for its caller has its model's session set up meanwhile.

Setting up a session of a full-duplex model takes seconds, and each session needs a server process of its own. So a call takes its process
at the latest when its socket is admitted, and mostly when it is ordered; whoever comes to a full house is refused at the door.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from media_plane.conversation.commands import EngineInput
from media_plane.conversation.events import EngineEvent
from media_plane.ports.engine import CallBrief, EngineTraits, VoiceEngine
from nexus import context
from nexus.domain.call import CallEntry
from nexus.domain.tenant import TenantConfig
from nexus.errors import NexusError, QuotaExceeded, UpstreamError

_log = logging.getLogger("nexus.priming")
_CLOSE_S = 5.0


class Seats(Protocol):
    """What the door asks of the engines: a process for a call that is about to come in."""

    def hold(self, call_id: str, config: TenantConfig) -> None:
        """The call is at the door: see to it that an engine has room for it. Raises QuotaExceeded ``no_engine_slot``."""
        ...

    def let_go(self, call_id: str) -> None:
        """The call did not come in after all: undo one ``hold``."""
        ...


class OpenHouse:
    """Implements ``Seats`` for engines that need no process of their own."""

    def hold(self, call_id: str, config: TenantConfig) -> None:
        """Room for everybody."""

    def let_go(self, call_id: str) -> None:
        """Nothing was held."""


class CallSlots(Protocol):
    """What priming asks of the server processes (``media_plane.slots.SlotPool``)."""

    def set_aside(self, call_id: str) -> bool:
        """Keep a process for the call; False when it holds one already. Raises QuotaExceeded ``no_engine_slot``."""
        ...

    def put_back(self, call_id: str) -> None:
        """Let go of what was set aside and not taken."""
        ...

    def forget(self, call_id: str) -> None:
        """The call is over."""
        ...


@dataclass(frozen=True, slots=True)
class Begun:
    """An engine and the configuration that it was started with."""

    engine: VoiceEngine
    config: TenantConfig


@dataclass(frozen=True, slots=True)
class EngineStarts:
    """How engines are started in advance.

    Attributes:
        needs_slot: whether the first engine of a tenant needs a server process of its own.
        begin: makes and starts the first engine of a waiting call; None when it is not worth it. Cancelled, it leaves nothing behind.
    """

    needs_slot: Callable[[TenantConfig], bool]
    begin: Callable[[CallEntry], Awaitable[Begun | None]]


class PrimedEngine:
    """Implements ``VoiceEngine``: one whose start began earlier. ``start`` waits for it, the rest is the engine's own."""

    def __init__(self, starting: asyncio.Task[Begun | None]) -> None:
        self._starting = starting

    @property
    def traits(self) -> EngineTraits:
        """See ``VoiceEngine.traits``; known once started."""
        return self._engine().traits

    async def start(self, brief: CallBrief) -> None:
        """Wait until the engine is ready; cancelled, its start is cancelled too. Raises like ``VoiceEngine.start``."""
        await self._starting
        self._engine()

    async def send(self, value: EngineInput) -> None:
        """See ``VoiceEngine.send``."""
        await self._engine().send(value)

    def events(self) -> AsyncIterator[EngineEvent]:
        """See ``VoiceEngine.events``."""
        return self._engine().events()

    async def close(self) -> None:
        """See ``VoiceEngine.close``."""
        self._starting.cancel()
        await asyncio.wait([self._starting])
        begun = _result(self._starting)
        if begun is not None:
            await begun.engine.close()

    def _engine(self) -> VoiceEngine:
        begun = _result(self._starting)
        if begun is None:
            raise UpstreamError("engine_unreachable", "The engine that was started in advance is not there.")
        return begun.engine


class Primer:
    """Implements ``Seats`` over server processes, and owns every engine that waits for its caller.

    Args:
        slots: the server processes.
        starts: how an engine is started.
    """

    def __init__(self, slots: CallSlots, starts: EngineStarts) -> None:
        self._slots = slots
        self._starts = starts
        self._starting: dict[str, asyncio.Task[Begun | None]] = {}
        self._at_door: Counter[str] = Counter()
        self._leaving: set[asyncio.Task[None]] = set()

    # --- at the heartbeat ---

    def tend(self, ready: Iterable[CallEntry]) -> None:
        """Start engines for the calls that wait now, and let go of those that wait no longer and did not come in."""
        waiting = {entry.call_id: entry for entry in ready}
        for call_id in [*self._starting]:
            if call_id not in waiting and call_id not in self._at_door:
                self.forget(call_id)
        for call_id, entry in waiting.items():
            if call_id not in self._starting and call_id not in self._at_door:
                self._starting[call_id] = asyncio.create_task(self._begin(entry), name="priming")

    async def _begin(self, entry: CallEntry) -> Begun | None:
        with context.working_for(tenant_id=entry.order.tenant_id, call_id=entry.call_id):
            try:
                return await self._starts.begin(entry)
            except QuotaExceeded:
                self._starting.pop(entry.call_id, None)  # tried again at the next heartbeat: a process may be free then
                return None
            except NexusError as error:
                _log.warning("engine not started in advance, it is tried when the caller comes: %s", error)
                return None

    # --- at the door ---

    def hold(self, call_id: str, config: TenantConfig) -> None:
        """See ``Seats.hold``."""
        if self._starts.needs_slot(config):
            self._slots.set_aside(call_id)
        self._at_door[call_id] += 1

    def let_go(self, call_id: str) -> None:
        """See ``Seats.let_go``."""
        self._at_door[call_id] -= 1
        if self._at_door[call_id] <= 0:
            del self._at_door[call_id]
            if call_id in self._starting:
                self._slots.put_back(call_id)
            else:
                self._slots.forget(call_id)

    # --- in the call ---

    def engine(self, call_id: str, config: TenantConfig) -> PrimedEngine | None:
        """The engine that was started for the call, once; None where there is none for this configuration."""
        starting = self._starting.pop(call_id, None)
        if starting is None:
            return None
        if starting.done():
            begun = _result(starting)
            if begun is None or begun.config.config_hash != config.config_hash:
                self._let_leave(starting)
                return None
        return PrimedEngine(starting)

    def forget(self, call_id: str) -> None:
        """The call is over, or never began: its engine, if nobody took it, and its process are let go."""
        self._at_door.pop(call_id, None)
        starting = self._starting.pop(call_id, None)
        if starting is not None:
            self._let_leave(starting)
        self._slots.forget(call_id)

    async def close(self) -> None:
        """Let go of everything that waits."""
        for call_id in [*self._starting]:
            self.forget(call_id)
        if self._leaving:
            await asyncio.wait([*self._leaving])

    def _let_leave(self, starting: asyncio.Task[Begun | None]) -> None:
        leaving = asyncio.create_task(_close(PrimedEngine(starting)), name="closing a primed engine")
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)


def _result(starting: asyncio.Task[Begun | None]) -> Begun | None:
    if not starting.done() or starting.cancelled() or starting.exception() is not None:
        return None
    return starting.result()


async def _close(engine: PrimedEngine) -> None:
    try:
        async with asyncio.timeout(_CLOSE_S):
            await engine.close()
    except (NexusError, OSError, TimeoutError) as error:
        _log.warning("engine did not close cleanly: %s", error)
