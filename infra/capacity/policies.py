"""When the number of tasks changes: target tracking and step scaling by the rules of Application Auto Scaling, as pure decisions.

**Source:** Application Auto Scaling user guide (how target tracking works, cooldown periods, multiple policies): its alarms are built over
minutes, three above the target to add, fifteen below nine tenths of it to remove (the counts from other readers of those alarms); within a
cooldown only a larger scale-out counts, reckoned from the size before the first. A finer period cannot be asked for (the API's shape has
none, botocore 1.44). The alarm under step scaling is our own: thirty seconds. How fast AWS goes down is only told as "more gradual"; here
it goes to the size that would have held the target in the busiest of the fifteen minutes.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from infra.capacity.settings import Scaling

MINUTES_HIGH = 3
MINUTES_LOW = 15
LOW_PART = 0.9
FLOOR_STEPS = 4
REPEAT_S = 60.0


@dataclass(slots=True)
class Cooldown:
    """Within ``length_s`` of a scale-out, changes are reckoned from the size before it: what still starts is not asked for twice."""

    length_s: float
    began_s: float = -math.inf
    base: int = 0

    def base_at(self, at_s: float, desired: int) -> int:
        return min(self.base, desired) if at_s - self.began_s < self.length_s else desired

    def begin(self, at_s: float, base: int) -> None:
        self.began_s, self.base = at_s, base


@dataclass(slots=True)
class TargetTracking:
    """Holds slot utilisation near the target; fed once a minute."""

    scaling: Scaling
    out: Cooldown = field(init=False)
    _shrunk_s: float = field(init=False, default=-math.inf)
    _seen: deque[float] = field(init=False, default_factory=lambda: deque(maxlen=MINUTES_LOW))

    def __post_init__(self) -> None:
        self.out = Cooldown(self.scaling.scale_out_cooldown_s)

    def minute(self, at_s: float, percent: float, desired: int) -> int:
        """The new number of tasks after a minute with so much utilisation on average."""
        self._seen.append(percent)
        target = self.scaling.target_percent
        if len(self._seen) >= MINUTES_HIGH and min([*self._seen][-MINUTES_HIGH:]) > target:
            return self._grow(at_s, percent / target, desired)
        if len(self._seen) == MINUTES_LOW and max(self._seen) < LOW_PART * target:
            return self._shrink(at_s, max(self._seen) / target, desired)
        return desired

    def _grow(self, at_s: float, ratio: float, desired: int) -> int:
        base = self.out.base_at(at_s, desired)
        wanted = min(self.scaling.max_tasks, math.ceil(base * ratio))
        if wanted <= desired:
            return desired
        self.out.begin(at_s, base)
        return wanted

    def _shrink(self, at_s: float, ratio: float, desired: int) -> int:
        if at_s - self._shrunk_s < self.scaling.scale_in_cooldown_s:
            return desired
        wanted = max(self.scaling.min_tasks, math.ceil(desired * ratio))
        if wanted >= desired:
            return desired
        self._shrunk_s = at_s
        return wanted


def floor_steps(floor: int, slots_per_task: int) -> tuple[tuple[int, int], ...]:
    """The steps of the floor's policy: (free slots below which the step counts, tasks to add), from the mildest on."""
    parts = [(floor * (FLOOR_STEPS - step) / FLOOR_STEPS, floor * (step + 1) / FLOOR_STEPS) for step in range(FLOOR_STEPS)]
    return tuple((math.ceil(below), math.ceil(missing / slots_per_task)) for below, missing in parts)


@dataclass(slots=True)
class FloorOfFreeSlots:
    """Adds tasks as soon as fewer slots than the floor are free; fed every thirty seconds, acts at once and then each minute."""

    scaling: Scaling
    slots_per_task: int
    out: Cooldown = field(init=False)
    _acted_s: float = field(init=False, default=-math.inf)

    def __post_init__(self) -> None:
        self.out = Cooldown(self.scaling.scale_out_cooldown_s)

    def sample(self, at_s: float, free_slots: float, desired: int) -> int:
        """The new number of tasks."""
        if free_slots >= self.scaling.free_slots_floor:
            self._acted_s = -math.inf
            return desired
        if at_s - self._acted_s < REPEAT_S:
            return desired
        self._acted_s = at_s
        steps = floor_steps(self.scaling.free_slots_floor, self.slots_per_task)
        add = max(tasks for below, tasks in steps if free_slots < below)
        base = self.out.base_at(at_s, desired)
        wanted = min(self.scaling.max_tasks, base + add)
        if wanted <= desired:
            return desired
        self.out.begin(at_s, base)
        return wanted
