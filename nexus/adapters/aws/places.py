"""Seats and slots as numbered places: who holds one now, and which may be taken. Pure.

A place is taken by writing its item under a condition, and given back by deleting it or by the passing of time: a ready call holds it
until its lease ends, an active one until it is released, and nobody's process that is dead holds a seat. Nothing is counted in a
stored number, so nothing can drift.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, islice

from nexus.adapters import rules
from nexus.adapters.waiting import Hold
from nexus.domain.call import CallEntry, MediaProcess

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FOREVER_US = 2**53 - 1
"""The hold of an active call ends with its release only."""


@dataclass(frozen=True, slots=True)
class Place:
    """One seat of a tenant or one slot of a process, as it was last taken."""

    index: int
    call_id: str
    tenant_id: str
    process_id: str
    until_us: int
    ends_us: int = 0
    """When its call has ended at the latest, once it is connected."""
    end_requested: bool = False
    lines: bool = False
    """Whether somebody has left lines for the call."""
    weight: int = 1

    @property
    def active(self) -> bool:
        """Whether the call is connected."""
        return self.until_us == FOREVER_US


def hold_of(place: Place) -> Hold:
    """What holds the place, as far as waiting for it goes."""
    return Hold(place.tenant_id, place.active, from_microseconds(place.ends_us if place.active else place.until_us))


def microseconds(at: datetime) -> int:
    """Since the Unix epoch; exact, as times in a condition must be."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    """The moment again."""
    return _EPOCH + timedelta(microseconds=value)


def held_until_us(entry: CallEntry) -> int:
    """How long a call holds its seat and its slot."""
    return FOREVER_US if entry.state == "active" else microseconds(entry.lease_expires_at)


def holds(place: Place, processes: Mapping[str, MediaProcess], now: datetime) -> bool:
    """Whether the place is taken now: by a lease or a live call, in a process that lives."""
    process = processes.get(place.process_id)
    return place.until_us > microseconds(now) and process is not None and rules.is_alive(process, now)


def free(room: int, taken: Collection[int]) -> list[int]:
    """Which places may be taken: as many of the lowest numbers that nobody has as there is room.

    All who see the same choose among the same few, so racers together never take more than there is room. Numbers may lie beyond the
    limit: the seats that a dead process left are not counted and yet not given away, for it may come back.
    """
    return [*islice((index for index in count() if index not in taken), max(0, room))]


def chosen_process(processes: Sequence[MediaProcess], taken: Mapping[str, int], now: datetime, salt: str) -> MediaProcess:
    """A live process with the most free slots; among equals another one for each ``salt``, so that racers spread.

    Raises:
        QuotaExceeded: ``no_engine_slot``.
    """
    best = rules.choose_process(processes, dict(taken), now)
    room = best.slots - taken.get(best.process_id, 0)
    there = [one for one in processes if rules.is_alive(one, now) and not one.draining and one.yields == best.yields]
    equal = [one for one in there if one.slots - taken.get(one.process_id, 0) == room]
    return min(equal, key=lambda one: _mixed(salt, one.process_id))


def lowest(room: int, processes: Sequence[MediaProcess], taken: Sequence[Place], now: datetime) -> dict[str, list[int]]:
    """The ``room`` free slots of lowest numbers in the fleet, by process, those of processes that yield last; processes without any are
    left out."""
    open_slots: list[tuple[bool, int, str]] = []
    for process in processes:
        if rules.is_alive(process, now) and not process.draining:
            held = {place.index for place in taken if place.process_id == process.process_id}
            open_slots += [(process.yields, index, process.process_id) for index in free(process.slots - len(held), held)]
    allowed: dict[str, list[int]] = {}
    for _, index, process_id in sorted(open_slots)[:room]:
        allowed.setdefault(process_id, []).append(index)
    return allowed


def chosen(indexes: Sequence[int], salt: str) -> int:
    """One of the free places; another one for each ``salt``."""
    return min(indexes, key=lambda index: _mixed(salt, str(index)))


def _mixed(salt: str, name: str) -> bytes:
    return hashlib.sha256(f"{salt}/{name}".encode()).digest()
