"""Fills a tool's slots from what a caller says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from jsonschema import Draft202012Validator

from media_plane.models.policy.choices import find_choices
from media_plane.models.policy.contacts import bare_name, find_email, find_name, find_phone
from media_plane.models.policy.moments import OPENING_GUESS_HOUR, find_date, find_time, says_late
from media_plane.models.policy.slots import Slot
from media_plane.models.policy.words import label, normalise, says_no, says_yes, stem, without_fillers, words_of

_COUNT_NOUN = r"(?:people|persons|guests|adults|of us|diners|person|seats|pax|nights|pieces|items|copies)"
_STREET = re.compile(
    r"\b\d+[a-z]?\s+(?:(?!(?:to|for|at|and)\b)(?:[a-z][\w.'-]*|\d+(?:st|nd|rd|th))\s+){1,4}(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|way|court|place|square)\b\.?",
    re.IGNORECASE,
)
_PICKUP = re.compile(r"\b(?:pick ?up|pick(?:ing)? (?:it|them) up|collect(?:ion|ing)?|take ?away|take ?out|to go)\b")
_NAMED = re.compile(r"\b(?:named|called)\s+([A-Z][\w'-]*(?:\s[A-Z][\w'-]*)*)")
_TEXT_LEAD_IN = re.compile(
    r"^(?:(?:yes|yeah|sure|okay|ok|oh|well|it's|it is|that's|that is|that would be|it would be|i'd like|i want)\b[,:]?\s*)+", re.IGNORECASE
)
_NOTHING = re.compile(r"^(?:no|none|nothing|not really|skip|i don't know|i'm not sure|no idea)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a caller's words are read against: today's date, the region of bare phone numbers, when the day of business begins."""

    today: date
    region: str = "US"
    day_first: bool = False
    opening_hour: int = OPENING_GUESS_HOUR


@dataclass(slots=True)
class _Reading:
    """One utterance while it is read: what was understood is blanked out of ``text``, so that no word counts twice."""

    original: str
    text: str
    asked: str
    setting: Setting
    late: bool = False
    no_names: frozenset[str] = frozenset()
    values: dict[str, Any] = field(default_factory=dict)

    def take(self, slot: Slot, value: Any, start: int, end: int) -> None:
        self.values[slot.name] = value
        self.blank(start, end)

    def blank(self, start: int, end: int) -> None:
        self.text = self.text[:start] + "|" + " " * (end - start - 1) + self.text[end:]


def fill(text: str, slots: Sequence[Slot], *, asked: str, setting: Setting) -> dict[str, Any]:
    """The slots that this utterance fills, by name.

    Args:
        asked: the slot that the caller was asked for: it also takes a bare answer. Empty when none was.
    """
    values = _read(text, slots, asked, setting)
    return {name: value for name, value in values.items() if _allowed(value, next(s for s in slots if s.name == name))}


def limit_broken(text: str, slots: Sequence[Slot], *, asked: str, setting: Setting) -> str:
    """A sentence on the first number in this utterance that its slot does not allow; empty when there is none."""
    if find_phone(normalise(text), setting.region):
        return ""
    values = _read(text, slots, asked, setting)
    for slot in slots:
        value = values.get(slot.name)
        if isinstance(value, int) and value > slot.schema.get("maximum", value):
            return f"The most I can take is {slot.schema['maximum']}."
        if isinstance(value, int) and value < slot.schema.get("minimum", value):
            return f"It must be at least {slot.schema['minimum']}."
    return ""


def _read(text: str, slots: Sequence[Slot], asked: str, setting: Setting) -> dict[str, Any]:
    normal = normalise(text)
    chosen = frozenset(word for slot in slots for choice in slot.choices for word in words_of(choice))
    reading = _Reading(text, normal, asked, setting, late=says_late(normal), no_names=chosen)
    for kinds, read in _READERS:
        for slot in _asked_first(slots, asked):
            if slot.kind in kinds and slot.name not in reading.values:
                read(reading, slot)
    return reading.values


def one_at_a_time(text: str, slots: Sequence[Slot]) -> tuple[str, str]:
    """Splits a wish for two things of which a tool takes one: "two pepperoni and a margherita" gives each its own text."""
    for slot in slots:
        if slot.kind != "enum" or len(found := find_choices(normalise(text), slot.choices)) < 2:
            continue
        for mark in re.finditer(r",? (?:and|plus)\b|,", text):
            first, second = text[: mark.start()], text[mark.end() :]
            if find_choices(normalise(first), slot.choices) == found[:1] and find_choices(normalise(second), slot.choices) == found[1:]:
                return first, second
    return text, ""


