"""What `make simulate` found, as it is kept in results.yaml: documents and defaults are made of it without simulating again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from infra.capacity.cost import HOURS, Load
from infra.capacity.model import Outcome
from infra.capacity.settings import Scaling
from infra.capacity.sweep import Tried

RESULTS_FILE = Path(__file__).parent / "results.yaml"
DAYS_A_MONTH = HOURS / 24


class Chosen(BaseModel):
    """The settings for one load, in the words of infra.settings.StageSettings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target_percent: int
    free_slots_floor: int
    warm_pool: int
    scale_out_cooldown_s: int
    scale_in_cooldown_s: int
    tasks_min: int
    tasks_max: int

    def scaling(self) -> Scaling:
        """The same in the model's words."""
        return Scaling(
            target_percent=self.target_percent,
            free_slots_floor=self.free_slots_floor,
            warm_pool_size=self.warm_pool,
            scale_out_cooldown_s=self.scale_out_cooldown_s,
            scale_in_cooldown_s=self.scale_in_cooldown_s,
            min_tasks=self.tasks_min,
            max_tasks=self.tasks_max,
        )


class Figures(BaseModel):
    """One setting, measured over some days. Rates are parts of the callers who came."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: float
    callers: int
    refusal_rate: float
    lost_rate: float
    mean_wait_s: float
    longest_wait_s: float
    cut: int
    most_calls: int
    most_slots: int
    call_minutes_a_day: float
    gpu_hours_a_day: float
    foresight_gpu_hours_a_day: float

    @property
    def gpu_minutes_per_call_minute(self) -> float:
        return self.gpu_hours_a_day * 60 / self.call_minutes_a_day

    @property
    def times_foresight(self) -> float:
        return self.gpu_hours_a_day / self.foresight_gpu_hours_a_day


class Goal(BaseModel):
    """The cheapest settings that were found for another goal, on the days they were chosen on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    refusal_goal: float
    target_percent: int
    free_slots_floor: int
    warm_pool: int
    refusal_rate: float
    usd_a_month: float


class CaseResult(BaseModel):
    """One load: what was chosen, out of how many settings, and what it and its variants do on other days."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    peak: int
    tried: int
    chosen: Chosen
    rate_when_chosen: float
    figures: Figures
    goals: tuple[Goal, ...]
    variants: dict[str, Figures]


class Results(BaseModel):
    """All loads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instance_type: str
    refusal_goal: float
    cases: tuple[CaseResult, ...]

    def case(self, peak: int) -> CaseResult:
        """The load with this peak."""
        return next(one for one in self.cases if one.peak == peak)


def chosen(scaling: Scaling) -> Chosen:
    """The model's settings in the stage's words."""
    return Chosen(
        target_percent=scaling.target_percent,
        free_slots_floor=scaling.free_slots_floor,
        warm_pool=scaling.warm_pool_size,
        scale_out_cooldown_s=scaling.scale_out_cooldown_s,
        scale_in_cooldown_s=scaling.scale_in_cooldown_s,
        tasks_min=scaling.min_tasks,
        tasks_max=scaling.max_tasks,
    )


def goal(refusal_goal: float, best: Tried) -> Goal:
    """A goal and the best that was tried for it."""
    return Goal(
        refusal_goal=refusal_goal,
        target_percent=best.scaling.target_percent,
        free_slots_floor=best.scaling.free_slots_floor,
        warm_pool=best.scaling.warm_pool_size,
        refusal_rate=round(best.refusal_rate, 6),
        usd_a_month=round(best.usd_a_month),
    )


def figures(outcomes: Sequence[Outcome]) -> Figures:
    """Several runs of one setting taken together."""
    days = sum(one.horizon_s for one in outcomes) / 86_400
    callers = sum(one.arrived for one in outcomes)
    waits_s = [wait_s for one in outcomes for wait_s in one.waits_s]
    return Figures(
        days=days,
        callers=callers,
        refusal_rate=round(sum(one.refused_first for one in outcomes) / callers, 6),
        lost_rate=round(sum(one.refused + one.abandoned for one in outcomes) / callers, 6),
        mean_wait_s=round(sum(waits_s) / len(waits_s), 3),
        longest_wait_s=round(max(waits_s), 1),
        cut=sum(one.cut for one in outcomes),
        most_calls=max(one.most_busy for one in outcomes),
        most_slots=max(one.most_slots for one in outcomes),
        call_minutes_a_day=round(sum(one.call_minutes for one in outcomes) / days, 1),
        gpu_hours_a_day=round(sum(one.gpu_hours for one in outcomes) / days, 2),
        foresight_gpu_hours_a_day=round(sum(one.foresight.gpu_hours for one in outcomes) / days, 2),
    )


def month(case: CaseResult) -> Load:
    """One month of days like those that were simulated."""
    found = case.figures
    return Load(
        name=f"{case.peak:,}",
        calls=found.callers / found.days * (1 - found.lost_rate) * DAYS_A_MONTH,
        call_minutes=found.call_minutes_a_day * DAYS_A_MONTH,
        gpu_hours=found.gpu_hours_a_day * DAYS_A_MONTH,
        mean_tasks=found.gpu_hours_a_day / 24,
        most_tasks=case.chosen.tasks_max,
        warm_pool=case.chosen.warm_pool,
    )


def idle(case: CaseResult) -> Load:
    """A month in which nobody calls, at the settings of this load."""
    tasks = case.chosen.tasks_min
    return Load("idle", 0, 0, tasks * HOURS, tasks, case.chosen.tasks_max, case.chosen.warm_pool)


def read_results(path: Path = RESULTS_FILE) -> Results:
    """What the last `make simulate` kept."""
    return Results.model_validate(yaml.safe_load(path.read_text()))


def write_results(results: Results, path: Path = RESULTS_FILE) -> None:
    """Keeps it."""
    head = "# Written by `make simulate`. The documents are made of it; the defaults of infra/settings.py are those of the load of 10.\n"
    path.write_text(head + yaml.safe_dump(results.model_dump(mode="json"), sort_keys=False, width=140))
