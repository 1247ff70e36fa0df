"""The text prompt of a session: persona, moment, facts, words and knowledge, cut to what the request line holds. Pure.

The prompt is one line of prose, as the model was trained on. Its persona block has the same bytes in every generation of a call: that
is what keeps the agent the same person when the call moves to a fresh session.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from media_plane.engines.personaplex.wire import encoded_bytes
from media_plane.ports.speech_line import ModelBrief, Said
from nexus.domain.knowledge import knowledge_text
from nexus.domain.tenant import TenantConfig

_TAG = re.compile(r"<\s*/?\s*system\s*/?\s*>", re.IGNORECASE)
"""The server itself wraps the prompt in this tag, and takes a prompt that has it already as it is."""
_TAG_PASSES = 8
"""Each takes one more level of tags inside tags; every pass reads the whole text."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*(?=\s|$)")
_MEMORY_SHARE = 0.2
"""Of the whole prompt, kept free of the persona: a session that takes over in the middle must know what was said."""
_GREETING_SHARE = 0.25
"""Of the whole prompt: the greeting is quoted no further."""
_WORDS_SHARE = 0.6
"""Of what facts leave: the newest words take no more while knowledge needs the rest."""

_HANDS = (
    "You cannot book, change, cancel, order or send anything yourself: a colleague does that and then speaks. "
    "Never say that something was booked, changed, cancelled, ordered, paid or sent."
)
_NO_HANDS = (
    "You cannot book, change, cancel, order or send anything, and nobody does it during this call. Never say that it was or will be done."
)
_CALLER_FIRST = "The caller speaks first: wait, then answer."
_GREETED = "The caller has just heard your greeting: {greeting} Do not greet again; wait for the caller, then answer."
_NOW = "It is now {now:%A}, {now.day} {now:%B %Y}, {now:%H:%M}."
_LONGEST_NOW = datetime(2026, 9, 30, 23, 59)
"""A Wednesday in September: room for the longest date is kept, so that no day changes the persona."""
_UNDER_WAY = "The call is under way: do not greet again, go on from where you are, and let the caller speak first."
_FACTS = "What is certain so far:"
_WORDS = "The latest words:"
_KNOWLEDGE = "Information:"
_MORE = "For anything else, say that you will find out."


@dataclass(frozen=True, slots=True)
class Prompt:
    """The text, never empty and never above the limit; ``persona_cut`` tells that the persona did not fit whole."""

    text: str
    persona_cut: bool = False


def compose(brief: ModelBrief, limit_bytes: int) -> Prompt:
    """The prompt of a brief, at most ``limit_bytes`` when percent-encoded.

    What does not fit is left out in this order: knowledge from its end, the oldest words, the oldest facts, the end of the persona.
    """
    persona, cut = _persona(brief.config, limit_bytes)
    blocks = [persona, _moment(brief, limit_bytes)]
    room = limit_bytes - _size(blocks)
    facts = _newest(map(_clean, brief.facts), room - _size([_FACTS]))
    if facts:
        blocks.append(f"{_FACTS} {' '.join(facts)}")
        room = limit_bytes - _size(blocks)
    knowledge = _knowledge_lines(brief.config)
    words = _newest(map(_spoken, brief.said), _words_room(room, knowledge) - _size([_WORDS]))
    if words:
        blocks.append(f"{_WORDS} {' '.join(words)}")
        room = limit_bytes - _size(blocks)
    blocks += _knowledge(knowledge, room)
    return Prompt(" ".join(blocks), cut)


def persona(config: TenantConfig, limit_bytes: int) -> str:
    """The block that opens every prompt of this configuration, the same in every generation."""
    return _persona(config, limit_bytes)[0]


# --- persona -----------------------------------------------------------------------------------------------------------------


def _persona(config: TenantConfig, limit_bytes: int) -> tuple[str, bool]:
    rules = _HANDS if config.enabled_tools else _NO_HANDS
    longest_moment = max((_greeted(config, limit_bytes), _UNDER_WAY), key=encoded_bytes)
    room = int(limit_bytes * (1.0 - _MEMORY_SHARE)) - _size([rules, longest_moment, _NOW.format(now=_LONGEST_NOW)])
    whole = _clean(config.system_prompt)
    kept = _whole_sentences(whole, room)
    return " ".join(part for part in (kept, rules) if part), kept != whole


