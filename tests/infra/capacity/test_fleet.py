"""Hosts and tasks in simulated time, to the second."""

from __future__ import annotations

import simpy

from infra.capacity.fleet import SimulatedFleet
from infra.capacity.settings import Fleet, Gpu, Scaling, Spot, StartTimes

STARTS = StartTimes(jitter=0.0)


class Stage:
    """A fleet without callers of its own; ``cut`` lists the calls that a spot loss ended."""

    def __init__(self, tasks: int, fleet: Fleet) -> None:
        self.env = simpy.Environment()
        self.cut: list[int] = []
        self.fleet = SimulatedFleet(self.env, fleet, 1, self.cut.append)
        self.fleet.begin(tasks)

    def slots_over(self, until_s: int, step_s: int = 5) -> dict[int, int]:
        """Each moment at which the number of slots was seen to change."""
        seen = {int(self.env.now): self.fleet.slots}
        for at_s in range(int(self.env.now) + step_s, until_s + 1, step_s):
            self.env.run(until=at_s)
            if self.fleet.slots != [*seen.values()][-1]:
                seen[at_s] = self.fleet.slots
        return seen


def test_a_task_without_a_host_waits_for_all_its_steps() -> None:
    """At 60 s the group grows; 90 s boot, 60 s first read, 75 s load."""
    stage = Stage(1, Fleet(starts=STARTS))
    stage.fleet.resize(2)

    assert stage.slots_over(400) == {0: 1, 290: 2}


def test_a_pulled_image_takes_five_minutes_more() -> None:
    stage = Stage(1, Fleet(starts=STARTS, image="pulled"))
    stage.fleet.resize(2)

    assert stage.slots_over(700) == {0: 1, 590: 2}


def test_a_warm_host_is_quicker_and_the_pool_fills_again() -> None:
    """60 s notice, 35 s resume, 75 s load; the second time the notice comes at once. The pool's next host takes 150 s."""
    stage = Stage(1, Fleet(Scaling(warm_pool_size=1), starts=STARTS))
    stage.fleet.resize(2)
    assert stage.slots_over(240) == {0: 1, 175: 2}

    stage.fleet.resize(3)
    assert stage.slots_over(460) == {240: 2, 355: 3}
    assert stage.fleet.meter.from_warm == 2


def test_an_empty_host_takes_the_next_task_at_once_and_goes_after_fifteen_minutes() -> None:
    stage = Stage(2, Fleet(starts=STARTS))
    stage.fleet.resize(1)
    assert stage.slots_over(100) == {0: 1}

    stage.fleet.resize(2)
    assert stage.slots_over(200) == {100: 1, 180: 2}

    stage.fleet.resize(1)
    stage.env.run(until=200 + 16 * 60 + 1)
    paid_s = stage.fleet.paid_s()
    stage.env.run(until=stage.env.now + 100)
    assert stage.fleet.paid_s() == paid_s + 100


def test_busy_tasks_stay_until_their_calls_end() -> None:
    stage = Stage(3, Fleet(starts=STARTS))
    held = [(call, stage.fleet.take(call)) for call in (1, 2, 3)]
    stage.fleet.resize(1)
    assert stage.fleet.slots == 3
    assert stage.fleet.take(4) is None

    for call, task in held[:2]:
        assert task is not None
        stage.fleet.give_back(task, call)

    assert (stage.fleet.slots, stage.fleet.busy) == (1, 1)


def test_what_has_not_started_goes_first() -> None:
    stage = Stage(2, Fleet(starts=STARTS))
    stage.fleet.resize(5)
    stage.env.run(until=220)
    stage.fleet.resize(2)

    assert stage.slots_over(600) == {220: 2}


def test_calls_spread_over_the_tasks_as_the_ledger_does() -> None:
    stage = Stage(2, Fleet(gpu=Gpu(processes=3, spares=1)))
    tasks = [stage.fleet.take(call) for call in range(5)]

    assert tasks[0] is not tasks[1]
    assert [task is None for task in tasks] == [False] * 4 + [True]


def test_a_spot_host_that_goes_takes_no_new_call_and_cuts_the_old_after_its_notice() -> None:
    stage = Stage(1, Fleet(starts=STARTS, spot=Spot(share=1.0, mean_life_h=1e-9)))
    task = stage.fleet.take(7)
    assert task is not None

    stage.env.run(until=119)
    assert (stage.cut, stage.fleet.slots, stage.fleet.take(8)) == ([], 0, None)

    stage.env.run(until=121)
    assert stage.cut == [7]


def test_a_call_that_ends_within_the_notice_is_not_cut() -> None:
    stage = Stage(1, Fleet(starts=STARTS, spot=Spot(share=1.0, mean_life_h=1e-9)))
    task = stage.fleet.take(7)
    assert task is not None
    stage.env.run(until=60)
    stage.fleet.give_back(task, 7)
    stage.env.run(until=200)

    assert stage.cut == []
    assert stage.fleet.busy == 0


def test_who_finds_the_pool_empty_starts_from_nothing() -> None:
    stage = Stage(1, Fleet(Scaling(warm_pool_size=1), starts=STARTS))
    stage.fleet.resize(3)

    assert stage.slots_over(400) == {0: 1, 175: 2, 290: 3}
    assert stage.fleet.meter.from_warm == 1
