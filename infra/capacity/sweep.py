"""Tries settings on the same callers and keeps the cheapest that turns away no more than the goal allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from infra.capacity.demand import Demand
from infra.capacity.model import Outcome, simulate
from infra.capacity.prices import Amount, PriceList
from infra.capacity.settings import Fleet, Gpu, Scaling, Spot

REFUSAL_GOAL = 0.001
"""At most one caller in a thousand may meet a 503 at the first try."""

OTHER_GOALS = (0.01, 0.05)
"""Told beside it: what a laxer goal would save."""

MARGIN = 0.5
"""Settings are chosen at half the goal, so that other days than those they were chosen on stay within it."""

CHOOSING_SEED = 5
TELLING_SEEDS = (11, 12)
DAYS_A_MONTH = 365 / 12
WORKERS = 2
FOUR_PROCESSES = "four processes on a 96 GB GPU, one spare"
TASKS_AHEAD = 1.3
"""Room above the most tasks that were ever asked for, as the limit."""


@dataclass(frozen=True, slots=True)
class Case:
    """A load by its name: callers at once at the peak, days to choose on, days to tell of (each seed)."""

    peak: int
    choosing_days: float
    telling_days: float

    @property
    def demand(self) -> Demand:
        return Demand(self.peak, self.choosing_days)

    @property
    def told_demand(self) -> Demand:
        return Demand(self.peak, self.telling_days)


CASES = (Case(1, 56, 28), Case(10, 42, 28), Case(100, 6, 4), Case(1_000, 1, 1))

FLOOR_PARTS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)

SHARED = {
    "target_percent": (60, 70, 80, 90),
    "scale_out_cooldown_s": (60, 120, 300),
    "scale_in_cooldown_s": (300, 900, 1_800),
}


@dataclass(frozen=True, slots=True)
class Tried:
    """One setting and what became of the callers."""

    scaling: Scaling
    refusal_rate: float
    gpu_hours: float
    usd_a_month: float


@dataclass(frozen=True, slots=True)
class Work:
    """One run for another process."""

    demand: Demand
    fleet: Fleet
    seed: int


def floors(peak: int) -> tuple[int, ...]:
    """Free slots worth trying: multiples of the square root of the load, by which calls at once vary by chance."""
    root = math.sqrt(peak)
    return tuple(dict.fromkeys(max(1, round(root * part)) for part in FLOOR_PARTS))


def pools(peak: int) -> tuple[int, ...]:
    """Sizes of the warm pool worth trying."""
    return tuple(dict.fromkeys(round(peak * part) for part in (0, 0.1, 0.2, 0.4)))


def with_floor(scaling: Scaling, floor: int, slots: int) -> Scaling:
    """The floor, and as many tasks at the least as give it when nobody calls."""
    return replace(scaling, free_slots_floor=floor, min_tasks=math.ceil(floor / slots))


def run(work: Work) -> Outcome:
    return simulate(work.demand, work.fleet, work.seed)


def usd_a_month(outcome: Outcome, fleet: Fleet, prices: PriceList, *, instance_type: str = "g6e.xlarge", volume_gb: float = 120.0) -> float:
    """What the settings decide over: machines and the stopped ones' volumes.

    Raises:
        ValueError: one of the two prices is not known.
    """
    hours = outcome.gpu_hours / outcome.horizon_s * 86_400 * DAYS_A_MONTH
    pool_gb = fleet.scaling.warm_pool_size * volume_gb
    cost = prices.total([Amount(instance_type, hours, "hour"), Amount("ebs-gp3", pool_gb, "GB-month")])
    if cost is None:
        raise ValueError(f"settings are chosen by cost: prices.yaml must know {instance_type} and ebs-gp3")
    return cost


class Search:
    """Tries each setting once; ``told`` is called after each batch with how many have been tried."""

    def __init__(self, case: Case, prices: PriceList, pool: ProcessPoolExecutor | None, told: Callable[[int], None]) -> None:
        self.case, self.prices = case, prices
        self._pool, self._told = pool, told
        self.tried: dict[Scaling, Tried] = {}

    def best(self) -> Tried:
        """The cheapest setting within half the goal: floor and target together, then warm pool, cooldowns, and the floor once more.

        Where none is within it, the one that turns away the fewest.
        """
        slots, peak = Fleet().gpu.slots, self.case.peak
        start = Scaling(warm_pool_size=pools(peak)[-2:][0])
        self._try(
            with_floor(replace(start, target_percent=target), floor, slots) for floor in floors(peak) for target in SHARED["target_percent"]
        )
        self._try(replace(self.cheapest().scaling, warm_pool_size=pool) for pool in pools(peak))
        for name in ("scale_out_cooldown_s", "scale_in_cooldown_s"):
            self._try(replace(self.cheapest().scaling, **{name: value}) for value in SHARED[name])
        self._try(with_floor(self.cheapest().scaling, floor, slots) for floor in floors(peak))
        return self.cheapest()

    def _try(self, wanted: Iterable[Scaling]) -> None:
        new = [one for one in dict.fromkeys(wanted) if one not in self.tried]
        work = [Work(self.case.demand, Fleet(one), CHOOSING_SEED) for one in new]
        for one, outcome in zip(new, self._run(work), strict=True):
            fleet = Fleet(one)
            self.tried[one] = Tried(one, outcome.refusal_rate, outcome.gpu_hours, usd_a_month(outcome, fleet, self.prices))
            self._told(len(self.tried))

    def _run(self, work: Sequence[Work]) -> Iterable[Outcome]:
        return self._pool.map(run, work) if self._pool else map(run, work)

    def cheapest(self, goal: float = REFUSAL_GOAL) -> Tried:
        """Of those tried, the cheapest within half the goal."""
        within = [one for one in self.tried.values() if one.refusal_rate <= goal * MARGIN]
        if within:
            return min(within, key=lambda one: one.usd_a_month)
        return min(self.tried.values(), key=lambda one: one.refusal_rate)


def limited(scaling: Scaling, most_slots: int, slots: int) -> Scaling:
    """With the most tasks set above what was ever needed."""
    return replace(scaling, max_tasks=math.ceil(most_slots / slots * TASKS_AHEAD))


def variants(case: Case, chosen: Fleet) -> dict[str, tuple[Demand, Fleet]]:
    """What one change would do, each against the chosen settings."""
    told, scaling = case.told_demand, chosen.scaling
    no_pool = replace(chosen, scaling=replace(scaling, warm_pool_size=0))
    big = Gpu(processes=4, spares=1)
    fewer = replace(scaling, warm_pool_size=math.ceil(scaling.warm_pool_size / big.slots))
    return {
        "no warm pool": (told, no_pool),
        "no warm pool, image pulled by each new host": (told, replace(no_pool, image="pulled")),
        "no floor of free slots": (told, replace(chosen, scaling=replace(scaling, free_slots_floor=0))),
        "bursts of +60 % instead of +30 %": (replace(told, burst_factor=1.6), chosen),
        "half of the hosts spot, no warm pool": (told, replace(no_pool, spot=Spot(share=0.5))),
        FOUR_PROCESSES: (told, replace(chosen, gpu=big, scaling=with_floor(fewer, scaling.free_slots_floor, big.slots))),
    }
