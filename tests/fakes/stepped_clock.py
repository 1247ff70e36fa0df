"""A clock that a test moves: whoever sleeps on it wakes at the right moment of its time, in order."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

from nexus.clock import Clock

_SETTLING = 40
"""Turns of the loop after which tasks that wait for nothing outside have come to rest."""


class SteppedClock(Clock):
    """Stands still but for ``advance``."""

    def __init__(self) -> None:
        super().__init__()
        self.__dict__.update(at_ms=0.0, sleepers=[], order=count())

    def monotonic_ms(self) -> float:
        return float(self.__dict__["at_ms"])

    async def sleep_ms(self, duration_ms: float) -> None:
        if duration_ms <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self.__dict__["sleepers"], (self.monotonic_ms() + duration_ms, next(self.__dict__["order"]), woken))
        await woken

    async def advance(self, duration_ms: float) -> None:
        """Let so much time pass, and everything happen that is due in it."""
        await self.settle()
        until_ms = self.monotonic_ms() + duration_ms
        sleepers = self.__dict__["sleepers"]
        while sleepers and sleepers[0][0] <= until_ms:
            at_ms, _, woken = heapq.heappop(sleepers)
            self.__dict__["at_ms"] = at_ms
            if not woken.done():
                woken.set_result(None)
                await self.settle()
        self.__dict__["at_ms"] = until_ms
        await self.settle()

    async def settle(self) -> None:
        for _ in range(_SETTLING):
            await asyncio.sleep(0)