def faults(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """The names of the arguments that the tool's schema refuses."""
    return [str(error.path[0]) for error in Draft202012Validator(schema).iter_errors(dict(arguments)) if error.path]


def _asked_first(slots: Sequence[Slot], asked: str) -> list[Slot]:
    return sorted(slots, key=lambda slot: slot.name != asked)


def _allowed(value: Any, slot: Slot) -> bool:
    return not list(Draft202012Validator({k: v for k, v in slot.schema.items() if k != "format"}).iter_errors(value))


def _read_email(reading: _Reading, slot: Slot) -> None:
    if found := find_email(reading.original):
        reading.values[slot.name] = found.value
        reading.text = reading.text.replace(found.value, " " * len(found.value))


def _read_phone(reading: _Reading, slot: Slot) -> None:
    if found := find_phone(reading.text, reading.setting.region):
        reading.take(slot, found.value, found.start, found.end)


def _read_date(reading: _Reading, slot: Slot) -> None:
    setting = reading.setting
    found = find_date(reading.text, setting.today, day_first=setting.day_first)
    if found is None and reading.asked == slot.name and (bare := re.fullmatch(r"\W*(\d{1,2})\W*", reading.text)):
        found = find_date(f"the {bare[1]}th", setting.today)
    if found is None:
        return
    reading.take(slot, found.value, found.start, min(found.end, len(reading.text)))
    while again := find_date(reading.text, setting.today, day_first=setting.day_first):  # "Tuesday, the 24th": one date said twice
        reading.blank(again.start, again.end)


def _read_time(reading: _Reading, slot: Slot) -> None:
    found = find_time(reading.text, expected=reading.asked == slot.name, opening_hour=reading.setting.opening_hour, late=reading.late)
    if found:
        reading.take(slot, found.value, found.start, found.end)


def _read_moment(reading: _Reading, slot: Slot) -> None:
    day = find_date(reading.text, reading.setting.today, day_first=reading.setting.day_first)
    if day is None:
        return
    reading.blank(day.start, day.end)
    if hour := find_time(reading.text, expected=True, opening_hour=reading.setting.opening_hour, late=reading.late):
        reading.take(slot, f"{day.value}T{hour.value}:00", hour.start, hour.end)


def _read_choice(reading: _Reading, slot: Slot) -> None:
    joint = [choice for choice in slot.choices if " and " in choice.replace("_", " ")]
    if reading.asked == slot.name and len(joint) == 1 and re.search(r"\bboth\b", reading.text):
        reading.values[slot.name] = joint[0]
    elif found := find_choices(reading.text, slot.choices):
        reading.values[slot.name] = next(v for v in slot.schema.get("enum", found) if str(v) == found[0])


def _read_list(reading: _Reading, slot: Slot) -> None:
    if slot.choices:
        if found := find_choices(reading.text, slot.choices):
            reading.values[slot.name] = found
    elif reading.asked == slot.name and (rest := _bare_text(reading.original)):
        reading.values[slot.name] = [part.strip() for part in re.split(r",|\band\b", rest) if part.strip()]


def _read_records(reading: _Reading, slot: Slot) -> None:
    """Records said one after the other: "two large pepperoni and a small margherita"."""
    rows: list[dict[str, Any]] = []
    for segment in re.split(r",|\band\b|\bplus\b|\bwith\b", reading.text):
        row = fill(segment, slot.parts, asked="", setting=reading.setting)
        count = re.match(r"\W*(?:.*?\b)?(\d+|a|an)\s+(?!\|)", segment)
        for part in slot.parts:
            if part.kind == "integer" and part.name not in row and (part.required or count):
                row[part.name] = int(count[1]) if count and count[1].isdigit() else 1
        if any(part.name in row for part in slot.parts if part.kind != "integer"):
            rows.append(row)
    if rows and all(part.name in row for row in rows for part in slot.parts if part.required):
        reading.values[slot.name] = rows


def _read_integer(reading: _Reading, slot: Slot) -> None:
    nouns = "|".join(re.escape(word) for word in words_of(slot.name) if word not in ("number", "of", "size", "count"))
    patterns = [
        rf"\b(\d+)\s+(?:{_COUNT_NOUN}{'|(?:' + nouns + ')s?' if nouns else ''})\b",
        r"\b(?:party|table|group|room) (?:of|for) (\d+)\b",
    ]
    if set(words_of(slot.name)) & {"party", "guests", "people", "persons", "size"}:
        patterns += [r"\bfor (\d+)\b(?!\s?(?:am|pm|o'clock|[:.]\d))", r"\b(?:we are|we're|we'll be|us) (\d+)\b"]
    if set(words_of(slot.name)) & {"quantity", "count"} or reading.asked == slot.name:
        patterns.append(r"(?<![\d:.])(\d+)(?![\d:.]*\d)(?!st|nd|rd|th)")
    if nouns and "number" in words_of(slot.name):
        patterns.append(rf"\b(?:{nouns})(?: number)?(?: is)? (\d+)\b")
    if find_phone(reading.text, reading.setting.region):
        patterns = patterns[:2]
    for pattern in patterns:
        if match := re.search(pattern, reading.text):
            value: Any = int(match[1])
            reading.take(slot, str(value) if slot.schema.get("type") == "string" else value, match.start(), match.end())
            return


def _read_number(reading: _Reading, slot: Slot) -> None:
    if reading.asked == slot.name and (match := re.search(r"-?\d+(?:[.,]\d+)?", reading.text)):
        reading.take(slot, float(match[0].replace(",", ".")), match.start(), match.end())


def _read_boolean(reading: _Reading, slot: Slot) -> None:
    marks = {stem(word) for word in words_of(slot.name)}
    heard = [stem(word) for word in words_of(reading.text)]
    if reading.asked == slot.name and (says_yes(reading.original) or says_no(reading.original)):
        reading.values[slot.name] = says_yes(reading.original)
    elif mention := next((i for i, word in enumerate(heard) if word in marks and len(word) > 3), None):
        reading.values[slot.name] = not {"no", "without", "not"} & set(heard[max(0, mention - 2) : mention])


def _read_name(reading: _Reading, slot: Slot) -> None:
    name = bare_name(reading.original) if reading.asked == slot.name else find_name(reading.original)
    if name and not reading.no_names & set(words_of(name)):
        reading.values[slot.name] = name


def _read_address(reading: _Reading, slot: Slot) -> None:
    if match := _STREET.search(reading.original):
        reading.values[slot.name] = match.group().rstrip(".")
        if number := _STREET.search(reading.text):  # "5 Main Street" is not five of something
            reading.blank(number.start(), number.end())
    elif "pickup" in slot.description and _PICKUP.search(reading.text):
        reading.values[slot.name] = "pickup"
    elif reading.asked == slot.name:
        _read_text(reading, slot)


def _read_code(reading: _Reading, slot: Slot) -> None:
    marked = re.search(rf"\b(?:{'|'.join(words_of(slot.name))})\W+(?:is |number |number is )*((?:[a-z]?\d[\s-]*){{2,}})", reading.text)
    match = marked or (
        re.search(r"((?:\b[a-z]\b[\s-]*)*(?:\d[\s.-]*){2,}(?:\b[a-z]\b)*)", reading.text) if reading.asked == slot.name else None
    )
    if match:
        reading.take(slot, re.sub(r"[^a-z0-9]", "", match[1]).upper(), match.start(1), match.end(1))
    elif reading.asked == slot.name:
        _read_text(reading, slot)


def _read_text(reading: _Reading, slot: Slot) -> None:
    if "name" in words_of(slot.name) and (match := _NAMED.search(reading.original)):
        reading.values[slot.name] = match[1]
    elif reading.asked == slot.name and (rest := _bare_text(reading.original)):
        reading.values[slot.name] = rest


def _bare_text(text: str) -> str:
    text = without_fillers(text)
    if _NOTHING.match(text) or "?" in text:
        return ""
    return _TEXT_LEAD_IN.sub("", text).strip(" ,.!") or ""


_READERS = (
    (("email",), _read_email),
    (("datetime",), _read_moment),
    (("address",), _read_address),
    (("phone",), _read_phone),
    (("date",), _read_date),
    (("code",), _read_code),
    (("records",), _read_records),
    (("time",), _read_time),
    (("enum",), _read_choice),
    (("list",), _read_list),
    (("integer",), _read_integer),
    (("number",), _read_number),
    (("boolean",), _read_boolean),
    (("name",), _read_name),
    (("text",), _read_text),
)
"""Readers by kind, in the order in which kinds are read: what is most certain first."""

__all__ = ["Setting", "faults", "fill", "label"]
