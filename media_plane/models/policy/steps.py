"""Small steps of the policy: which slot a refusal means, what a look-up prepares, what lasts for the call."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from media_plane.models.policy.filling import Setting, fill
from media_plane.models.policy.slots import Slot, slots_of
from media_plane.models.policy.state import Asked, State
from media_plane.models.policy.words import normalise
from media_plane.ports.tools import ToolSpec

LASTING = frozenset({"name", "phone", "email", "address"})
"""Kinds that stay true for the whole call; what else the caller said is forgotten once a task is done."""
_REMEMBERED = frozenset({"done", "done_tool", "answers"})
CARRIED = LASTING | {"date", "time"}
_INSTEAD = re.compile(r"\b(?:then|instead|rather|make (?:it|that)|i meant?|better)\b")
_CLOSED_DAY = re.compile(r"\bclosed on\b|\bnothing free on\b|\bfully booked on\b")


def suspected_slot(tool: ToolSpec, said: str, values: Mapping[str, Any]) -> Slot | None:
    """The slot whose value most likely brought the refusal: one that the answer names by its label or value, else time, else date."""
    slots = slots_of(tool)
    lower = said.lower()
    if closed := next((slot for slot in slots if slot.kind == "date" and _CLOSED_DAY.search(lower)), None):
        return closed
    choice = next((slot for slot in slots if slot.kind == "enum" and str(values.get(slot.name, "|")).lower() in lower), None)
    named = next((slot for slot in slots if slot.kind not in ("name", "phone") and slot.label in lower), None)
    when = [slot for slot in slots if slot.kind in ("time", "date", "datetime")]
    if choice and not (named or when):
        return choice
    return named or next((slot for kind in ("time", "datetime", "date", "code") for slot in slots if slot.kind == kind), None)


def follow_up(tool: ToolSpec, tools: Sequence[ToolSpec]) -> ToolSpec | None:
    """The change that a look-up most likely prepares: the one sharing most parameters with it."""
    ours = {slot.name for slot in slots_of(tool)}
    shared = [(len(ours & {slot.name for slot in slots_of(other)}), other) for other in tools if other.effect == "write"]
    best = max(shared, key=lambda pair: pair[0], default=None)
    return best[1] if best is not None and best[0] else None


def fills_when(tool: ToolSpec, text: str, setting: Setting) -> bool:
    """Whether the words give a day or a time that this tool takes."""
    when = [slot for slot in slots_of(tool) if slot.kind in ("date", "time", "datetime")]
    return bool(fill(text, when, asked="", setting=setting))


def named_slot(slots: Sequence[Slot], text: str) -> Slot | None:
    """The slot that the words name by its label."""
    lower = text.lower()
    return next((slot for slot in slots if slot.label in lower or slot.label.split()[-1] in lower.split()), None)


def overheard(text: str, setting: Setting) -> dict[str, Any]:
    """Name, phone and e-mail that the caller gives at any time."""
    lasting = [Slot(kind, kind, required=False) for kind in ("name", "phone", "email")]
    return fill(text, lasting, asked="", setting=setting)


def wanted(slot: Slot, tool: ToolSpec, state: State, refused: Sequence[str]) -> bool:
    """Whether a missing slot is asked for: what is required, and once what a change's tenant wrote a question for."""
    optional = tool.effect == "write" and bool(slot.ask) and state.known.get("skipped") != slot.name
    return slot.required or optional or (slot.name == state.slot and bool(refused))


def past_day(slots: Sequence[Slot], values: Mapping[str, Any], today: date) -> Slot | None:
    """The first day that lies behind us, of those that mean an appointment and not a birthday."""
    days = (slot for slot in slots if slot.kind == "date" and "birth" not in slot.name and slot.name in values)
    return next((slot for slot in days if str(values[slot.name]) < today.isoformat()), None)


def without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The values but one."""
    return {key: value for key, value in values.items() if key != name}


def lasting(slots: Sequence[Slot], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that stay true for the whole call, by kind."""
    return {slot.kind: values[slot.name] for slot in slots if slot.kind in LASTING and slot.name in values}


def ended(state: State, asked: Asked) -> State:
    """No task any more; what lasts for the call is kept."""
    kept = {key: value for key, value in state.known.items() if key in LASTING or key in _REMEMBERED}
    return State(asked=asked, known={"done": True, **kept})


def changes(slots: Sequence[Slot], values: Mapping[str, Any], text: str, setting: Setting) -> dict[str, Any]:
    """What the words change of the values given before."""
    found = fill(text, slots, asked="", setting=setting)
    if not found and len(normalise(text).split()) <= 6:  # "no, eleven": a bare hour counts here
        found = {
            name: value
            for slot in slots
            if slot.kind == "time"
            for name, value in fill(text, [slot], asked=slot.name, setting=setting).items()
        }
    return {name: value for name, value in found.items() if values.get(name) != value}


def corrected_time(slots: Sequence[Slot], values: Mapping[str, Any], text: str, setting: Setting) -> dict[str, Any]:
    """A bare hour in "eleven then" while something else was asked, when a time was given before."""
    if _INSTEAD.search(text.lower()) is None:
        return {}
    times = [slot for slot in slots if slot.kind == "time" and slot.name in values]
    return fill(text, times, asked=times[0].name, setting=setting) if times else {}
