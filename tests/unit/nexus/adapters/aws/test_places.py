"""Places: however racers come, no more are held than there is room."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.adapters.aws import places
from nexus.adapters.aws.places import FOREVER_US, Place, microseconds
from nexus.errors import QuotaExceeded
from tests.fakes.stored import NOON, process

few = st.integers(0, 6)


@given(few, st.sets(st.integers(0, 12)))
def test_as_many_are_free_as_there_is_room_and_none_is_taken(room: int, taken: set[int]) -> None:
    found = places.free(room, taken)
    assert len(found) == room
    assert taken.isdisjoint(found)
    assert all(index in taken or index in found for index in range(max(found, default=0)))


def test_no_room_is_no_place() -> None:
    assert places.free(-2, {0}) == []


@given(st.lists(st.tuples(st.sampled_from(["look", "take", "leave"]), few), max_size=40), st.integers(1, 4))
def test_racers_with_old_views_never_take_more_than_the_limit(steps: list[tuple[str, int]], limit: int) -> None:
    """A taker chooses from what it saw, perhaps long ago; the condition of its writing is only that the place is still free."""
    held: set[int] = set()
    views: dict[int, list[int]] = {}
    for step, number in steps:
        if step == "look":
            views[number] = places.free(limit - len(held), held)
        elif step == "take" and views.get(number):
            held.add(places.chosen(views.pop(number), str(number)))
        elif step == "leave":
            held.discard(number)
        assert len(held) <= limit


@given(few, st.integers(0, 10))
def test_another_salt_is_another_choice_among_the_same(room: int, number: int) -> None:
    free = places.free(room + 1, set())
    assert places.chosen(free, f"call/{number}") in free
    assert {places.chosen(free, f"call/{salt}") for salt in range(200)} == set(free)


def test_racers_spread_over_equal_processes_and_leave_fuller_ones() -> None:
    fleet = [process(f"mp_{number}", slots=2) for number in range(5)]
    taken = {"mp_0": 1}
    chosen = {places.chosen_process(fleet, taken, NOON, f"call/{number}").process_id for number in range(200)}
    assert chosen == {"mp_1", "mp_2", "mp_3", "mp_4"}


def test_slots_of_processes_that_yield_are_the_last() -> None:
    fleet = [process("mp_old", yields=True), process("mp_new", slots=2)]
    assert {places.chosen_process(fleet, {}, NOON, f"call/{number}").process_id for number in range(50)} == {"mp_new"}
    assert places.lowest(2, fleet, [], NOON) == {"mp_new": [0, 1]}
    assert places.lowest(3, fleet, [], NOON) == {"mp_new": [0, 1], "mp_old": [0]}


def test_neither_the_dead_nor_the_draining_nor_the_full_are_chosen() -> None:
    fleet = [process("mp_dead", seen_at=NOON - timedelta(seconds=11)), process("mp_leaves", draining=True), process("mp_full", slots=1)]
    with pytest.raises(QuotaExceeded):
        places.chosen_process(fleet, {"mp_full": 1}, NOON, "call/0")


@pytest.mark.parametrize(
    ("until_us", "age_s", "held"),
    [
        (FOREVER_US, 0, True),
        (FOREVER_US, 10, True),
        (FOREVER_US, 11, False),
        (microseconds(NOON), 0, False),
        (microseconds(NOON) + 1, 0, True),
        (microseconds(NOON) + 1, 11, False),
    ],
)
def test_a_place_is_held_until_its_time_and_while_its_process_lives(until_us: int, age_s: int, held: bool) -> None:
    place = Place(index=0, call_id="c", tenant_id="barber", process_id="mp_1", until_us=until_us)
    fleet = {"mp_1": process("mp_1", seen_at=NOON - timedelta(seconds=age_s))}
    assert places.holds(place, fleet, NOON) is held
    assert not places.holds(place, {}, NOON)


@given(st.integers(0, 2**52))
def test_microseconds_are_exact(value: int) -> None:
    at = NOON.replace(year=1970, month=1, day=1, hour=0) + timedelta(microseconds=value)
    assert microseconds(at) == value
