"""What the scripted agent says: questions for slots, the read-back before a change, and tool outcomes as speech."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import Any

from media_plane.models.policy.slots import Slot
from media_plane.models.policy.words import label, words_of
from media_plane.ports.tools import ToolSpec

_QUESTIONS = {
    "date": "What day would you like?",
    "time": "What time would suit you?",
    "datetime": "What day and time would you like?",
    "phone": "What's the best phone number to reach you on?",
    "email": "What's your email address?",
    "name": "May I have your name, please?",
    "address": "What's the address, please?",
    "records": "What would you like?",
}
_REFUSAL = re.compile(
    r"\b(?:taken|unavailable|not available|no longer|fully booked|already (?:booked"
    r"|taken|reserved)|closed|can ?not|can't|couldn't|sorry|unable|not free|not possible"
    r"|nothing free|sold out|out of stock|has passed|already passed|not (?:open|until|allowed)|we are full|did not|do not|don't"
    r"|we (?:are open|seat \w+|serve \w+) (?:only )?(?:from|until|between)|begin (?:only )?on"
    r"|no (?:free|open|available)|in the past|not found|no such|invalid|failed|too (?:late|early|many|large))\b",
    re.IGNORECASE,
)
_READ_ORDER_WORDS = "enum list records text code boolean number integer datetime date time name phone email address"
_READ_ORDER = tuple(_READ_ORDER_WORDS.split())
_THINGS = frozenset({"service", "treatment", "item", "product", "dish", "room", "package", "wash"})
_TELLING = frozenset({"get", "list", "show", "tell", "fetch"})
_CHECKING = frozenset({"check", "find", "look", "track", "ask"})
_UNDOING = frozenset({"cancel", "change", "move", "reschedule", "postpone"})
_BOOKINGS = frozenset({"reservation", "booking", "appointment"})
_REFUSED_VALUES = frozenset(
    {"error", "failed", "failure", "unavailable", "refused", "taken", "rejected", "not_found", "closed", "conflict"}
)


def question_for(slot: Slot) -> str:
    """The question that asks for one slot."""
    if slot.ask:
        return slot.ask
    if slot.choices:
        return f"Which {slot.label} would you like: {_either([label(choice) for choice in slot.choices[:8]])}?"
    if slot.kind == "integer" and set(words_of(slot.name)) & {"party", "guests", "people", "persons"}:
        return "For how many people?"
    if slot.kind == "integer" and set(words_of(slot.name)) & {"quantity", "count"}:
        return "How many would you like?"
    if slot.kind == "integer":
        return f"How many, for the {slot.label}?"
    if slot.kind == "boolean":
        return f"And {slot.label}: yes or no?"
    return _QUESTIONS.get(slot.kind) or f"What's the {slot.label}, please?"


def spoken_date(value: str, today: date) -> str:
    """``tomorrow, Sunday, November 22nd``."""
    day = date.fromisoformat(value)
    ending = "th" if 10 < day.day % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    near = {0: "today, ", 1: "tomorrow, "}.get((day - today).days, "on ")
    year = f" {day.year}" if abs((day - today).days) > 300 else ""
    return f"{near}{day:%A}, {day:%B} {day.day}{ending}{year}"


def spoken_time(value: str) -> str:
    """``10:30 AM``, ``2 PM``."""
    at = time.fromisoformat(value)
    if (at.hour, at.minute) == (12, 0):
        return "noon"
    return f"{at.hour % 12 or 12}{f':{at.minute:02d}' if at.minute else ''} {'AM' if at.hour < 12 else 'PM'}"


def action(tool: ToolSpec) -> str:
    """``book_appointment`` as one says it: "book an appointment"."""
    words = words_of(tool.name)
    if len(words) < 2:
        return words[0] if words else tool.name
    verb, rest = words[0], " ".join(words[1:])
    if verb in _TELLING:
        return f"tell you the {rest}"
    if words[-1] == "status" and verb not in _CHECKING:
        return f"tell you the {' '.join(words)}"
    if verb in _UNDOING:
        return f"{verb} your {rest}"
    if words[-1].endswith("s") or words[-1] in ("availability", "status", "callback", "me") or words[1] in ("a", "an", "the"):
        return f"{verb} {rest}"
    return f"{verb} {'an' if rest[0] in 'aeiou' else 'a'} {rest}"


def _go_ahead(tool: ToolSpec) -> str:
    """The question after a read-back, on this very thing: "Shall I place the order?"."""
    words = words_of(tool.name)
    if words[0] in ("book", "reserve", "schedule") or (words[0] in ("make", "create") and words[-1] in _BOOKINGS):
        return "Shall I book it?"
    this = re.sub(r"^(place|take|send|create|make|leave) an? ", r"\1 the ", action(tool))
    return f"Shall I {this}?"


def read_back(tool: ToolSpec, slots: Sequence[Slot], values: Mapping[str, Any], today: date) -> str:
    """The sentence that a caller must agree to before the tool changes anything."""
    filled = [slot for slot in slots if slot.name in values]
    thing = _thing(filled, values)
    rest = [slot for slot in filled if slot not in thing]
    spoken = [_spoken_slot(slot, values[slot.name], today) for slot in sorted(rest, key=lambda slot: _READ_ORDER.index(slot.kind))]
    parts = [" ".join(label(str(values[slot.name])) for slot in thing), *spoken] if thing else spoken
    return f"So that's {', '.join(parts).removeprefix('on ')}. {_go_ahead(tool)}" if parts else f"Shall I {action(tool)} now?"


def _thing(filled: Sequence[Slot], values: Mapping[str, Any]) -> list[Slot]:
    """The slots that are one phrase together: "2 large pepperoni"; none when nothing counts or sizes the thing."""
    counts = [slot for slot in filled if slot.kind == "integer" and set(words_of(slot.name)) & {"quantity", "count"}]
    sizes = [slot for slot in filled if slot.kind == "enum" and "size" in words_of(slot.name)]
    things = [slot for slot in filled if slot.kind == "enum" and slot not in sizes]
    return [*counts, *sizes, *things[:1]] if things and (counts or sizes) else []


def _spoken_slot(slot: Slot, value: Any, today: date) -> str:
    if slot.kind == "date":
        return spoken_date(value, today)
    if slot.kind == "time":
        return f"at {spoken_time(value)}"
    if slot.kind == "datetime":
        return f"{spoken_date(value[:10], today)}, at {spoken_time(value[11:16])}"
    if slot.kind == "name":
        return f"for {value}"
    if slot.kind == "phone":
        return f"phone number {spoken_digits(str(value))}"
    if slot.kind == "address" and "deliver" in f"{slot.name} {slot.description}".lower():
        return "for pickup" if str(value).lower().replace(" ", "") in ("pickup", "collect") else f"delivered to {value}"
    if slot.kind == "boolean":
        return slot.label if value else f"no {slot.label}"
    if slot.kind == "integer":
        return f"for {value} people" if set(words_of(slot.name)) & {"party", "guests", "people", "persons"} else f"{slot.label} {value}"
    return _spoken_value(slot, value)


def _spoken_value(slot: Slot, value: Any) -> str:
    if slot.kind == "enum":
        return _with_article(label(str(value))) if set(words_of(slot.name)) & _THINGS else label(str(value))
    if slot.kind == "list":
        return _and([label(str(one)) for one in value])
    if slot.kind == "records":
        return _and([" ".join(label(str(row[part.name])) for part in _quantity_first(slot.parts) if part.name in row) for row in value])
    return f"{slot.label}: {value}" if slot.kind == "text" else f"{slot.label} {value}"


def _with_article(thing: str) -> str:
    return thing if thing.endswith("s") or thing[:1].isdigit() else f"{'an' if thing[:1] in 'aeiou' else 'a'} {thing}"


def _quantity_first(parts: Sequence[Slot]) -> list[Slot]:
    return sorted(parts, key=lambda part: (part.kind != "integer", "size" not in part.name))


def spoken_digits(number: str) -> str:
    """A phone number in groups, each read digit by digit: ten digits as one writes them, others with the digits apart."""
    digits = re.sub(r"\D", "", number.removeprefix("+1"))
    if len(digits) == 10:
        return f"{digits[:3]} {digits[3:6]} {digits[6:]}"
    return ", ".join(" ".join(group) for group in (digits[:-7], digits[-7:-4], digits[-4:]) if group)


def spoken_outcome(output: str) -> str:
    """A tool's output as speech: text as it is, JSON data as a sentence."""
    try:
        value = json.loads(output)
    except ValueError:
        return output.strip() or "That's done."
    return _spoken_json(value) or "That's done."


