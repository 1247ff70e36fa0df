"""Callers as they are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from infra.capacity.demand import BUSINESS_DAY, DAY_S, FLAT, Demand, draw, load_at, mean_hold_s


def test_the_busiest_hour_has_the_calls_at_once_that_were_asked_for() -> None:
    demand = Demand(50, 20, bursts_a_day=0)
    callers = draw(demand, 1)
    around_eleven = np.abs(callers.at_s % DAY_S - 11 * 3_600) < 900
    rate = np.sum(around_eleven) / (20 * 1_800)

    assert rate * mean_hold_s(demand) == pytest.approx(50, rel=0.05)


def test_lengths_have_the_mean_that_is_reckoned_with_and_end_at_the_cap() -> None:
    demand = Demand(50, 5, cap_s=400)
    talk_s = draw(demand, 1).talk_s

    assert talk_s.max() == 400
    assert talk_s.mean() + demand.hold_s == pytest.approx(mean_hold_s(demand), rel=0.01)
    assert mean_hold_s(replace(demand, cap_s=1e9)) == pytest.approx(305)


def test_callers_come_in_order_within_the_horizon() -> None:
    callers = draw(Demand(5, 2), 1)

    assert (np.diff(callers.at_s) > 0).all()
    assert callers.at_s[-1] < 2 * DAY_S


def test_bursts_raise_the_rate_for_their_time() -> None:
    demand = Demand(10, curve=FLAT, burst_factor=2.0, burst_s=600)
    at_s = np.array([99.0, 100.0, 699.0, 701.0])

    assert load_at(demand, at_s, np.array([100.0])).tolist() == [1, 2, 2, 1]
    assert load_at(demand, at_s, np.array([])).tolist() == [1, 1, 1, 1]


def test_the_day_closes_on_itself() -> None:
    demand = Demand(10)
    around = load_at(demand, np.array([DAY_S - 1, DAY_S, DAY_S + 1]), np.array([]))

    assert around == pytest.approx([BUSINESS_DAY[0]] * 3, abs=1e-3)
    assert max(BUSINESS_DAY) == 1.0


def test_another_seed_gives_other_callers() -> None:
    assert draw(Demand(5), 1).at_s.tolist() == draw(Demand(5), 1).at_s.tolist()
    assert draw(Demand(5), 1).at_s.tolist() != draw(Demand(5), 2).at_s.tolist()
