"""A clock that stands still until a test moves it."""

from __future__ import annotations

from nexus.clock import Clock


class HandClock(Clock):
    """``pass_ms`` moves it; who sleeps on it waits for real time all the same."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "_at_ms", 0.0)

    def monotonic_ms(self) -> float:
        return float(self.__dict__["_at_ms"])

    def pass_ms(self, duration_ms: float) -> None:
        self.__dict__["_at_ms"] += duration_ms
