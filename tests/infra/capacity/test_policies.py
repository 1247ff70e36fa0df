"""Application Auto Scaling's rules, minute by minute."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from infra.capacity.policies import FloorOfFreeSlots, TargetTracking, floor_steps
from infra.capacity.settings import Scaling

SCALING = Scaling(target_percent=70, free_slots_floor=8, min_tasks=2, max_tasks=40, scale_out_cooldown_s=300, scale_in_cooldown_s=600)


def after(tracking: TargetTracking, percents: Sequence[float], desired: int, start_minute: int = 0) -> list[int]:
    """The size after each minute."""
    sizes = []
    for minute, percent in enumerate(percents, start=start_minute + 1):
        desired = tracking.minute(minute * 60.0, percent, desired)
        sizes.append(desired)
    return sizes


def test_three_minutes_above_the_target_add_in_proportion() -> None:
    assert after(TargetTracking(SCALING), [90, 90, 90], 10) == [10, 10, 13]


def test_a_minute_below_begins_the_count_anew() -> None:
    assert after(TargetTracking(SCALING), [90, 90, 60, 90, 90], 10) == [10] * 5


def test_exactly_the_target_is_not_above_it() -> None:
    assert after(TargetTracking(SCALING), [70] * 20, 10) == [10] * 20


def test_within_the_cooldown_only_more_counts_and_from_the_old_size() -> None:
    """13 were wanted of 10. The same again adds nothing; a full fleet asks for 15, reckoned from 10; 300 s later 15 is the base."""
    assert after(TargetTracking(SCALING), [90, 90, 90, 90, 100, 100, 100, 100, 100, 90], 10) == [10, 10, 13, 13, 15, 15, 15, 15, 15, 20]


def test_fifteen_minutes_below_nine_tenths_remove_what_the_busiest_did_not_need() -> None:
    sizes = after(TargetTracking(SCALING), [35] * 7 + [42] + [14] * 7, 20)

    assert sizes == [20] * 14 + [12]


def test_just_under_the_target_nothing_is_removed() -> None:
    assert after(TargetTracking(SCALING), [64] * 30, 20) == [20] * 30


def test_a_second_reduction_waits_for_the_cooldown() -> None:
    sizes = after(TargetTracking(SCALING), [35] * 26, 20)

    assert sizes[13:26] == [20, *[10] * 10, 5, 5]


@pytest.mark.parametrize(("percents", "desired", "least"), [([0.0] * 15, 20, 2), ([100.0] * 3, 38, 40)])
def test_limits_hold(percents: Sequence[float], desired: int, least: int) -> None:
    assert after(TargetTracking(SCALING), percents, desired)[-1] == least


def test_steps_of_the_floor() -> None:
    assert floor_steps(8, 1) == ((8, 2), (6, 4), (4, 6), (2, 8))
    assert floor_steps(8, 3) == ((8, 1), (6, 2), (4, 2), (2, 3))
    assert floor_steps(0, 1) == ((0, 0),) * 4


def test_the_fewer_are_free_the_more_are_added() -> None:
    assert [FloorOfFreeSlots(SCALING, 1).sample(30.0, free, 10) for free in (8, 7, 5, 3, 1, 0)] == [10, 12, 14, 16, 18, 18]


def test_the_floor_asks_once_a_minute_and_not_twice_for_what_starts() -> None:
    floor, sizes, desired = FloorOfFreeSlots(SCALING, 1), [], 10
    for at_s, free in ((30, 7.0), (60, 0.0), (90, 0.0), (120, 0.0), (400, 7.0), (430, 8.0), (460, 7.0)):
        desired = floor.sample(float(at_s), free, desired)
        sizes.append(desired)

    assert sizes == [12, 12, 18, 18, 20, 20, 20]


def test_the_floor_keeps_the_limit() -> None:
    assert FloorOfFreeSlots(SCALING, 1).sample(30.0, 0, 39) == 40
    assert FloorOfFreeSlots(SCALING, 1).sample(30.0, 0, 40) == 40
