"""Instances, tasks and their slots in simulated time: what is asked for becomes ready after its start times, and leaves only when idle."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy

from infra.capacity.settings import Fleet

EMPTY_MINUTES = 15
"""Minutes an instance stands empty before the capacity provider removes it: its alarm below is built over fifteen."""

Steps = Generator[simpy.Event, Any, None]


@dataclass(slots=True, eq=False)
class Instance:
    """A machine with one GPU that is paid for since ``paid_from_s``."""

    paid_from_s: float
    spot: bool = False
    task: Task | None = None
    gone: bool = False


@dataclass(slots=True, eq=False)
class Task:
    """One task on one instance; ``calls`` are the ids of those it carries."""

    instance: Instance
    calls: dict[int, None] = field(default_factory=dict)
    ready: bool = False
    leaving: bool = False


@dataclass(slots=True)
class Meter:
    """What the fleet has cost and done so far."""

    machine_s: float = 0.0
    warming_s: float = 0.0
    starts: int = 0
    from_warm: int = 0


class SimulatedFleet:
    """The service's tasks over the group's instances.

    ``resize`` sets how many tasks are wanted. ``take`` gives a task with a free slot (the one with most of them, as the product's ledger
    chooses) or None, ``give_back`` frees it. ``on_cut`` is told which calls a spot loss ends.
    """

    def __init__(self, env: simpy.Environment, fleet: Fleet, seed: int, on_cut: Callable[[int], None]) -> None:
        self.env = env
        self.fleet = fleet
        self.meter = Meter()
        self.busy = 0
        self.slots = 0
        self.desired = 0
        self._on_cut = on_cut
        self._rng = np.random.default_rng([seed, 2])
        self._by_free: list[dict[Task, None]] = [{} for _ in range(fleet.gpu.slots + 1)]
        self._starting: dict[Task, None] = {}
        self._waiting = 0
        self._empty: deque[Instance] = deque()
        self._living: dict[Instance, None] = {}
        self._warm = fleet.scaling.warm_pool_size
        self._warming = 0
        self._launching = 0
        self._empty_minutes = 0
        env.process(self._provider())

    # calls

    @property
    def free(self) -> int:
        return self.slots - self.busy

    def take(self, call: int) -> Task | None:
        """A slot for the call."""
        for free in range(self.fleet.gpu.slots, 0, -1):
            for task in self._by_free[free]:
                self._move(task, free, free - 1)
                task.calls[call] = None
                self.busy += 1
                return task
        return None

    def give_back(self, task: Task, call: int) -> None:
        """Frees the call's slot; an idle task that is too many goes."""
        del task.calls[call]
        if task.leaving:
            return
        self.busy -= 1
        free = self.fleet.gpu.slots - len(task.calls)
        self._move(task, free - 1, free)
        if not task.calls:
            self._shed()

    def _move(self, task: Task, old: int, new: int) -> None:
        del self._by_free[old][task]
        self._by_free[new][task] = None

    # tasks

    def begin(self, tasks: int) -> None:
        """Starts with so many tasks ready at this moment."""
        self.desired = tasks
        for _ in range(tasks):
            self._ready(Task(self._machine()))

    def resize(self, tasks: int) -> None:
        """So many tasks are wanted from now on; busy ones stay until their calls end."""
        self.desired = tasks
        for _ in range(tasks - self._count()):
            if self._empty:
                self._place(self._empty.popleft())
            else:
                self._waiting += 1
        self._shed()

    def _count(self) -> int:
        return self.slots // self.fleet.gpu.slots + len(self._starting) + self._waiting

    def _shed(self) -> None:
        """Removes what is too many and not busy: first what waits for a machine, then what starts, then what idles."""
        excess = self._count() - self.desired
        while excess > 0:
            idle = self._by_free[self.fleet.gpu.slots]
            if self._waiting:
                self._waiting -= 1
            elif self._starting:
                self._stop(next(reversed(self._starting)))
            elif idle:
                self._stop(next(reversed(idle)))
            else:
                return
            excess -= 1

    def _stop(self, task: Task) -> None:
        """The task leaves the service; its instance is empty."""
        self._leave(task)
        task.instance.task = None
        self._empty.append(task.instance)

    def _leave(self, task: Task) -> None:
        task.leaving = True
        self._starting.pop(task, None)
        if task.ready:
            del self._by_free[self.fleet.gpu.slots - len(task.calls)][task]
            self.slots -= self.fleet.gpu.slots
            self.busy -= len(task.calls)

    def _place(self, instance: Instance) -> None:
        task = Task(instance)
        instance.task = task
        self._starting[task] = None
        self.env.process(self._load(task))

    def _load(self, task: Task) -> Steps:
        yield self.env.timeout(self._about(self.fleet.starts.load_s))
        if not task.leaving:
            del self._starting[task]
            self._ready(task)

    def _ready(self, task: Task) -> None:
        task.ready = True
        task.instance.task = task
        self._by_free[self.fleet.gpu.slots][task] = None
        self.slots += self.fleet.gpu.slots
        self._shed()

    # instances

    def _provider(self) -> Steps:
        """Once a minute the group's size follows the tasks that wait; what stood empty for fifteen minutes goes."""
        while True:
            yield self.env.timeout(self.fleet.starts.notice_s)
            for _ in range(self._waiting - self._launching):
                self._launch()
            self._empty_minutes = self._empty_minutes + 1 if self._empty else 0
            if self._empty_minutes >= EMPTY_MINUTES:
                while self._empty:
                    self._end(self._empty.popleft())
                self._empty_minutes = 0

    def _launch(self) -> None:
        self._launching += 1
        warm = self._warm > 0
        if warm:
            self._warm -= 1
            self.meter.from_warm += 1
        self.env.process(self._boot(warm))
        self._refill()

    def _boot(self, warm: bool) -> Steps:
        instance = self._machine()
        yield self.env.timeout(self._about(self.fleet.starts.resume_s) if warm else self._fresh_s())
        self._launching -= 1
        if instance.gone:
            return
        if self._waiting:
            self._waiting -= 1
            self._place(instance)
        else:
            self._empty.append(instance)

    def _fresh_s(self) -> float:
        starts = self.fleet.starts
        return self._about(starts.boot_s + (starts.pull_s if self.fleet.image == "pulled" else 0.0) + starts.first_read_s)

    def _refill(self) -> None:
        """The warm pool comes back to its size: each new one is booted, read through once and stopped."""
        while self._warm + self._warming < self.fleet.scaling.warm_pool_size:
            self._warming += 1
            self.env.process(self._warm_one())

    def _warm_one(self) -> Steps:
        takes_s = self._fresh_s()
        yield self.env.timeout(takes_s)
        self.meter.warming_s += takes_s
        self._warming -= 1
        self._warm += 1

    def _machine(self) -> Instance:
        instance = Instance(self.env.now, spot=bool(self._rng.random() < self.fleet.spot.share))
        self._living[instance] = None
        self.meter.starts += 1
        if instance.spot:
            self.env.process(self._spot_life(instance))
        return instance

    def _spot_life(self, instance: Instance) -> Steps:
        """Taken away after a random life: no new calls at the notice, the rest is cut at its end; ECS starts another task at once."""
        yield self.env.timeout(self._rng.exponential(self.fleet.spot.mean_life_h * 3_600))
        if instance.gone:
            return
        instance.gone = True
        if instance in self._empty:
            self._empty.remove(instance)
        task = instance.task
        if task is not None:
            self._leave(task)
            self.resize(self.desired)
        yield self.env.timeout(self.fleet.spot.notice_s)
        for call in [*task.calls] if task else []:
            self._on_cut(call)
        self._pay(instance)

    def _end(self, instance: Instance) -> None:
        instance.gone = True
        self._pay(instance)

    def _pay(self, instance: Instance) -> None:
        del self._living[instance]
        self.meter.machine_s += self.env.now - instance.paid_from_s

    def paid_s(self) -> float:
        """Seconds of machines until now, the living ones and the warming of the pool included."""
        return self.meter.machine_s + self.meter.warming_s + sum(self.env.now - one.paid_from_s for one in self._living)

    def _about(self, seconds: float) -> float:
        jitter = self.fleet.starts.jitter
        return float(seconds * self._rng.uniform(1 - jitter, 1 + jitter))
