"""Laws that every run of the capacity model keeps, and the closed forms that it meets where there are some."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.capacity.bound import foresight
from infra.capacity.demand import FLAT, Demand, draw, mean_hold_s
from infra.capacity.model import Outcome, simulate
from infra.capacity.settings import Fleet, Gpu, Patience, Scaling, Spot, StartTimes

HALF_A_DAY = Demand(6, 0.5)
ONE_TRY = Patience(returns=0)


def erlang_b(servers: int, offered_erlangs: float) -> float:
    """The part of callers that a fixed fleet turns away when none comes back.

    **Source:** Erlang's loss formula by its usual recursion; it holds for any distribution of call lengths with Poisson arrivals.
    """
    blocked = 1.0
    for size in range(1, servers + 1):
        blocked = offered_erlangs * blocked / (size + offered_erlangs * blocked)
    return blocked


fleets = st.builds(
    Fleet,
    scaling=st.builds(
        Scaling,
        target_percent=st.sampled_from((50, 70, 95)),
        free_slots_floor=st.integers(0, 6),
        warm_pool_size=st.integers(0, 3),
        scale_out_cooldown_s=st.sampled_from((60, 300)),
        scale_in_cooldown_s=st.sampled_from((60, 900)),
        min_tasks=st.integers(0, 4),
        max_tasks=st.sampled_from((3, 10_000)),
    ),
    gpu=st.builds(Gpu, processes=st.integers(2, 4), spares=st.just(1)),
    image=st.sampled_from(("pulled", "baked")),
    spot=st.builds(Spot, share=st.sampled_from((0.0, 0.5, 1.0)), mean_life_h=st.sampled_from((1.0, 24.0))),
)


def fixed(slots: int, demand: Demand, seed: int = 3) -> Outcome:
    return simulate(demand, Fleet(Scaling(min_tasks=slots), patience=ONE_TRY), seed, fixed=True)


@settings(max_examples=25, deadline=None)
@given(fleet=fleets, seed=st.integers(0, 1_000))
def test_every_caller_is_counted_once_and_no_call_lacks_a_slot(fleet: Fleet, seed: int) -> None:
    found = simulate(HALF_A_DAY, fleet, seed)

    assert found.arrived == found.served + found.refused + found.abandoned + found.trying
    assert min(found.served, found.refused, found.abandoned, found.trying) >= 0
    assert found.refused + found.abandoned <= found.refused_first
    assert len(found.waits_s) == found.served
    assert found.most_over <= 0
    assert found.cut == 0 or fleet.spot.share > 0


@settings(max_examples=15, deadline=None)
@given(fleet=fleets, seed=st.integers(0, 1_000))
def test_machines_are_paid_for_at_least_as_long_as_they_carry_calls(fleet: Fleet, seed: int) -> None:
    found = simulate(HALF_A_DAY, fleet, seed)

    assert found.gpu_hours >= found.live_s / 3_600 / fleet.gpu.slots - 1e-9
    assert found.live_s == pytest.approx(found.held_s)
    if found.refused_first == 0 and found.cut == 0:
        assert found.gpu_hours >= found.foresight.gpu_hours


@pytest.mark.parametrize("seed", [1, 2])
def test_nobody_beats_perfect_foresight(seed: int) -> None:
    found = simulate(Demand(20, 1), Fleet(Scaling(free_slots_floor=10, min_tasks=10)), seed)

    assert found.refusal_rate < 0.01
    assert found.foresight.gpu_hours < found.gpu_hours < 4 * found.foresight.gpu_hours


def test_foresight_of_calls_that_can_be_counted_by_hand() -> None:
    """Two calls of an hour, half an hour apart: 1.5 hours with one GPU that takes both, two hours with one call a GPU."""
    callers = draw(Demand(1), 1)
    by_hand = type(callers)(callers.at_s[:2] * 0 + [0.0, 1_800.0], callers.talk_s[:2] * 0 + 3_600.0)

    assert foresight(by_hand, 0.0, 86_400, 2).gpu_hours == pytest.approx(1.5)
    assert foresight(by_hand, 0.0, 86_400, 1).gpu_hours == pytest.approx(2.0)
    assert foresight(by_hand, 0.0, 3_600, 1).gpu_hours == pytest.approx(1.5)
    assert foresight(by_hand, 0.0, 86_400, 1).most_calls == 2


def test_littles_law() -> None:
    """Calls at once on average = callers served a second x how long each holds its slot."""
    demand = Demand(30, 2)
    found = simulate(demand, Fleet(Scaling(free_slots_floor=12, min_tasks=12)), 4)

    assert found.live_s / found.horizon_s == pytest.approx(found.served / found.horizon_s * mean_hold_s(demand), rel=0.02)


@pytest.mark.parametrize(("slots", "erlangs", "spread"), [(5, 4.0, 0.8), (22, 20.0, 0.2), (22, 20.0, 1.2), (40, 50.0, 0.8)])
def test_without_scaling_it_is_erlangs_loss_formula(slots: int, erlangs: float, spread: float) -> None:
    """Whatever the lengths of calls are spread like."""
    found = fixed(slots, Demand(erlangs, 8, curve=FLAT, bursts_a_day=0, spread=spread))

    assert found.refusal_rate == pytest.approx(erlang_b(slots, erlangs), abs=0.008)


def test_erlangs_formula_where_it_is_known() -> None:
    assert erlang_b(0, 3.0) == 1
    assert erlang_b(1, 3.0) == pytest.approx(0.75)
    assert erlang_b(2, 2.0) == pytest.approx(0.4)


def test_more_slots_refuse_fewer() -> None:
    demand = Demand(10, 2)
    rates = [fixed(slots, demand).refusal_rate for slots in (4, 8, 12, 16, 24)]

    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 0.3
    assert rates[-1] < 0.01


def test_a_higher_floor_refuses_fewer_and_costs_more() -> None:
    found = [simulate(Demand(10, 3), Fleet(Scaling(free_slots_floor=floor, min_tasks=floor)), 6) for floor in (0, 3, 8)]

    assert [one.refusal_rate for one in found] == sorted((one.refusal_rate for one in found), reverse=True)
    assert [one.gpu_hours for one in found] == sorted(one.gpu_hours for one in found)


def test_a_slower_start_refuses_more() -> None:
    slow = Fleet(Scaling(free_slots_floor=3), image="pulled")
    quick = replace(slow, starts=StartTimes(notice_s=10, boot_s=5, pull_s=5, first_read_s=5, load_s=5))

    assert simulate(Demand(10, 4), quick, 6).refusal_rate < simulate(Demand(10, 4), slow, 6).refusal_rate / 1.5


def test_one_seed_gives_one_outcome() -> None:
    fleet = Fleet(spot=Spot(share=0.5, mean_life_h=2))

    assert simulate(HALF_A_DAY, fleet, 9) == simulate(HALF_A_DAY, fleet, 9)
    assert simulate(HALF_A_DAY, fleet, 9) != simulate(HALF_A_DAY, fleet, 10)


def test_who_does_not_come_back_waits_for_nothing() -> None:
    patient = simulate(Demand(8, 0.5), Fleet(Scaling(max_tasks=6), patience=Patience(returns=1.0, tries=5)), 2)
    hasty = simulate(Demand(8, 0.5), Fleet(Scaling(max_tasks=6), patience=ONE_TRY), 2)

    assert hasty.abandoned == 0
    assert hasty.refused == hasty.refused_first > 0
    assert max(hasty.waits_s) == 0
    assert patient.refused == 0
    assert patient.abandoned > 0
    assert patient.wait_s(1.0) > patient.wait_s(0.5) == 0
    assert patient.lost_rate < hasty.lost_rate
