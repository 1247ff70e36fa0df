"""One thread that runs a model's blocking work, one piece after another."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from nexus.errors import UpstreamError

P = ParamSpec("P")
R = TypeVar("R")


class Worker:
    """A thread with a bounded queue: where ``most_waiting`` pieces wait already, a new one is refused at once.

    Args:
        name: of the thread, for dumps and logs.
        most_waiting: pieces that may be queued or running.
    """

    def __init__(self, name: str, *, most_waiting: int = 16) -> None:
        self._name = name
        self._room = threading.BoundedSemaphore(most_waiting)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``work`` in the thread. Cancelled while queued, it never runs; cancelled while running, its outcome is dropped.

        Raises:
            UpstreamError: ``speech_failed`` when too many wait, or after ``close``.
        """
        if not self._room.acquire(blocking=False):
            raise UpstreamError("speech_failed", f"The {self._name} is overloaded: too many utterances wait for it already")
        context = contextvars.copy_context()
        try:
            future = self._pool.submit(context.run, lambda: work(*args, **kwargs))
        except RuntimeError as error:
            self._room.release()
            raise UpstreamError("speech_failed", f"The {self._name} is shut down", retryable=False) from error
        future.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let the thread go; queued work is dropped, running work is left to end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
