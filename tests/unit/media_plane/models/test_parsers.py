"""The parsers of spoken dates, times, numbers, names and choices."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_plane.models.policy.choices import find_choices
from media_plane.models.policy.contacts import bare_name, find_email, find_name, find_phone
from media_plane.models.policy.moments import find_date, find_time
from media_plane.models.policy.words import normalise, says_no, says_yes

SATURDAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", "2026-11-21"),
        ("Tomorrow, please.", "2026-11-22"),
        ("the day after tomorrow", "2026-11-23"),
        ("Saturday", "2026-11-28"),
        ("this Saturday", "2026-11-21"),
        ("next Tuesday", "2026-11-24"),
        ("the twenty-fourth", "2026-11-24"),
        ("November 24th", "2026-11-24"),
        ("the second of December", "2026-12-02"),
        ("January fifth", "2027-01-05"),
        ("2026-12-31", "2026-12-31"),
        ("11/24", "2026-11-24"),
        ("in two weeks", "2026-12-05"),
        ("February 30th", None),
        ("whenever", None),
    ],
)
def test_dates(text: str, expected: str | None) -> None:
    found = find_date(normalise(text), SATURDAY)
    assert (found.value if found else None) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ten thirty", "10:30"),
        ("10.30", "10:30"),
        ("half past ten", "10:30"),
        ("a quarter to three", "14:45"),
        ("2 p.m.", "14:00"),
        ("two o'clock", "14:00"),
        ("at seven", "19:00"),
        ("at eight tonight", "20:00"),
        ("eight in the morning", "08:00"),
        ("12 a.m.", "00:00"),
        ("noon", "12:00"),
        ("at 1030", "10:30"),
        ("at 25", None),
        ("It costs $10.30", None),
        ("four people", None),
        ("the 24th", None),
    ],
)
def test_times(text: str, expected: str | None) -> None:
    found = find_time(normalise(text))
    assert (found.value if found else None) == expected


@given(st.dates(SATURDAY, SATURDAY + timedelta(days=360)))
def test_any_day_said_as_month_and_day_is_found(day: date) -> None:
    found = find_date(normalise(f"on {day:%B} {day.day}, please"), SATURDAY)
    assert found is not None
    assert found.value == day.isoformat()


@given(st.times())
def test_any_clock_time_with_am_or_pm_is_found(moment: object) -> None:
    assert hasattr(moment, "strftime")
    found = find_time(normalise(moment.strftime("at %I:%M %p")))
    assert found is not None
    assert found.value == moment.strftime("%H:%M")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(212) 555-0123", "+12125550123"),
        ("two one two, double five five, oh one two three", "+12125550123"),
        ("+44 20 7946 0958", "+442079460958"),
        ("555-0123", "5550123"),
        ("ten thirty", ""),
    ],
)
def test_phones(text: str, expected: str) -> None:
    found = find_phone(normalise(text), "US")
    assert (found.value if found else "") == expected


def test_names_and_addresses() -> None:
    assert find_name("Hi, my name is dana smith and I need a cut") == "Dana Smith"
    assert find_name("I'm looking for a haircut") == ""
    assert bare_name("Uh, it's Dana.") == "Dana"
    assert bare_name("D-A-N-A") == "Dana"
    found = find_email("dana at example dot com")
    assert found is not None
    assert found.value == "dana@example.com"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("two hair cuts", ["haircut"]), ("a beard trend", ["beard trim"]), ("haircut and beard", ["haircut and beard"]), ("a massage", [])],
)
def test_choices(text: str, expected: list[str]) -> None:
    assert find_choices(text, ["haircut", "beard trim", "haircut and beard"]) == expected


def test_yes_and_no() -> None:
    assert all(says_yes(text) for text in ("Yes.", "yeah sure", "That's right", "go ahead", "Okay"))
    assert all(says_no(text) for text in ("No.", "nope", "no, make it eleven", "that's wrong"))
    assert not any(says_yes(text) for text in ("no", "eleven", "that's all"))
