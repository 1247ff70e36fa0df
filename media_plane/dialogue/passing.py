"""The word by which a model that stands beside a voice passes, kept out of what is spoken."""

from __future__ import annotations

import re

from media_plane.dialogue.notes import read_note
from media_plane.ports.chat import AgentSaid, CallerSaid, ChatRequest

PASSING = "PASS"
_MARKS = r"[\s\"'“”‘’*_`().,!:;\[\]-]*"
_GROWING = re.compile(rf"{_MARKS}(?:p(?:a(?:s(?:s{_MARKS})?)?)?)?", re.IGNORECASE)
_ALONE = re.compile(rf"{_MARKS}pass{_MARKS}", re.IGNORECASE)
_FIRST = re.compile(rf"{_MARKS}{PASSING}\b(?!['’])")
_TAIL = re.compile(rf"(?:^|(?<=[\s*\"'(\[]))[*_`\"'(\[]*(?:P|PA|PAS|{PASSING}{_MARKS})$")


def may_pass(request: ChatRequest) -> bool:
    """Whether an answer without words and tools is a pass: beside a voice, to the caller's own words, not to a tool or to a note."""
    last = next((message for message in reversed(request.messages) if not isinstance(message, AgentSaid)), None)
    return request.beside and isinstance(last, CallerSaid) and read_note(last.text) is None


class PassFilter:
    """Fed with the pieces of one answer, gives what is to be spoken of them: nothing when the answer is, or begins with, the word alone."""

    def __init__(self) -> None:
        self._pending = ""
        self._begun = False
        self._passed = False

    def feed(self, text: str) -> str:
        """What can be spoken with this piece."""
        self._pending += text
        if not self._begun:
            if _GROWING.fullmatch(self._pending):
                return ""
            self._begun, self._passed = True, _FIRST.match(self._pending) is not None
        if self._passed:
            self._pending = ""
            return ""
        tail = _TAIL.search(self._pending)
        end = tail.start() if tail else len(self._pending)
        given, self._pending = self._pending[:end], self._pending[end:]
        return given

    def flush(self) -> str:
        """What is left at the end."""
        rest, self._pending = self._pending, ""
        return "" if self._passed or _ALONE.fullmatch(rest) or (not self._begun and not rest.strip()) else rest
