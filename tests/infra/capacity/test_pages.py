"""What `make simulate` kept, what the documents say and what a stage begins with are the same."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from infra.capacity.cost_report import cost_page, loads
from infra.capacity.demand import Demand
from infra.capacity.model import simulate
from infra.capacity.prices import read_prices
from infra.capacity.report import DEFAULT_PEAK, capacity_page, filled
from infra.capacity.results import CaseResult, figures, read_results, write_results
from infra.capacity.settings import Fleet, Gpu
from infra.capacity.sweep import CASES, FLOOR_PARTS, REFUSAL_GOAL, SHARED, TELLING_SEEDS, Case, Search, floors
from infra.settings import StageSettings, stage_settings

DOCS = Path(__file__).parents[3] / "docs"
RESULTS = read_results()
PRICES = read_prices()
DEFAULT = RESULTS.case(DEFAULT_PEAK)


def test_documents_are_those_that_the_generator_writes() -> None:
    """To renew them: python -m infra.capacity --documents."""
    assert (DOCS / "capacity.md").read_text() == capacity_page(RESULTS, PRICES)
    assert (DOCS / "cost.md").read_text() == cost_page(RESULTS, PRICES)


def test_a_stage_begins_with_the_settings_that_were_chosen_for_the_default_load() -> None:
    chosen = DEFAULT.chosen.model_dump()

    assert {name: StageSettings.model_fields[name].default for name in chosen} == chosen
    prod = stage_settings("prod")
    assert {name: getattr(prod, name) for name in chosen} == chosen


def test_the_model_has_the_stages_gpu() -> None:
    stage = StageSettings()

    assert (stage.servers_per_gpu, stage.spare_servers) == (Gpu().processes, Gpu().spares)
    assert stage.instance_type == RESULTS.instance_type
    assert stage.max_call_s == Demand(1).cap_s


def test_a_stage_takes_the_settings_of_every_load() -> None:
    for case in RESULTS.cases:
        assert stage_settings("prod", case.chosen.model_dump()).tasks_max == case.chosen.tasks_max


@pytest.mark.parametrize("case", RESULTS.cases, ids=lambda case: str(case.peak))
def test_every_load_keeps_the_goal_and_no_fleet_beats_foresight(case: CaseResult) -> None:
    assert case.figures.refusal_rate <= REFUSAL_GOAL
    assert case.figures.times_foresight > 1
    assert case.figures.most_slots <= case.chosen.tasks_max
    assert case.chosen.tasks_min >= case.chosen.free_slots_floor / Gpu().slots


def test_a_larger_fleet_is_nearer_to_foresight() -> None:
    assert [case.peak for case in RESULTS.cases] == [case.peak for case in CASES]
    shares = [case.figures.times_foresight for case in RESULTS.cases]
    assert shares == sorted(shares, reverse=True)


def test_what_was_kept_is_what_the_model_does() -> None:
    """The smallest load is run again; a change of the model that forgot `make simulate` is seen here."""
    kept = RESULTS.cases[0]
    case = next(one for one in CASES if one.peak == kept.peak)
    outcomes = [simulate(case.told_demand, Fleet(kept.chosen.scaling()), seed) for seed in TELLING_SEEDS]

    assert figures(outcomes) == kept.figures


def test_idle_costs_the_tasks_that_wait() -> None:
    idle = loads(RESULTS)[0]

    assert idle.gpu_hours == DEFAULT.chosen.tasks_min * 730
    assert idle.calls == 0


def test_results_survive_their_file(tmp_path: Path) -> None:
    write_results(RESULTS, tmp_path / "results.yaml")

    assert read_results(tmp_path / "results.yaml") == RESULTS


def test_a_page_with_a_hole_that_nobody_fills_is_an_error() -> None:
    with pytest.raises(KeyError):
        filled("cost.md", {})


def test_the_search_gives_the_cheapest_that_it_tried_within_half_the_goal() -> None:
    told: list[int] = []
    search = Search(Case(2, 0.2, 0.2), PRICES, None, told.append)
    best = search.best()
    within = [one for one in search.tried.values() if one.refusal_rate <= REFUSAL_GOAL / 2]

    assert best.usd_a_month == min(one.usd_a_month for one in within)
    assert told == [*range(1, len(search.tried) + 1)]
    assert len({one.scaling.target_percent for one in search.tried.values()}) == len(SHARED["target_percent"])


def test_where_no_setting_keeps_the_goal_the_fewest_refusals_win() -> None:
    search = Search(Case(2, 0.2, 0.2), PRICES, None, lambda _: None)
    search.best()

    assert search.cheapest(goal=-1).refusal_rate == min(one.refusal_rate for one in search.tried.values())


def test_floors_grow_with_the_root_of_the_load() -> None:
    assert floors(100) == tuple(round(10 * part) for part in FLOOR_PARTS)
    assert all(floor >= 1 for floor in floors(1))
    assert max(floors(10_000)) == math.ceil(max(FLOOR_PARTS) * 100)
