"""Notes from the platform to the agent, written in the place of the caller's words and told apart by their square brackets."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CORRECTION = '[The voice has just told the caller: "'
_TYPED = "[The caller typed this; the voice cannot read it, so answer it yourself.] "
_UNHEARD = "[The voice could not hear or answer this; answer it yourself.] "
_CORRECTION_END = '". No tool has done that. Tell the caller the truth now, and go on with the task.]'


@dataclass(frozen=True, slots=True)
class Note:
    """``claim``: what the caller was told falsely (empty: the note is about something else). ``caller_text``: the caller's own words
    around the note, where several turns are answered as one."""

    claim: str
    caller_text: str


def correction_note(claim: str) -> str:
    """Tells the agent that the voice beside it has claimed what no tool has done."""
    said = re.sub(r"[\[\]\"“”]", "", claim).strip()
    return f"{_CORRECTION}{said}{_CORRECTION_END}"


def typed_note(text: str) -> str:
    """Tells the agent that the caller typed this, which the voice cannot read."""
    return f"{_TYPED}{text}"


def unheard_note(text: str) -> str:
    """Tells the agent that the voice fell out before it answered these words of the caller."""
    return f"{_UNHEARD}{text}"


def read_note(text: str) -> Note | None:
    """The note that a text is; None for words of the caller."""
    for opening in (_TYPED, _UNHEARD):
        if text.startswith(opening):
            return Note("", text.removeprefix(opening).strip())
    before, found, rest = text.partition(_CORRECTION)
    claim, ended, after = rest.partition(_CORRECTION_END)
    return Note(claim, f"{before.strip()} {after.strip()}".strip()) if found and ended else None
