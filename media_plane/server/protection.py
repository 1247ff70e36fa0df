"""Keeps the platform that runs this process from stopping it while calls live in it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from media_plane.server.occupancy import Occupancy, seen
from nexus.clock import Clock
from nexus.errors import UpstreamError

_log = logging.getLogger("nexus.protection")
_LOOK_EVERY_S = 1.0
Wish = Literal["protect", "unprotect"]
Answer = Literal["granted", "held_up"]
"""``held_up``: not granted, since more tasks are protected than the platform wants to run; it waits for some to leave."""


class ScaleInProtection(Protocol):
    """The platform's word that it stops this process neither for a deployment nor to save money. Each wish ends within seconds."""

    async def protect(self, minutes: int) -> Answer:
        """For so long from now. Raises UpstreamError ``protection_failed``."""
        ...

    async def unprotect(self) -> None:
        """No longer. Raises UpstreamError ``protection_failed``."""
        ...


@dataclass(frozen=True, slots=True)
class ProtectionTerms:
    """When protection is asked for.

    Attributes:
        minutes: how long each wish holds: the longest call, and ten minutes more.
        renew_after_ms: while busy it is asked for anew so often. A call that begins just before is covered to its end by the wish
            before, also when the renewal fails.
        idle_ms: an empty process stays protected for so long, so that one short call after the other does not ask twice each.
        retry_ms: a wish that failed is tried again after so long; twice as long each further time, up to a minute.
    """

    minutes: int
    renew_after_ms: float = 300_000.0
    idle_ms: float = 15_000.0
    retry_ms: float = 2_000.0

    @staticmethod
    def for_calls_of(longest_call_s: float) -> ProtectionTerms:
        """For calls that last at most so long."""
        return ProtectionTerms(minutes=int(-(-longest_call_s // 60)) + 10)


class ProtectionPlan:
    """What is to be asked for next. Pure: ``at_ms`` never steps back."""

    def __init__(self, terms: ProtectionTerms) -> None:
        self._terms = terms
        self._set_at_ms: float | None = None
        self._in_doubt = False
        self._busy_at_ms: float | None = None
        self._failures = 0
        self._not_before_ms = 0.0

    def due(self, at_ms: float, *, busy: bool) -> Wish | None:
        """The wish of this moment."""
        if busy:
            self._busy_at_ms = at_ms
        if at_ms < self._not_before_ms:
            return None
        if busy:
            fresh = self._set_at_ms is not None and at_ms - self._set_at_ms < self._terms.renew_after_ms
            return None if fresh else "protect"
        idle = self._busy_at_ms is None or at_ms - self._busy_at_ms >= self._terms.idle_ms
        return "unprotect" if idle and (self._set_at_ms is not None or self._in_doubt) else None

    def covered(self, at_ms: float) -> bool:
        """Whether a wish that was granted still holds."""
        return self._set_at_ms is not None and at_ms - self._set_at_ms < self._terms.minutes * 60_000

    def done(self, wish: Wish, at_ms: float) -> None:
        """The wish was granted."""
        self._set_at_ms = at_ms if wish == "protect" else None
        self._in_doubt = False
        self._failures, self._not_before_ms = 0, at_ms

    def failed(self, at_ms: float) -> None:
        """It was not, or nobody knows: then it is taken off in any case once the process is empty."""
        self._in_doubt = True
        self._failures += 1
        self._not_before_ms = at_ms + min(60_000.0, self._terms.retry_ms * 2 ** min(self._failures - 1, 5))


@dataclass(frozen=True, slots=True)
class ProtectionNews:
    """Who is told what the platform answered.

    Attributes:
        failed: a wish was not granted, and nothing protects the calls that live now.
        yields: whether the process is one of those that the platform waits for: it is protected, and a further wish was held up. So it
            stays until protection is off. One that is not protected is held up by others, and goes on as before.
    """

    failed: Callable[[], None]
    yields: Callable[[bool], None]


class Protector:
    """Runs the plan.

    Args:
        platform: who is asked.
        occupancy: whether anybody is here or on the way.
        told: of what was answered.
    """

    def __init__(
        self, platform: ScaleInProtection, terms: ProtectionTerms, occupancy: Occupancy, clock: Clock, told: ProtectionNews
    ) -> None:
        self._platform = platform
        self._terms = terms
        self._plan = ProtectionPlan(terms)
        self._occupancy = occupancy
        self._clock = clock
        self._told = told

    async def run(self) -> None:
        """Until cancelled; then protection is as it was last asked for."""
        while True:
            change = self._occupancy.next_change
            wish = self._plan.due(self._clock.monotonic_ms(), busy=self._occupancy.busy)
            if wish is not None:
                await self._ask(wish)
            await seen(change, _LOOK_EVERY_S)

    async def take_off(self) -> None:
        """At the end of the process, once, whatever is protected. Never raises."""
        await self._ask("unprotect")

    async def _ask(self, wish: Wish) -> None:
        try:
            if wish == "protect" and await self._platform.protect(self._terms.minutes) == "held_up":
                self._held_up()
                return
            if wish == "unprotect":
                await self._platform.unprotect()
        except UpstreamError as error:  # calls go on: the stop window and the drain are the second net
            _log.error("%s", error.public_message)
            self._plan.failed(self._clock.monotonic_ms())
            self._told.failed()
            return
        _log.info("scale-in protection: %s", wish)
        self._plan.done(wish, self._clock.monotonic_ms())
        if wish == "unprotect":
            self._told.yields(False)

    def _held_up(self) -> None:
        at_ms = self._clock.monotonic_ms()
        self._plan.failed(at_ms)
        if self._plan.covered(at_ms):
            _log.warning("the platform waits for protected tasks to leave: calls are placed elsewhere as long as there is room")
            self._told.yields(True)
        else:
            _log.error("scale-in protection is held up by tasks that are protected already")
            self._told.failed()