def _spoken_json(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return "That's done." if value else "That didn't work."
    if isinstance(value, list):
        return f"There is: {_and([_short(one) for one in value[:6]])}." if value else "I found nothing."
    if not isinstance(value, dict):
        return f"The answer is {value}."
    for key in ("message", "say", "speech", "summary", "text", "error", "reason"):
        if isinstance(value.get(key), str):
            return str(value[key])
    parts = [
        _spoken_pair(key, part)
        for key, part in value.items()
        if key not in ("ok", "success", "status_code") and part not in (None, "", [], {})
    ]
    return f"{'; '.join(parts).capitalize()}." if parts else "That's done."


def _spoken_pair(key: str, part: Any) -> str:
    return f"{label(key)}: {_and([_short(one) for one in part[:6]]) if isinstance(part, list) else _short(part)}"


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{label(key)} {_short(part)}" for key, part in list(value.items())[:4])
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def is_refusal(output: str) -> bool:
    """Whether a tool's output says that it could not do what was asked."""
    try:
        value = json.loads(output)
    except ValueError:
        return _REFUSAL.search(output) is not None
    if isinstance(value, dict):
        if any(value.get(key) is False for key in ("ok", "success", "available", "booked", "confirmed")) or value.get("error"):
            return True
        if str(value.get("status", "")).lower() in _REFUSED_VALUES:
            return True
        if any(value.get(key) is True for key in ("ok", "success", "available", "booked", "confirmed")):
            return False
    return isinstance(value, str) and _REFUSAL.search(value) is not None


def abilities(tools: Sequence[ToolSpec]) -> str:
    """What the agent can do, in one sentence."""
    if not tools:
        return "I can answer questions about us."
    return f"I can {_either([action(tool) for tool in tools[:4]])}, or answer questions about us."


def _and(parts: Sequence[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)


def _either(parts: Sequence[str]) -> str:
    return f"{', '.join(parts[:-1])} or {parts[-1]}" if len(parts) > 1 else "".join(parts)
