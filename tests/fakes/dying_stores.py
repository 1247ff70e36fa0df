"""Stores that die with their process at a chosen operation, just before or just after it took effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from control_plane.wiring import Stores


class Killed(BaseException):
    """The process is gone: nothing that is written for failures runs on it."""


@dataclass
class Line:
    """Counts operations. The one numbered ``dies_at`` kills, after its effect where ``after`` says so."""

    dies_at: int = -1
    after: bool = False
    count: int = 0

    def arm(self, dies_at: int, *, after: bool) -> None:
        self.dies_at, self.after, self.count = dies_at, after, 0

    def disarm(self) -> None:
        self.dies_at = -1


class Dying:
    """Anything with coroutine methods, counted by a line."""

    def __init__(self, target: Any, line: Line) -> None:
        self._target = target
        self._line = line

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return self._counted(found) if callable(found) else found

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def counted(*values: Any, **named: Any) -> Any:
            line = self._line
            mine, line.count = line.count, line.count + 1
            if mine == line.dies_at and not line.after:
                raise Killed
            given = await method(*values, **named)
            if mine == line.dies_at:
                raise Killed
            return given

        return counted


def dying(stores: Stores, line: Line) -> Stores:
    """All stores of a control plane on one line."""
    named = [one.name for one in fields(stores) if one.name in ("archive", "index", "leads", "documents", "tenants")]
    dead: dict[str, Any] = {name: Dying(getattr(stores, name), line) for name in named}
    return replace(stores, **dead)
