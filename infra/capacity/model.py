"""One run: callers meet a fleet that scales itself, and everything that happened is counted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import simpy

from infra.capacity.bound import Foresight, foresight
from infra.capacity.demand import Callers, Demand, draw, mean_hold_s
from infra.capacity.fleet import SimulatedFleet, Steps, Task
from infra.capacity.policies import FloorOfFreeSlots, TargetTracking
from infra.capacity.settings import Fleet

SAMPLE_S = 10.0
SAMPLES_A_MINUTE = 6
SAMPLES_OF_FLOOR = 3
"""The floor's alarm looks at a mean over thirty seconds, since tasks tell their ten seconds each in its own time."""
HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Point:
    """The fleet at one moment, for plots."""

    at_s: float
    busy: int
    slots: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the callers, and what the fleet took.

    ``refused``: turned away at the first try and never came back; ``abandoned``: gave up after more tries; ``trying``: neither at the end.
    ``refused_first`` counts whoever was refused at the first try, served later or not. ``waits_s`` are the waits of those who were served.
    """

    arrived: int
    served: int
    refused: int
    abandoned: int
    trying: int
    refused_first: int
    cut: int
    call_minutes: float
    live_s: float
    held_s: float
    horizon_s: float
    gpu_hours: float
    foresight: Foresight
    most_busy: int
    most_slots: int
    most_over: int
    starts: int
    from_warm: int
    waits_s: tuple[float, ...]
    points: tuple[Point, ...]

    @property
    def refusal_rate(self) -> float:
        """Part of the callers who met a 503 at their first try."""
        return self.refused_first / self.arrived if self.arrived else 0.0

    @property
    def lost_rate(self) -> float:
        """Part of the callers who were never served."""
        return (self.refused + self.abandoned) / self.arrived if self.arrived else 0.0

    @property
    def gpu_minutes_per_call_minute(self) -> float:
        return self.gpu_hours * 60 / self.call_minutes if self.call_minutes else math.nan

    def wait_s(self, part: float) -> float:
        """Wait of the caller at this part of all who were served (nearest rank)."""
        ranked = sorted(self.waits_s)
        return ranked[max(0, math.ceil(part * len(ranked)) - 1)] if ranked else 0.0


@dataclass(slots=True)
class _Tally:
    served: int = 0
    refused: int = 0
    abandoned: int = 0
    refused_first: int = 0
    cut: int = 0
    live: int = 0
    live_s: float = 0.0
    most_busy: int = 0
    most_slots: int = 0
    most_over: int = 0
    changed_s: float = 0.0
    ends_s: dict[int, float] = field(default_factory=dict)
    began_s: dict[int, float] = field(default_factory=dict)
    waits_s: list[float] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)


class _Run:
    """The shell around SimPy: moves callers through the fleet, feeds the policies."""

    def __init__(self, demand: Demand, fleet: Fleet, callers: Callers, seed: int) -> None:
        self.env = simpy.Environment()
        self.demand, self.settings, self.callers = demand, fleet, callers
        self.machines = SimulatedFleet(self.env, fleet, seed, self._cut)
        self.tally = _Tally()
        self._rng = np.random.default_rng([seed, 3])
        self._mean_hold_s = mean_hold_s(demand)
        self.cut: set[int] = set()

    def arrivals(self) -> Steps:
        for call, at_s in enumerate(self.callers.at_s.tolist()):
            yield self.env.timeout(at_s - self.env.now)
            if not self._admit(call, at_s):
                self.tally.refused_first += 1
                self.env.process(self._try_again(call, at_s))

    def _admit(self, call: int, arrived_s: float) -> bool:
        task = self.machines.take(call)
        if task is None:
            return False
        self._live(+1)
        tally = self.tally
        tally.served += 1
        tally.waits_s.append(self.env.now - arrived_s)
        tally.most_busy = max(tally.most_busy, self.machines.busy)
        tally.most_over = max(tally.most_over, self.machines.busy - self.machines.slots)
        tally.began_s[call] = self.env.now
        held_s = float(self.callers.talk_s[call]) + self.demand.hold_s
        self.env.timeout(held_s).callbacks.append(lambda _: self._over(task, call))
        return True

    def _over(self, task: Task, call: int) -> None:
        if call in self.cut:
            return
        self.machines.give_back(task, call)
        self._live(-1)
        self.tally.ends_s[call] = self.env.now

    def _cut(self, call: int) -> None:
        self.cut.add(call)
        self._live(-1)
        self.tally.cut += 1
        self.tally.ends_s[call] = self.env.now

    def _live(self, change: int) -> None:
        tally, now = self.tally, self.env.now
        tally.live_s += tally.live * (now - tally.changed_s)
        tally.changed_s = now
        tally.live += change

    def _try_again(self, call: int, arrived_s: float) -> Steps:
        patience = self.settings.patience
        for _ in range(patience.tries - 1):
            if self._rng.random() >= patience.returns:
                break
            yield self.env.timeout(self.retry_after_s() * self._rng.uniform(1.0, 1.5))
            if self._admit(call, arrived_s):
                return
        if self.env.now == arrived_s:
            self.tally.refused += 1
        else:
            self.tally.abandoned += 1

    def retry_after_s(self) -> float:
        """When the next slot is likely to be free: a mean call over the slots that are taken, in whole seconds, within a minute."""
        next_s = math.ceil(self._mean_hold_s / max(1, self.machines.busy))
        return float(min(self.settings.patience.longest_retry_after_s, max(1, next_s)))

    def scaling(self) -> Steps:
        scaling, machines = self.settings.scaling, self.machines
        tracking, floor = TargetTracking(scaling), FloorOfFreeSlots(scaling, self.settings.gpu.slots)
        percents: list[float] = []
        free: list[int] = []
        while True:
            yield self.env.timeout(SAMPLE_S)
            self._note()
            percents.append(100 * machines.busy / machines.slots if machines.slots else 100.0)
            free.append(machines.free)
            wanted = machines.desired
            if len(free) == SAMPLES_OF_FLOOR:
                wanted = floor.sample(self.env.now, sum(free) / len(free), wanted)
                free.clear()
            if len(percents) == SAMPLES_A_MINUTE:
                wanted = tracking.minute(self.env.now, sum(percents) / len(percents), wanted)
                percents.clear()
            if wanted != machines.desired:
                machines.resize(wanted)

    def _note(self) -> None:
        machines, tally = self.machines, self.tally
        tally.most_slots = max(tally.most_slots, machines.slots)
        if self.env.now % 60 < SAMPLE_S:
            tally.points.append(Point(self.env.now, machines.busy, machines.slots))


def simulate(demand: Demand, fleet: Fleet, seed: int, *, fixed: bool = False) -> Outcome:
    """Runs the demand of one seed against the fleet; the same arguments give the same outcome.

    Args:
        fixed: keeps ``scaling.min_tasks`` tasks and scales nothing (a loss system, for which there is a closed form).
    """
    callers = draw(demand, seed)
    run = _Run(demand, fleet, callers, seed)
    run.machines.begin(fleet.scaling.min_tasks)
    run.env.process(run.arrivals())
    if not fixed:
        run.env.process(run.scaling())
    run.env.run(until=demand.horizon_s)
    return _outcome(run)


def _outcome(run: _Run) -> Outcome:
    run._live(0)
    tally, machines, horizon_s = run.tally, run.machines, run.demand.horizon_s
    held_s = sum(tally.ends_s.get(call, horizon_s) - began_s for call, began_s in tally.began_s.items())
    hold_s = run.demand.hold_s
    talked_s = sum(max(0.0, tally.ends_s.get(call, horizon_s) - began_s - hold_s) for call, began_s in tally.began_s.items())
    done = tally.served + tally.refused + tally.abandoned
    return Outcome(
        arrived=len(run.callers),
        served=tally.served,
        refused=tally.refused,
        abandoned=tally.abandoned,
        trying=len(run.callers) - done,
        refused_first=tally.refused_first,
        cut=tally.cut,
        call_minutes=talked_s / 60,
        live_s=tally.live_s,
        held_s=held_s,
        horizon_s=horizon_s,
        gpu_hours=machines.paid_s() / HOUR_S,
        foresight=foresight(run.callers, hold_s, horizon_s, run.settings.gpu.slots),
        most_busy=tally.most_busy,
        most_slots=tally.most_slots,
        most_over=tally.most_over,
        starts=machines.meter.starts,
        from_warm=machines.meter.from_warm,
        waits_s=tuple(tally.waits_s),
        points=tuple(tally.points),
    )
