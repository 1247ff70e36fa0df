"""A clock whose time runs as fast as everybody has come to rest: long waits in an instant, and no load of the machine changes them."""

from __future__ import annotations

import asyncio
import heapq

from tests.fakes.stepped_clock import SteppedClock

_SETTLING = 16


class RunningClock(SteppedClock):
    """As soon as nothing more happens by itself it wakes whoever sleeps the shortest."""

    def __init__(self) -> None:
        super().__init__()
        self.__dict__["runs"] = None

    async def sleep_ms(self, duration_ms: float) -> None:
        runs = self.__dict__["runs"]
        if runs is None or runs.done():
            self.__dict__["runs"] = asyncio.create_task(self._run(), name="running clock")
        await super().sleep_ms(duration_ms)

    async def _run(self) -> None:
        while True:
            for _ in range(_SETTLING):
                await asyncio.sleep(0)
            sleepers = self.__dict__["sleepers"]
            while sleepers and sleepers[0][2].done():
                heapq.heappop(sleepers)
            if not sleepers:
                return
            at_ms, _, woken = heapq.heappop(sleepers)
            self.__dict__["at_ms"] = at_ms
            woken.set_result(None)
