"""The life of an engine's tasks between ``start`` and ``close``: one owner, one TaskGroup, one honest end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from media_plane.conversation.events import EngineFailed
from media_plane.engines.outbox import Outbox
from nexus.errors import NexusError

Job = Callable[[asyncio.TaskGroup], Coroutine[Any, Any, None]]
_log = logging.getLogger(__name__)


class Supervision:
    """Runs jobs until ``stop``; the first fault ends them all with ``EngineFailed`` on the outbox."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._owner: asyncio.Task[None] | None = None

    def begin(self, *jobs: Job) -> None:
        """Start the jobs. The owner task lives until ``stop``, which the engine's ``close`` calls."""
        self._owner = asyncio.get_running_loop().create_task(self._live(jobs), name="engine")

    async def stop(self) -> None:
        """Cancel everything, wait until it is gone and end the outbox; again is silent."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.cancel()
            await asyncio.wait([owner])
        self._outbox.close()

    async def _live(self, jobs: tuple[Job, ...]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for job in jobs:
                    group.create_task(job(group))
        except BaseExceptionGroup as faults:
            # A supervised border: whatever broke inside one call's engine must reach the call as an event, never the process.
            await self._outbox.finish(_failure(faults))


def _failure(faults: BaseExceptionGroup[BaseException]) -> EngineFailed:
    first: BaseException = faults
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if isinstance(first, NexusError):
        return EngineFailed(first.code, first.public_message)
    _log.error("engine broke", exc_info=first)
    return EngineFailed("engine_lost", "The engine broke; the log names the fault")
