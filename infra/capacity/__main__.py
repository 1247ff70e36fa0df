"""`make simulate`: chooses the fleet's settings by simulation; writes results.yaml, docs/capacity.md, docs/cost.md and the pictures."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra.capacity import plots, report
from infra.capacity.cost_report import cost_page
from infra.capacity.model import Outcome
from infra.capacity.prices import PriceList, read_prices
from infra.capacity.results import CaseResult, Results, chosen, figures, goal, read_results, write_results
from infra.capacity.settings import Fleet
from infra.capacity.sweep import CASES, OTHER_GOALS, REFUSAL_GOAL, TELLING_SEEDS, WORKERS, Case, Search, Tried, Work, limited, run, variants

DOCS = Path(__file__).parents[2] / "docs"
SHOWN_PEAKS = (10, 100, 1_000)


@dataclass(frozen=True, slots=True)
class Done:
    """One load, with what its pictures need."""

    result: CaseResult
    tried: tuple[Tried, ...]
    best: Tried
    shown: Outcome


class Progress:
    """One line a load, counting up."""

    def __init__(self, case: Case) -> None:
        self._name = f"{case.peak:,} calls at once"
        self._began_s = time.monotonic()

    def say(self, what: str, *, last: bool = False) -> None:
        if last or sys.stdout.isatty():
            sys.stdout.write(f"\r{self._name}: {what}, {time.monotonic() - self._began_s:.0f} s   {chr(10) if last else ''}")
            sys.stdout.flush()


def choose(case: Case, prices: PriceList, pool: ProcessPoolExecutor) -> Done:
    """Searches, then tries the choice and its variants on other days."""
    progress = Progress(case)
    search = Search(case, prices, pool, lambda count: progress.say(f"{count} settings tried"))
    best = search.best()
    first = Work(case.demand, Fleet(best.scaling), TELLING_SEEDS[0])
    scaling = limited(best.scaling, run(first).most_slots, Fleet().gpu.slots)
    fleet = Fleet(scaling)
    told = [*pool.map(run, [Work(case.told_demand, fleet, seed) for seed in TELLING_SEEDS])]
    others = variants(case, fleet) if case.peak in SHOWN_PEAKS else {}
    work = [Work(demand, other, seed) for demand, other in others.values() for seed in TELLING_SEEDS]
    outcomes = [*pool.map(run, work)]
    each = len(TELLING_SEEDS)
    found = {name: figures(outcomes[at * each : (at + 1) * each]) for at, name in enumerate(others)}
    result = CaseResult(
        peak=case.peak,
        tried=len(search.tried),
        chosen=chosen(scaling),
        rate_when_chosen=round(best.refusal_rate, 6),
        figures=figures(told),
        goals=tuple(goal(one, search.cheapest(one)) for one in (REFUSAL_GOAL, *OTHER_GOALS)),
        variants=found,
    )
    progress.say(f"{len(search.tried)} settings tried, {result.figures.refusal_rate:.3%} refused at first", last=True)
    return Done(result, tuple(search.tried.values()), best, told[0])


def simulate_all(prices: PriceList) -> None:
    """Everything anew: results and pictures."""
    with ProcessPoolExecutor(WORKERS) as pool:
        done = [choose(case, prices, pool) for case in CASES]
    write_results(Results(instance_type="g6e.xlarge", refusal_goal=REFUSAL_GOAL, cases=tuple(one.result for one in done)))
    shown = [one for one in done if one.result.peak in SHOWN_PEAKS]
    plots.draw_days({one.result.peak: one.shown.points for one in shown}, DOCS / "images" / "capacity-day.svg")
    plots.draw_choices({one.result.peak: (one.tried, one.best) for one in shown}, DOCS / "images" / "capacity-choice.svg")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.capacity", description=__doc__)
    parser.add_argument(
        "--documents", action="store_true", help="write the documents from results.yaml and prices.yaml, without simulating"
    )
    said = parser.parse_args()
    prices = read_prices()
    if not said.documents:
        simulate_all(prices)
    results = read_results()
    (DOCS / "capacity.md").write_text(report.capacity_page(results, prices))
    (DOCS / "cost.md").write_text(cost_page(results, prices))
    sys.stdout.write("docs/capacity.md and docs/cost.md are written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
