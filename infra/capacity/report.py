"""docs/capacity.md, made of what `make simulate` kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from infra.capacity.cost import gpu_minute
from infra.capacity.demand import Demand
from infra.capacity.policies import floor_steps
from infra.capacity.prices import PriceList
from infra.capacity.results import CaseResult, Figures, Results
from infra.capacity.settings import Gpu, Patience, Spot, StartTimes
from infra.capacity.sweep import CHOOSING_SEED, FOUR_PROCESSES, MARGIN, TASKS_AHEAD, TELLING_SEEDS

UNKNOWN = "unknown"
DEFAULT_PEAK = 10
BIG_INSTANCE = "g7e.2xlarge"


PAGES = Path(__file__).parent / "pages"
_HOLE = re.compile(r"\{\{(\w+)\}\}")


def filled(page: str, values: Mapping[str, object]) -> str:
    """A page of the folder ``pages`` with its holes filled.

    Raises:
        KeyError: the page has a hole that has no value.
    """
    return _HOLE.sub(lambda hole: str(values[hole.group(1)]), (PAGES / page).read_text())


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown: the first column left, the others right."""
    heads = [*heads]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *([*row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(part: float) -> str:
    """A part as it is read: 0.03 %."""
    return f"{part * 100:.2f} %"


def cents(usd: float | None) -> str:
    """Dollars of a minute."""
    return UNKNOWN if usd is None else f"${usd:.4f}"


def _settings(results: Results) -> str:
    heads = ("setting of the stage", *(f"{case.peak:,}" for case in results.cases))
    names = [*type(results.cases[0].chosen).model_fields]
    rows = [(f"`{name}`", *(f"{getattr(case.chosen, name):,}" for case in results.cases)) for name in names]
    return table(heads, rows)


def _outcomes(results: Results, prices: PriceList) -> str:
    cases = results.cases
    found = [case.figures for case in cases]
    per_call = [gpu_minute(results.instance_type, one.gpu_minutes_per_call_minute, prices) for one in found]
    bound = [gpu_minute(results.instance_type, one.foresight_gpu_hours_a_day * 60 / one.call_minutes_a_day, prices) for one in found]
    rows = [
        ("days simulated", *(f"{one.days:g}" for one in found)),
        ("callers", *(f"{one.callers:,}" for one in found)),
        ("most calls at once", *(f"{one.most_calls:,}" for one in found)),
        ("refused at the first try", *(percent(one.refusal_rate) for one in found)),
        ("never served", *(percent(one.lost_rate) for one in found)),
        ("mean wait of those served, s", *(f"{one.mean_wait_s:.2f}" for one in found)),
        ("longest wait, s", *(f"{one.longest_wait_s:.0f}" for one in found)),
        ("GPU-hours a day", *(f"{one.gpu_hours_a_day:,.0f}" for one in found)),
        ("the same with perfect foresight", *(f"{one.foresight_gpu_hours_a_day:,.0f}" for one in found)),
        ("times foresight", *(f"{one.times_foresight:.2f}" for one in found)),
        ("GPU-minutes per call-minute", *(f"{one.gpu_minutes_per_call_minute:.2f}" for one in found)),
        ("**GPU cost per call-minute**", *(f"**{cents(one)}**" for one in per_call)),
        ("the same with perfect foresight", *(cents(one) for one in bound)),
    ]
    return table(("calls at once at the peak", *(f"{case.peak:,}" for case in cases)), rows)


def _goals(results: Results) -> str:
    rows = [
        (
            f"{case.peak:,}",
            percent(one.refusal_goal),
            str(one.target_percent),
            str(one.free_slots_floor),
            str(one.warm_pool),
            f"${one.usd_a_month:,.0f}",
        )
        for case in results.cases
        for one in case.goals
    ]
    return table(("calls at the peak", "goal", "target, %", "floor", "warm pool", "GPUs a month"), rows)


def _variant_row(name: str, case: CaseResult, one: Figures, results: Results, prices: PriceList) -> tuple[str, ...]:
    instance = BIG_INSTANCE if name == FOUR_PROCESSES else results.instance_type
    gone = one.cut / one.callers * 10_000
    cost = gpu_minute(instance, one.gpu_minutes_per_call_minute, prices)
    told = UNKNOWN if "spot" in name else cents(cost)
    return (
        name,
        f"{case.peak:,}",
        percent(one.refusal_rate),
        percent(one.lost_rate),
        f"{gone:.1f}",
        f"{one.gpu_minutes_per_call_minute:.2f}",
        told,
    )


def _variants(results: Results, prices: PriceList) -> str:
    cases = [case for case in results.cases if case.variants]
    heads = (
        "change",
        "peak",
        "refused at first",
        "never served",
        "cut of 10,000",
        "GPU-minutes per call-minute",
        "GPU cost per call-minute",
    )
    rows = [_variant_row("as chosen", case, case.figures, results, prices) for case in cases]
    for name in cases[0].variants:
        rows += [_variant_row(name, case, case.variants[name], results, prices) for case in cases]
    return table(heads, rows)


def _assumptions() -> str:
    demand, starts, patience, spot, gpu = Demand(1), StartTimes(), Patience(), Spot(), Gpu()
    rows = [
        ("calls", f"lognormal, mean {demand.mean_call_s:.0f} s, deviation {demand.spread:g} of it, cut at {demand.cap_s:.0f} s"),
        ("a slot", f"is held {demand.hold_s:.0f} s longer than its call"),
        ("load over the day", "one business day, 3 % at night to 100 % at eleven (`infra/capacity/demand.py`), every day alike"),
        ("bursts", f"{demand.bursts_a_day:g} a day at random, +{(demand.burst_factor - 1) * 100:.0f} % for {demand.burst_s / 60:.0f} min"),
        (
            "a refused caller",
            f"comes back with chance {patience.returns:g} after Retry-After to one and a half of it, at most {patience.tries} tries",
        ),
        ("Retry-After", f"a mean call over the calls that run, at most {patience.longest_retry_after_s:.0f} s (the product: at most 300)"),
        ("a GPU", f"one task, {gpu.processes} server processes, {gpu.spares} spare: {gpu.slots} call"),
        ("to the group's new size", f"{starts.notice_s:.0f} s (metric of the capacity provider, once a minute)"),
        (
            "new host to a registered agent",
            f"{starts.boot_s:.0f} s; {starts.first_read_s:.0f} s more to read the weights from a fresh volume",
        ),
        ("pulling the image", f"{starts.pull_s:.0f} s where the machine image does not hold it (read: 4 to 6 min)"),
        ("host of the warm pool to a registered agent", f"{starts.resume_s:.0f} s"),
        ("placed task to ready", f"{starts.load_s:.0f} s (read: 60 s for weights in the page cache)"),
        ("every such time", f"drawn within {starts.jitter * 100:.0f} % either way"),
        ("spot", f"a host lives {spot.mean_life_h:.0f} h on average (a guess), notice {spot.notice_s:.0f} s"),
    ]
    return table(("what", "assumed"), rows)


def _steps(results: Results) -> str:
    floor = results.case(DEFAULT_PEAK).chosen.free_slots_floor
    told = [f"fewer than {below} free: +{tasks}" for below, tasks in floor_steps(floor, Gpu().slots)]
    return "; ".join(told)


def capacity_page(results: Results, prices: PriceList) -> str:
    """The whole page."""
    values = {
        "half_goal": percent(results.refusal_goal * MARGIN),
        "goal": percent(results.refusal_goal),
        "choosing_seed": CHOOSING_SEED,
        "tasks_ahead": f"{TASKS_AHEAD:g}",
        "settings": _settings(results),
        "default_peak": DEFAULT_PEAK,
        "steps": _steps(results),
        "telling_seeds": " and ".join(map(str, TELLING_SEEDS)),
        "instance_type": results.instance_type,
        "usd": prices.prices[results.instance_type].usd,
        "dated": prices.dated,
        "outcomes": _outcomes(results, prices),
        "goals": _goals(results),
        "variants": _variants(results, prices),
        "big_instance": BIG_INSTANCE,
        "assumptions": _assumptions(),
    }
    return filled("capacity.md", values)
