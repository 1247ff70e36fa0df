"""What goes on behind the calls on one machine: each archived call is finished, each event delivered, after a restart too."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from control_plane.services.after_call import AfterCall
from control_plane.services.courier import Courier
from nexus.clock import Clock
from nexus.errors import NexusError
from nexus.ports.tenants import TenantStore

RETRY_S = (5.0, 30.0, 120.0)
"""How long a call waits after a fault that may pass; after the last of them the fault is final."""
LOOK_EVERY_S = 30.0
_TENANTS_ABREAST = 8
_log = logging.getLogger("nexus.local")


@dataclass(frozen=True, slots=True)
class Bells:
    """How the rest of the process tells these workers of work. ``archived`` is unbounded: a call that is over must not wait for others."""

    archived: asyncio.Queue[tuple[str, str]] = field(default_factory=asyncio.Queue)
    due: asyncio.Event = field(default_factory=asyncio.Event)

    async def wake(self, tenant_id: str, call_id: str) -> None:
        """A call is to be finished."""
        await self.archived.put((tenant_id, call_id))


async def finish_calls(after_call: AfterCall, bells: Bells, clock: Clock, retry_s: Sequence[float] = RETRY_S) -> None:
    """Finish each archived call, first those that an earlier run left unfinished; until cancelled."""
    try:
        await after_call.catch_up()
    except NexusError as error:
        _log.error("calls of an earlier run could not be looked through; the next start does: %s", error)
    bells.due.set()
    later: list[tuple[float, int, str, str]] = []
    while True:
        tenant_id, call_id, tries = await _next(bells.archived, later, clock)
        try:
            await after_call.finish(tenant_id, call_id, last_attempt=tries >= len(retry_s))
        except NexusError as error:
            if error.retryable and tries < len(retry_s):
                _log.warning("call %s is archived but not finished, it is tried again: %s", call_id, error)
                heapq.heappush(later, (clock.monotonic_ms() + retry_s[tries] * 1000.0, tries + 1, tenant_id, call_id))
            else:
                _log.error("call %s is archived but not finished; the next start catches up: %s", call_id, error)
        bells.due.set()


async def deliver_events(courier: Courier, tenants: TenantStore, bells: Bells, clock: Clock) -> None:
    """Deliver every event whose time has come, until cancelled. One slow receiver holds up the others by one deadline at most."""
    abreast = asyncio.Semaphore(_TENANTS_ABREAST)

    async def one(tenant_id: str) -> datetime | None:
        async with abreast:
            try:
                return await courier.deliver_due(tenant_id)
            except NexusError as error:
                _log.error("webhooks of %s could not be delivered, they stay due: %s", tenant_id, error)
                return None

    while True:
        bells.due.clear()
        try:
            waiting = await asyncio.gather(*(one(tenant_id) for tenant_id in await tenants.list_ids()))
        except NexusError as error:
            _log.error("webhooks could not be delivered, they stay due: %s", error)
            waiting = []
        wait_s = min([LOOK_EVERY_S, *((at - clock.now()).total_seconds() for at in waiting if at is not None)])
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(bells.due.wait(), max(0.0, wait_s) / clock.speed)


async def _next(archived: asyncio.Queue[tuple[str, str]], later: list[tuple[float, int, str, str]], clock: Clock) -> tuple[str, str, int]:
    """The next call to finish and how often it was tried: a fresh one, or one that has waited long enough."""
    if not later:
        return (*await archived.get(), 0)
    wait_ms = later[0][0] - clock.monotonic_ms()
    try:
        return (*await asyncio.wait_for(archived.get(), max(0.0, wait_ms) / 1000.0 / clock.speed), 0)
    except TimeoutError:
        _, tries, tenant_id, call_id = heapq.heappop(later)
        return tenant_id, call_id, tries
