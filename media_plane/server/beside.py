"""Work that goes on beside the calls of a process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

_log = logging.getLogger("nexus.media")


@asynccontextmanager
async def beside(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """The work goes on until the block is left. It must not end by itself: if it does, the log says why, and calls go on."""
    task = asyncio.create_task(work)
    task.add_done_callback(_tell_death)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _tell_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.critical("work of this process has died", exc_info=task.exception())
