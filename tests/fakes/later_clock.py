"""Real time, and whatever a test lets pass beside it."""

from __future__ import annotations

from datetime import datetime, timedelta

from nexus.clock import Clock


class LaterClock(Clock):
    """``advance`` makes it later; who sleeps on it waits for real time all the same."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "_ahead", [timedelta()])

    def now(self) -> datetime:
        return super().now() + self.__dict__["_ahead"][0]

    def advance(self, by: timedelta) -> None:
        self.__dict__["_ahead"][0] += by
