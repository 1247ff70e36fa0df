"""Which tool a caller's words ask for, told by the words of the tools themselves."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from media_plane.models.policy.choices import find_choices
from media_plane.models.policy.slots import Slot, slots_of
from media_plane.models.policy.words import stem, stems, words_of
from media_plane.ports.tools import ToolSpec

_GROUPS = (
    "book booking reserve reservation schedule appointment appt arrange make",
    "check availability available avail free opening openings slot slots vacancy find search look lookup",
    "order buy purchase deliver delivery takeaway pickup",
    "cancel delete remove",
    "reschedule move change shift postpone",
    "status track progress",
    "register enroll enrol add signup sign join create",
    "renew extend prolong",
    "price cost quote fee charge",
    "message note callback",
    "table seat seats dinner lunch",
    "vet veterinary clinic pet dog cat puppy kitten",
    "car vehicle wash valet",
    "loan book_item lend borrow",
)
_SYNONYM: dict[str, str] = {stem(word): stem(group.split()[0]) for group in _GROUPS for word in group.split()}
_WANT = re.compile(
    r"\b(?:i'd like|i would like|i want|i wanna|i need|can i (?:get|have|make"
    r"|book)|could i (?:get|have|make|book)|let me|i'll (?:take|have)|book|reserve|order"
    r"|schedule|sign me up|please (?:make|put)|put me down|set (?:me )?up|make (?:me )?an?|get me"
    r"|give me|gimme|i'll go (?:for|with)|(?:fine|ok|okay) an?)\b"
)
_LOOK = re.compile(
    r"\b(?:do you have|have you got|is there|are there|what(?:'s| is| are)?"
    r"|when|which|any(?:thing)?|how about|what about|is (?:it|that|\d)|are you"
    r"|can you (?:check|tell|see|look)|could you (?:check|tell|see|look)|check|look up|how (?:much|many|long)"
    r"|where|find out|know (?:if|whether|when))\b"
)
_FACTS = re.compile(
    r"\b(?:how much|prices?|costs?|hours|(?:you|shop|store|restaurant|clinic"
    r"|place) (?:\w+ )?(?:open|close|closed)|what time do you|where|address|located"
    r"|parking|park|pay|cards?|cash|polic(?:y|ies)|refunds?|allerg\w+|vegan|vegetarian|gluten|how long|menu)\b"
)
_ANYTHING = re.compile(
    r"\b(?:do you have|have you got|got|is there|are there) (?:any ?thing|something|any (?:time|space|room)s?|space|room)\b"
)
_WHEREABOUTS = re.compile(r"\b(?:where(?:'s| is)|how is|what about|when(?:'s| is| will| does)|is) my\b")
_UNDOING = re.compile(r"\b(cancel|reschedule|postpone|change|move|delete)\b (?:(?:\w+ )?(?:my|the|an?|our) \w+|(?:it|that)\b)")
_ENOUGH = 1.0


@dataclass(frozen=True, slots=True)
class Intent:
    """A tool and how strongly the words point at it; below 1 nothing does."""

    tool: ToolSpec
    score: float


def is_question(text: str) -> bool:
    """Whether a normalised text asks for information rather than for something to be done."""
    return _LOOK.search(text) is not None and re.search(r"\b(?:book|reserve|order)\b", text) is None


def asks_for_facts(text: str) -> bool:
    """Whether a normalised text asks for what stands in the knowledge: prices, hours, the address, policies."""
    return (
        _FACTS.search(text) is not None
        and re.search(r"\b(?:free|available|slots?|book|reserve|my (?:order|appointment|reservation|booking))\b", text) is None
    )


def best_intent(text: str, tools: Sequence[ToolSpec]) -> Intent | None:
    """The tool that a normalised text asks for, when one stands out."""
    heard = {_canonical(word) for word in stems(text)} | ({stem("check")} if _ANYTHING.search(text) else set())
    heard |= {stem("status")} if _WHEREABOUTS.search(text) else set()
    profiles = {tool.name: _profile(tool) for tool in tools}
    common = Counter(word for profile in profiles.values() for word in profile)
    scored = sorted(
        (Intent(tool, _score(text, heard, profiles[tool.name], common, tool)) for tool in tools), key=lambda intent: -intent.score
    )
    return scored[0] if scored and scored[0].score >= _ENOUGH else None


def undoing_without_tool(text: str, tools: Sequence[ToolSpec]) -> str:
    """The verb of a wish to cancel or change something standing, when no tool is named for it; else empty."""
    match = _UNDOING.search(text)
    if match is None or any(_canonical(stem(match[1])) in {_canonical(stem(word)) for word in words_of(tool.name)} for tool in tools):
        return ""
    return match[1]


def _canonical(word: str) -> str:
    return _SYNONYM.get(word, word)


def _profile(tool: ToolSpec) -> dict[str, float]:
    profile: dict[str, float] = {}
    for weight, text in (
        (0.3, " ".join(slot.label for slot in slots_of(tool))),
        (0.5, tool.description),
        (1.5, " ".join(words_of(tool.name))),
    ):
        for word in stems(text):
            profile[_canonical(word)] = weight
    return profile


def _score(text: str, heard: set[str], profile: dict[str, float], common: Counter[str], tool: ToolSpec) -> float:
    overlap = sum(weight / math.sqrt(common[word]) for word, weight in profile.items() if word in heard)
    overlap += sum(1.0 for slot in _all(slots_of(tool)) if slot.choices and find_choices(text, slot.choices))
    if not overlap:
        return 0.0
    asks, wants = is_question(text), _WANT.search(text) is not None
    if tool.effect == "write":
        return overlap + (0.7 if wants else 0.0) - (1.0 if asks and not wants else 0.0)
    return overlap + (0.6 if asks else 0.0) - (0.6 if wants and not asks else 0.0)


def _all(slots: Sequence[Slot]) -> list[Slot]:
    return [*slots, *(part for slot in slots for part in slot.parts)]
