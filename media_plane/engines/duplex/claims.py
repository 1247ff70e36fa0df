"""Watches the words of a speech model that has no tools for claims of effects that no tool of this call brought about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from media_plane.engines.duplex.claim_phrases import Kind, Phrase, find_phrases
from media_plane.ports import ToolSpec

_TOOL_WORDS: tuple[tuple[Kind, str], ...] = (
    ("cancel", r"cancel\w*|delete|remove|unsubscribe|withdraw"),
    ("change", r"reschedule\w*|move|change|update|modify|edit|switch|shift|postpone|swap|extend"),
    ("create", r"book|make|create|place|reserve|schedule|order|register|enroll?|sign|add|buy|join"),
    ("send", r"send|text|sms|e-?mail|forward|notify"),
    ("note", r"note|message|callback|record|log|remember|save|write|report|ticket"),
)


@dataclass(frozen=True, slots=True)
class Claim:
    """``text``: the words that claim it. ``kind``: create, cancel, change, send, note, done (of what is not said), or detail (the effect
    is real, but not with this time, day or price)."""

    text: str
    kind: Kind | Literal["detail"]


class ClaimWatch:
    """Told what the model says and which tools succeeded, gives each claim that no success covers. Pure, one for a call.

    Args:
        tools: the call's tools. Without write tools every claim is false.
    """

    def __init__(self, tools: tuple[ToolSpec, ...]) -> None:
        self._kinds = {tool.name: kinds_of_tool(tool) for tool in tools if tool.effect == "write"}
        self._covered: set[Kind] = set()
        self._item = ""
        self._given = False

    def heard(self, text_so_far: str, *, final: bool = False) -> Claim | None:
        """The words of the model's present item so far; a text that does not begin with the last one is a new item.

        Gives one claim an item, as soon as the words after it leave no doubt (one word, or the end of the sentence). ``final``: the item
        is complete, so its last words count as they stand.
        """
        if not text_so_far.startswith(self._item):
            self._given = False
        self._item = text_so_far
        if self._given:
            return None
        for phrase in find_phrases(text_so_far, final=final):
            if not self._covers(phrase):
                self._given = True
                return Claim(text_so_far[phrase.start : phrase.sentence_end].strip(), phrase.kinds[0])
        return None

    def done(self, tool_name: str, output: str) -> None:
        """A write tool has succeeded, and said ``output``. Tools that only look up are ignored."""
        self._covered |= self._kinds.get(tool_name, frozenset())

    def refresh(self, caller_text: str = "") -> None:
        """The caller has said something new: the next words are another item."""
        self._item, self._given = "", False

    def _covers(self, phrase: Phrase) -> bool:
        return "done" in phrase.kinds and bool(self._covered) or bool(self._covered & set(phrase.kinds))


def kinds_of_tool(tool: ToolSpec) -> frozenset[Kind]:
    """Which kinds of effect a write tool brings about, by the words of its name, else of its description; unknown ones: every kind."""
    for text in (re.sub(r"[_-]|(?<=[a-z])(?=[A-Z])", " ", tool.name), tool.description):
        if kinds := frozenset(kind for kind, words in _TOOL_WORDS if re.search(rf"\b(?:{words})s?\b", text, re.IGNORECASE)):
            return kinds
    return frozenset(kind for kind, _ in _TOOL_WORDS)
