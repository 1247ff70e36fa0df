"""Dates and times as people say them, relative to now."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time, timedelta

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"]
_MONTH = "(" + "|".join(f"{name[:3]}(?:{name[3:]})?" if len(name) > 3 else name for name in _MONTHS) + r"|sept)\.?"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_WEEKDAY = re.compile(r"\b(?:(this|next|last|coming|on)\s+)?(" + "|".join(_WEEKDAYS) + r")s?\b")
_ISO = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_MONTH_DAY = re.compile(rf"\b{_MONTH}\s+(?:the\s+)?{_DAY}(?:\s*,?\s*(\d{{4}}))?\b(?![:.]\d)")
_DAY_MONTH = re.compile(rf"\b(?:the\s+)?{_DAY}\s+(?:of\s+)?{_MONTH}(?:\s*,?\s*(\d{{4}}))?\b")
_THE_DAY = re.compile(r"\b(?:the\s+)?(\d{1,2})(?:st|nd|rd|th)\b")
_SLASHED = re.compile(r"\b(\d{1,2})\s?/\s?(\d{1,2})(?:\s?/\s?(\d{4}|\d{2}))?\b")
_IN_DAYS = re.compile(r"\bin\s+(a|\d+)\s+(day|week)s?\b")
_NEAR = (
    (re.compile(r"\b(?:the\s+)?day after tomorrow\b"), 2),
    (re.compile(r"\btomorrow\b|\btomorow\b"), 1),
    (re.compile(r"\btoday\b|\btonight\b|\bthis (?:morning|afternoon|evening)\b|\bright now\b"), 0),
    (re.compile(r"\ba week from (?:today|now)\b"), 7),
    (re.compile(r"\bthe day before yesterday\b"), -2),
    (re.compile(r"\byesterday\b"), -1),
)

_HALF = re.compile(r"\b(?:(half|a quarter|quarter|\d{1,2})(?: minutes)?) (past|after|to|till|before) (\d{1,2})\b")
_CLOCK = re.compile(
    r"(?<![\d$€£.:/-])(\d{1,2})(?:\s?[:.h]\s?(\d{2})(?![\d%])|\s(\d{2})(?!\d|\s?(?:people|guests|persons|dollars))|)"
    r"\s*(am|pm|o'clock|oclock)?(?![\d$€£/-]|:\d|\.\d|st\b|nd\b|rd\b|th\b)"
)
_COMPACT = re.compile(r"(?:\b(?:at|around|for|to|it) |^\W*)([01]?\d|2[0-3])([0-5]\d)\b")
_BEFORE_HOUR = re.compile(r"\b(?:at|around|about|by|after|before|from|it|till|until|maybe|say|say,|to) $")
_COUNTED = re.compile(r"\s*(?:people|persons?|guests?|adults?|of us|seats?|pizzas?)\b")
_NOON = re.compile(r"\b(?:noon|midday|lunch ?time)\b")
_MIDNIGHT = re.compile(r"\bmidnight\b")
_MORNING = re.compile(r"\bmorning\b|\bbreakfast\b")
_LATER = re.compile(r"\bafternoon\b|\bevening\b|\btonight\b|\bnight\b|\bdinner\b")

OPENING_GUESS_HOUR = 8
"""Without better knowledge an hour below this means the afternoon: nobody books a table for four in the morning."""


@dataclass(frozen=True, slots=True)
class Found:
    """A value found in a text, and where."""

    value: str
    start: int
    end: int


def find_date(text: str, today: date, *, day_first: bool = False) -> Found | None:
    """The first date in a normalised text, as ISO. A date without a year is the next one from today."""
    for finder in (_iso, _named_month, _near, _counted, _bare_day, _weekday):
        if found := finder(text, today):
            return found
    return _slashed(text, today, day_first)


def _found(match: re.Match[str], value: date | None) -> Found | None:
    return None if value is None else Found(value.isoformat(), match.start(), match.end())


def _make(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _coming(today: date, month: int, day: int, year: str | None) -> date | None:
    if year:
        return _make(int(year) + (2000 if len(year) == 2 else 0), month, day)
    this_year = _make(today.year, month, day)
    if this_year is not None and this_year >= today:
        return this_year
    return _make(today.year + 1, month, day)


def _iso(text: str, today: date) -> Found | None:
    match = _ISO.search(text)
    return _found(match, _make(int(match[1]), int(match[2]), int(match[3]))) if match else None


def _month_number(name: str) -> int:
    return next(i for i, month in enumerate(_MONTHS, start=1) if month.startswith(name[:3]))


def _named_month(text: str, today: date) -> Found | None:
    if match := _MONTH_DAY.search(text):
        return _found(match, _coming(today, _month_number(match[1]), int(match[2]), match[3]))
    if match := _DAY_MONTH.search(text):
        return _found(match, _coming(today, _month_number(match[2]), int(match[1]), match[3]))
    return None


def _near(text: str, today: date) -> Found | None:
    for pattern, days in _NEAR:
        if match := pattern.search(text):
            return _found(match, today + timedelta(days=days))
    return None


def _counted(text: str, today: date) -> Found | None:
    if match := _IN_DAYS.search(text):
        count = (1 if match[1] == "a" else int(match[1])) * (7 if match[2] == "week" else 1)
        return _found(match, today + timedelta(days=min(count, 3650)))
    return None


def _weekday(text: str, today: date) -> Found | None:
    match = _WEEKDAY.search(text)
    if match is None:
        return None
    ahead = (_WEEKDAYS.index(match[2]) - today.weekday()) % 7
    if match[1] == "next":
        # the one in the week after this one, weeks beginning on Monday
        return _found(match, today + timedelta(days=7 - today.weekday() + _WEEKDAYS.index(match[2])))
    if match[1] == "last":
        return _found(match, today - timedelta(days=(7 - ahead) % 7 or 7))
    if ahead == 0 and match[1] != "this":
        ahead = 7
    return _found(match, today + timedelta(days=ahead))


def _bare_day(text: str, today: date) -> Found | None:
    match = _THE_DAY.search(text)
    if match is None or _MONTH_DAY.search(text) or _DAY_MONTH.search(text):  # "February 30th" is no day of another month
        return None
    first = today.replace(day=1)
    for _ in range(3):
        day = _make(first.year, first.month, int(match[1]))
        if day is not None and day >= today:
            return _found(match, day)
        first = (first + timedelta(days=32)).replace(day=1)
    return None


def _slashed(text: str, today: date, day_first: bool) -> Found | None:
    match = _SLASHED.search(text)
    if match is None:
        return None
    one, two = int(match[1]), int(match[2])
    month, day = (two, one) if (day_first and two <= 12) or one > 12 else (one, two)
    return _found(match, _coming(today, month, day, match[3]))


def find_time(text: str, *, expected: bool = False, opening_hour: int = OPENING_GUESS_HOUR, late: bool = False) -> Found | None:
    """The first time of day in a normalised text, as HH:MM.

    Args:
        expected: the caller was asked for a time, so a bare "ten" is one.
        opening_hour: an hour said without am or pm that lies before it is taken as the afternoon's.
        late: something outside this text ("tonight") says that it is the afternoon or evening.
    """
    opening_hour = 12 if late or says_late(text) else opening_hour
    if match := _NOON.search(text):
        return Found("12:00", match.start(), match.end())
    if match := _MIDNIGHT.search(text):
        return Found("00:00", match.start(), match.end())
    if match := _HALF.search(text):
        return _relative(text, match, opening_hour)
    for match in _CLOCK.finditer(text):
        if found := _clock(text, match, expected, opening_hour):
            return found
    if match := _COMPACT.search(text):
        return _resolved(text, match, int(match[1]), int(match[2]), opening_hour)
    return None


def says_late(text: str) -> bool:
    """Whether a normalised text speaks of the afternoon or the evening."""
    return _LATER.search(text) is not None


def _relative(text: str, match: re.Match[str], opening_hour: int) -> Found | None:
    minutes = {"half": 30, "quarter": 15, "a quarter": 15}.get(match[1]) or int(match[1])
    hour = int(match[3])
    if match[2] in ("to", "till", "before"):
        hour, minutes = (hour - 1) or 12, 60 - minutes
    return _resolved(text, match, hour, minutes, opening_hour)


def _clock(text: str, match: re.Match[str], expected: bool, opening_hour: int) -> Found | None:
    hour, minutes = int(match[1]), int(match[2] or match[3] or 0)
    certain = bool(match[2] or match[4]) or _BEFORE_HOUR.search(text[: match.start()]) is not None
    certain = certain or bool(match[3] and 7 <= hour <= 23 and minutes % 5 == 0) or (expected and hour <= 24)
    day_part = re.match(r"\s*(?:o'clock )?(?:in the|at|tomorrow) (?:morning|afternoon|evening|night)", text[match.end() :])
    if not (certain or day_part) or _COUNTED.match(text[match.end() :]):
        return None
    return _resolved(text, match, hour, minutes, opening_hour, meridiem=match[4] or "")


def _resolved(text: str, match: re.Match[str], hour: int, minutes: int, opening_hour: int, meridiem: str = "") -> Found | None:
    if not meridiem and (after := re.match(r"\s*(am|pm)\b", text[match.end() :])):
        meridiem = after[1]
    if hour > 23 or minutes > 59:
        return None
    if meridiem in ("am", "pm"):
        hour = hour % 12 + (12 if meridiem == "pm" else 0) if hour <= 12 else hour
    elif 0 < hour < 12:
        hour += 12 if hour < opening_hour and _MORNING.search(text) is None else 0
    return Found(time(hour, minutes).strftime("%H:%M"), match.start(), match.end())
