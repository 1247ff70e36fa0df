"""Watches the words of a speech model that has no tools for claims of effects that no tool of this call brought about."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from media_plane.engines.duplex.claim_details import Details, details_of
from media_plane.engines.duplex.claim_phrases import Phrase, find_phrases, settled_until, without_open_stops
from media_plane.engines.duplex.claim_words import Kind
from media_plane.ports.tools import ToolSpec

_TOOL_WORDS: tuple[tuple[Kind, str], ...] = (
    ("cancel", r"cancel\w*|delete|remove|unsubscribe|withdraw|refund"),
    ("change", r"reschedul\w*|move|change|update|modify|edit|switch|shift|postpone|swap|extend|renew"),
    ("create", r"book(?:ing)?|make|create|place|reserv\w+|schedule|order|register|enroll?|sign|add|buy|join|start|open"),
    ("send", r"send|text|sms|e-?mail|forward|notify"),
    ("note", r"note|message|callback|record|log|remember|save|write|report|ticket|complaint|feedback"),
)
_BESIDES: Mapping[Kind, frozenset[Kind]] = {
    "create": frozenset({"create", "change", "note", "done"}),
    "change": frozenset({"change", "create", "cancel", "note", "done"}),
    "cancel": frozenset({"cancel", "change", "done"}),
    "send": frozenset({"send", "note", "done"}),
    "note": frozenset({"note", "done"}),
}
"""What an effect may be called in the turn that brought it about: a new booking in place of an old one is also a move."""
_LATER: Mapping[Kind, frozenset[Kind]] = {kind: frozenset({kind, "done"}) for kind in _BESIDES} | {
    "change": frozenset({"change", "create", "done"}),
}
"""What it still may be called once the caller has spoken on."""
_SENDING = re.compile(r"\b(?:sent|texted|e-?mailed|text message|sms)\b", re.IGNORECASE)
_REFUSAL = re.compile(
    r"\b(?:can ?not|can't|couldn't|unable|sorry|taken|unavailable|not (?:available|possible|found|free)|fully booked|failed|closed)\b",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"\b(?:can|could|would|will) you\b|\bplease\b|\bi(?:'d| would) like\b|\bi (?:want|need)\b"
    r"|\b(?:cancel|move|change|book|send|text|order|add|remove|reschedule|note|tell)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """``text``: the words that claim it. ``kind``: create, cancel, change, send, note, done (what it is goes unsaid), or detail (the effect
    is real, but not with this time, day or price)."""

    text: str
    kind: Kind | Literal["detail"]


@dataclass(frozen=True, slots=True)
class _Success:
    """What a tool brought about. ``asked_for``: the caller has asked for nothing else since."""

    kinds: frozenset[Kind]
    details: Details
    fresh: bool = True


class ClaimWatch:
    """Told what the model says and which tools succeeded, gives each claim that no success covers. Pure; one for a call.

    Args:
        tools: the call's tools. Without write tools every claim is false.
    """

    def __init__(self, tools: tuple[ToolSpec, ...]) -> None:
        self._kinds = {tool.name: kinds_of_tool(tool) for tool in tools if tool.effect == "write"}
        self._successes: list[_Success] = []
        self._item = ""
        self._before = ""
        self._judged: dict[bool, int] = {}
        self._given = False
        self._asked_since = False

    def begins(self, before: str = "") -> None:
        """A new item begins. ``before``: what it may go on with, up to its own first letter; the claim may lie in both together."""
        self._new_item()
        self._before = before

    def heard(self, text_so_far: str, *, final: bool = False) -> Claim | None:
        """The words of the model's present item so far; a text that does not begin with the last one is a new item.

        Gives at most one claim an item, as soon as the words after it leave no doubt (one word, or a mark). ``final``: the item is
        complete, so its last words count as they stand.
        """
        if not text_so_far.startswith(self._item):
            self.begins()
        self._item = text_so_far
        if self._given:
            return None
        claim = self._claim_in(text_so_far, final=final) or self._claim_over_pauses(text_so_far, final=final)
        self._given = claim is not None
        return claim

    def done(self, tool_name: str, output: str, arguments: Mapping[str, Any] | None = None) -> None:
        """A tool has succeeded and said ``output``. Ignored are those that only look up, and an output that is a refusal after all.

        ``arguments`` make the details surer.
        """
        if tool_name not in self._kinds or _refuses(output):
            return
        sent: frozenset[Kind] = frozenset({"send"}) if _SENDING.search(output) else frozenset()
        self._successes.append(
            _Success(self._kinds[tool_name] | sent, details_of(output) | details_of(json.dumps(dict(arguments or {}), default=str)))
        )
        self._asked_since = False

    def refresh(self, caller_text: str = "") -> None:
        """The caller has begun a new turn. With their words, a bare "done" after a new request needs a new success."""
        self._new_item()
        self._successes = [_Success(success.kinds, success.details, fresh=False) for success in self._successes]
        self._asked_since = self._asked_since or _REQUEST.search(caller_text) is not None

    def _new_item(self) -> None:
        self._item, self._judged, self._given = "", {}, False

    def _claim_over_pauses(self, text: str, *, final: bool) -> Claim | None:
        """A claim in the same words where pauses and doubtful stops end no sentence. Either reading may be the wrong one, so both count."""
        whole = without_open_stops(f"{self._before}{text}")
        return self._claim_in(whole, pauses=True, after=len(self._before), final=final) if whole != text else None

    def _claim_in(self, text: str, *, pauses: bool = False, after: int = 0, final: bool) -> Claim | None:
        """The first claim that is not true and whose sentence reaches beyond ``after``."""
        begin = self._judged.get(pauses, 0)  # what lies before holds no claim that is open
        for phrase in find_phrases(text, begin=begin, final=final):
            if phrase.sentence_end > after and (kind := self._fault(phrase, text)) is not None:
                return Claim(" ".join(text[phrase.start : phrase.sentence_end].split()), kind)
        self._judged[pauses] = settled_until(text, begin)
        return None

    def _fault(self, phrase: Phrase, text: str) -> Kind | Literal["detail"] | None:
        """The kind of a claim that is not true; None for one that is."""
        covering = [success for success in self._successes if self._covers(success, phrase)]
        if not covering:
            return phrase.kinds[0]
        truth = Details()
        for success in covering:
            truth |= success.details
        words = text[phrase.start : phrase.sentence_end]
        named = details_of(words if phrase.ended else f"{words.rpartition(' ')[0]} …or")  # the last word may still grow
        return "detail" if named.contradicts(truth) else None

    def _covers(self, success: _Success, phrase: Phrase) -> bool:
        names = _BESIDES if success.fresh else _LATER
        allowed = {name for kind in success.kinds for name in names[kind]}
        if "done" in phrase.kinds and phrase.kinds[0] == "done" and self._asked_since:
            return success.fresh
        return bool(allowed & set(phrase.kinds))


def kinds_of_tool(tool: ToolSpec) -> frozenset[Kind]:
    """Which kinds of effect a write tool brings about, by the words of its name, else of its description; unknown ones: every kind."""
    for text in (re.sub(r"[_-]|(?<=[a-z])(?=[A-Z])", " ", tool.name), tool.description):
        if kinds := frozenset(kind for kind, words in _TOOL_WORDS if re.search(rf"\b(?:{words})s?\b", text, re.IGNORECASE)):
            return kinds
    return frozenset(kind for kind, _ in _TOOL_WORDS)


def _refuses(output: str) -> bool:
    """Whether an output says that nothing was done: a field says so, or words of a refusal without any of success."""
    try:
        value = json.loads(output)
    except ValueError:
        return _REFUSAL.search(output) is not None and not any(find_phrases(output, final=True))
    fields = value if isinstance(value, dict) else {"ok": value}
    return any(fields.get(name) is False for name in ("ok", "success", "booked", "confirmed")) or bool(fields.get("error"))
