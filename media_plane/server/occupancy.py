"""Who is in this process or on the way to it: sockets at the door, calls that live, leases that wait for their caller."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from nexus.clock import Clock
from nexus.domain.call import CallEntry


class Occupancy:
    """Kept by the call server and the door; asked by whoever must not stop the process under a call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at_door: set[object] = set()
        self._living: dict[str, asyncio.Task[None] | None] = {}
        self._relayed: dict[str, asyncio.Task[None] | None] = {}
        self._leases: dict[str, datetime] = {}
        self._changed = asyncio.Event()

    # --- written ---

    def knocks(self, socket: object) -> None:
        """A handshake begins; it is at the door until ``comes_in_or_leaves``."""
        self._at_door.add(socket)
        self._change()

    def comes_in_or_leaves(self, socket: object) -> None:
        """The handshake is over: a call has begun to live, or never will. Again is silent."""
        self._at_door.discard(socket)
        self._change()

    @contextmanager
    def living(self, call_id: str) -> Iterator[None]:
        """A call of our own lives, carried by the current task."""
        with self._kept(self._living, call_id):
            self._leases.pop(call_id, None)
            yield

    @contextmanager
    def relayed(self, call_id: str) -> Iterator[None]:
        """A socket is passed on to another process, by the current task."""
        with self._kept(self._relayed, call_id):
            yield

    @contextmanager
    def _kept(self, where: dict[str, asyncio.Task[None] | None], call_id: str) -> Iterator[None]:
        where[call_id] = asyncio.current_task()
        self._change()
        try:
            yield
        finally:
            where.pop(call_id, None)
            self._change()

    def leases(self, ready: Iterable[CallEntry]) -> None:
        """These calls hold a slot here and wait for their caller, as the ledger says now."""
        self._leases = {entry.call_id: entry.lease_expires_at for entry in ready if entry.call_id not in self._living}
        self._change()

    # --- asked ---

    @property
    def sockets(self) -> int:
        """Callers' sockets that are served: calls that live here, and relayed ones."""
        return len(self._living) + len(self._relayed)

    @property
    def calls(self) -> int:
        """Calls that live here."""
        return len(self._living)

    @property
    def relays(self) -> int:
        """Sockets that are passed on to other processes."""
        return len(self._relayed)

    @property
    def waiting(self) -> int:
        """Leases that have not run out and whose callers have not come."""
        now = self._clock.now()
        return sum(until > now for until in self._leases.values())

    @property
    def served(self) -> bool:
        """Whether a socket is served or at the door."""
        return bool(self._living or self._relayed or self._at_door)

    @property
    def busy(self) -> bool:
        """Whether stopping the process now would hurt anybody."""
        return self.served or self.waiting > 0

    def lives_here(self, call_id: str) -> bool:
        """Whether this very process carries the call."""
        return call_id in self._living

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """Those that carry calls or relay sockets."""
        return [task for task in (*self._living.values(), *self._relayed.values()) if task is not None]

    # --- waited for ---

    @property
    def next_change(self) -> asyncio.Event:
        """Set by the next change: take it before you look, so that none is missed."""
        return self._changed

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def seen(change: asyncio.Event, within_s: float) -> None:
    """Wait for the change, at most so long (real time): leases run out by themselves."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await change.wait()
