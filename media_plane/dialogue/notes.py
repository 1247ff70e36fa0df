"""Notes from the platform to the agent, written in the place of the caller's words and told apart by their square brackets."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NOTE = re.compile(r"\s*\[([^\[\]]{20,})\]\s*(.*)", re.DOTALL)
_QUOTED = re.compile(r"[\"“](.*)[\"”]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Note:
    """``claim``: what the caller was told falsely (empty: the note is about something else). ``caller_text``: the caller's own words
    behind the note, which the voice beside could not hear."""

    claim: str
    caller_text: str


def correction_note(claim: str) -> str:
    """Tells the agent that the voice beside it has claimed what no tool has done."""
    said = re.sub(r"[\[\]\"“”]", "", claim).strip()
    return f'[The voice has just told the caller: "{said}". No tool has done that. Tell the caller the truth now, and go on with the task.]'


def typed_note(text: str) -> str:
    """Tells the agent that the caller typed this, which the voice cannot read."""
    return f"[The caller typed this; the voice cannot read it, so answer it yourself.] {text}"


def read_note(text: str) -> Note | None:
    """The note that a text is; None for words of the caller."""
    found = _NOTE.fullmatch(text)
    if found is None:
        return None
    quoted = _QUOTED.search(found[1])
    return Note("" if found[2].strip() else (quoted[1] if quoted else found[1]).strip(), found[2].strip())
