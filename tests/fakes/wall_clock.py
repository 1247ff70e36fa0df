"""A wall clock that stands where a test puts it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nexus.clock import Clock


class WallClock(Clock):
    """``go`` moves it."""

    def __init__(self, at: datetime = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)) -> None:
        super().__init__()
        self.__dict__["at"] = at

    def now(self) -> datetime:
        at: datetime = self.__dict__["at"]
        return at

    def go(self, seconds: float) -> None:
        self.__dict__["at"] += timedelta(seconds=seconds)
