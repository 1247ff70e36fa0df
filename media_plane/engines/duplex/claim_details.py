"""Times, days and prices named in words, so that a claim can be held against what a tool really said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMBERS = {word: i for i, word in enumerate(_UNITS.split())} | {word: 10 * i for i, word in enumerate(_TENS.split(), start=2)}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(_NUMBERS)})(?:[ -](?:{'|'.join(_NUMBERS)}))*\b")
_ISO_DATE = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)t?")
_DAY = re.compile(rf"\b({'|'.join(_DAYS)})s?\b")
_CLOCK = re.compile(r"(?<![\d:.$€£])(\d{1,2})[:.](\d\d)(?!\d)")
_AROUND = re.compile(r"\b(half past|(?:a )?quarter past|(?:a )?quarter to) (\d{1,2})\b")
_HOUR = re.compile(
    r"\b(\d{1,2}) ?(?:o'?clock\b|[ap]\.?m\b)"
    r"|\b(?:at|for) (\d{1,2})(?= (?:on|today|tomorrow|tonight|this|next|in the|sharp|then)\b|\W*$|[.,!])"
)
_PRICE = re.compile(r"[$€£] ?(\d+)(?:\.(\d\d))?|\b(\d+)(?:\.(\d\d))? (?:dollars|bucks|euros|pounds)(?: (\d\d)\b)?")
_NUMBER = re.compile(r"(?<![\d:.])\d{1,3}(?![\d:.]\d)")
_HALF_DAY_MINUTES = 720


@dataclass(frozen=True, slots=True)
class Details:
    """What a text names: ``minutes`` since midnight or noon (both halves of the day alike), weekdays, prices in cents, other numbers."""

    minutes: frozenset[int] = frozenset()
    days: frozenset[str] = frozenset()
    cents: frozenset[int] = frozenset()
    numbers: frozenset[int] = frozenset()

    def __or__(self, other: Details) -> Details:
        return Details(self.minutes | other.minutes, self.days | other.days, self.cents | other.cents, self.numbers | other.numbers)

    def contradicts(self, truth: Details) -> bool:
        """Whether a time, day or price here is of a sort that ``truth`` names too, and is not among those.

        A bare hour that ``truth`` has as a number of something else ("a table for four") counts as that.
        """
        strange = {
            minute for minute in self.minutes - truth.minutes if minute % 60 or minute // 60 % 12 not in {n % 12 for n in truth.numbers}
        }
        return any(
            known and wrong
            for known, wrong in ((truth.minutes, strange), (truth.days, self.days - truth.days), (truth.cents, self.cents - truth.cents))
        )


def details_of(text: str) -> Details:
    """The times, days and prices in a text."""
    plain = _NUMBER_WORD.sub(lambda found: _digits(found[0]), text.lower().replace("’", "'"))
    plain = re.sub(r"\b(?:noon|midday)\b", "12:00", plain)
    days = {found[1] for found in _DAY.finditer(plain)} | set(_weekdays(plain))
    plain = _ISO_DATE.sub(" ", plain)
    cents = {_cents(found) for found in _PRICE.finditer(plain)}
    plain = _PRICE.sub(" ", plain)
    numbers = {int(number) for number in _NUMBER.findall(_HOUR.sub(" ", plain))}
    return Details(frozenset(_minutes(plain)), frozenset(days), frozenset(cents), frozenset(numbers))


def _digits(words: str) -> str:
    """``three thirty`` as 3:30, ``forty five`` as 45, anything else number by number."""
    numbers: list[int] = []
    for word in re.split(r"[ -]", words):
        value = _NUMBERS[word]
        if numbers and numbers[-1] >= 20 and numbers[-1] % 10 == 0 and 0 < value < 10:
            numbers[-1] += value
        else:
            numbers.append(value)
    if len(numbers) == 2 and 1 <= numbers[0] <= 12 and 10 <= numbers[1] < 60:
        return f"{numbers[0]}:{numbers[1]:02d}"
    return " ".join(str(number) for number in numbers)


def _weekdays(plain: str) -> Iterator[str]:
    for found in _ISO_DATE.finditer(plain):
        try:
            yield _DAYS[date(int(found[1]), int(found[2]), int(found[3])).weekday()]
        except ValueError:
            continue


def _minutes(plain: str) -> Iterator[int]:
    for found in _AROUND.finditer(plain):
        shift = {"h": 30, "p": 15, "o": -15}["h" if found[1] == "half past" else "p" if found[1].endswith("past") else "o"]
        yield (int(found[2]) * 60 + shift) % _HALF_DAY_MINUTES
    plain = _AROUND.sub(" ", plain)
    for found in _CLOCK.finditer(plain):
        if int(found[1]) < 24 and int(found[2]) < 60:
            yield (int(found[1]) * 60 + int(found[2])) % _HALF_DAY_MINUTES
    for found in _HOUR.finditer(_CLOCK.sub(" x ", plain)):
        hour = int(found[1] or found[2])
        if hour < 24:
            yield hour * 60 % _HALF_DAY_MINUTES


def _cents(found: re.Match[str]) -> int:
    return int(found[1] or found[3]) * 100 + int(found[2] or found[4] or found[5] or 0)