def _whole_sentences(text: str, room_bytes: int) -> str:
    """The text up to the last sentence that fits; where not even the first does, up to its last word that fits."""
    if encoded_bytes(text) <= room_bytes:
        return text
    ends = [found.end() for found in _SENTENCE_END.finditer(text, 0, max(0, room_bytes) + 1)]  # a character takes a byte at least
    fitting = [end for end in ends if encoded_bytes(text[:end]) <= room_bytes]
    if fitting:
        return text[: fitting[-1]]
    kept = ""
    for word in text.split(" "):
        longer = f"{kept} {word}".strip()
        if encoded_bytes(longer) > room_bytes:
            break
        kept = longer
    return kept


def _moment(brief: ModelBrief, limit_bytes: int) -> str:
    moment = _UNDER_WAY if brief.generation > 1 or brief.said else _greeted(brief.config, limit_bytes)
    return moment if brief.now is None else f"{_NOW.format(now=brief.now)} {moment}"


def _greeted(config: TenantConfig, limit_bytes: int) -> str:
    """What the platform's own voice has said before the model listens: the consent line and the greeting."""
    consent = config.recording.consent_line if config.recording.enabled else ""
    greeting = config.greeting if config.first_speaker == "agent" else ""
    said = _whole_sentences(_clean(f"{consent} {greeting}"), int(limit_bytes * _GREETING_SHARE))
    return _GREETED.format(greeting=f'"{said}"') if said else _CALLER_FIRST


# --- memory ------------------------------------------------------------------------------------------------------------------


def _spoken(said: Said) -> str:
    text = _clean(said.text)
    return f'{"Caller" if said.role == "caller" else "You"}: "{text}"' if text else ""


def _newest(lines: Iterable[str], room_bytes: int) -> list[str]:
    """As many of the last lines as fit, each whole, in their order."""
    kept: list[str] = []
    for line in reversed([line for line in lines if line]):
        room_bytes -= encoded_bytes(line) + 1
        if room_bytes < 0:
            break
        kept.append(line)
    return kept[::-1]


def _words_room(room_bytes: int, knowledge: Sequence[str]) -> int:
    """Words go before knowledge, but do not push all of it out: then the agent would know what was said and not what to answer."""
    needed = _size([_KNOWLEDGE, *knowledge]) if knowledge else 0
    return max(room_bytes - needed, int(room_bytes * _WORDS_SHARE))


# --- knowledge ---------------------------------------------------------------------------------------------------------------


def _knowledge_lines(config: TenantConfig) -> list[str]:
    """The knowledge as phrases of one line of prose: ``hours: monday: closed;``."""
    if config.knowledge_base in (None, "", [], {}):
        return []
    text = knowledge_text(config.knowledge_base)
    if len(text) > (limit := config.limits.knowledge_chars):
        text = text[:limit].rpartition("\n")[0]
    lines = [_clean(line).removeprefix("- ") for line in text.splitlines()]
    return [line if line.endswith((":", ".", "!", "?")) else f"{line};" for line in lines if line]


def _knowledge(lines: Sequence[str], room_bytes: int) -> list[str]:
    if not lines or _size([_KNOWLEDGE, *lines]) <= room_bytes:
        return [_KNOWLEDGE, *lines] if lines else []
    room_bytes -= _size([_KNOWLEDGE, _MORE])
    kept: list[str] = []
    for line in lines:
        room_bytes -= encoded_bytes(line) + 1
        if room_bytes < 0:
            break
        kept.append(line)
    while kept and kept[-1].endswith(":"):
        kept.pop()  # a title with nothing under it
    if not kept and (start := _whole_sentences(lines[0], room_bytes + encoded_bytes(lines[0]))):
        kept = [start]
    return [_KNOWLEDGE, *kept, _MORE] if kept else []


# --- text --------------------------------------------------------------------------------------------------------------------


def _clean(text: str) -> str:
    """One line without control characters and without the server's tags, however they are nested."""
    text = " ".join(_CONTROL.sub(" ", text).split())  # first: long runs of blanks are slow to search for tags
    for _ in range(_TAG_PASSES):
        if (bare := _TAG.sub("", text)) == text:
            return text
        text = " ".join(bare.split())
    return text.replace("<", "")  # nested so deep that somebody tries: without the character there is no tag


def _size(blocks: Iterable[str]) -> int:
    """Bytes of blocks joined by a space, with one before: room for them after what is there."""
    return sum(encoded_bytes(block) + 1 for block in blocks)
