"""Cuts streamed text into pieces that can be spoken, as early as that sounds natural."""

from __future__ import annotations

import re
from collections.abc import Iterator

FIRST_CLAUSE_CHARS = 25
"""The first piece of an answer may end at a comma once it is this long: speech starts earlier."""
LONGEST_PIECE_CHARS = 280
"""A piece is cut at a blank at the latest here."""

_ABBREVIATION_WORDS = (
    "mr mrs ms dr prof st ave rd blvd apt vs etc approx inc ltd co dept mon tue thu fri jan feb aug sept oct nov dec e.g i.e a.m p.m u.s"
)
_ABBREVIATIONS = frozenset(_ABBREVIATION_WORDS.split())
_MAY_END = frozenset({"a.m", "p.m", "u.s", "etc", "inc", "ltd", "co"})
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)|\n+")
_CLAUSE_END = re.compile(r"[,;:](?=\s)|\s[–—-](?=\s)")
_LAST_WORD = re.compile(r"([\w.]+)$")


class SentenceSplitter:
    """Fed with pieces of a stream, gives sentences as soon as each is certainly complete.

    Abbreviations, decimals, times ("10:30", "10.30") and "a.m." do not end a sentence. The pieces, joined, are the text that was fed,
    up to white space. One splitter serves one answer.
    """

    def __init__(self) -> None:
        self._pending = ""
        self._first = True

    def feed(self, text: str) -> list[str]:
        """The pieces that are complete with this text."""
        self._pending += text
        return list(self._complete())

    def flush(self) -> list[str]:
        """What is left, at the end of the stream."""
        rest, self._pending = self._pending.strip(), ""
        return [rest] if rest else []

    def _complete(self) -> Iterator[str]:
        while (end := self._border()) is not None:
            piece, self._pending = self._pending[:end].strip(), self._pending[end:]
            if piece:
                self._first = False
                yield piece

    def _border(self) -> int | None:
        for found in _SENTENCE_END.finditer(self._pending):
            if _ends_sentence(self._pending, found):
                return self._earlier_clause(found.end())
        clause = self._earlier_clause(None)
        if clause is None and len(self._pending) > LONGEST_PIECE_CHARS:
            blank = self._pending.rfind(" ", 1, LONGEST_PIECE_CHARS)
            return blank if blank > 0 and self._pending[:blank].strip() else None
        return clause

    def _earlier_clause(self, sentence_end: int | None) -> int | None:
        """A clause border before ``sentence_end`` when this is the first piece and both halves are worth it; else ``sentence_end``."""
        if not self._first:
            return sentence_end
        for found in _CLAUSE_END.finditer(self._pending):
            if found.end() < FIRST_CLAUSE_CHARS:
                continue
            if sentence_end is not None and sentence_end - found.end() < FIRST_CLAUSE_CHARS:
                break
            return found.end()
        return sentence_end


def _ends_sentence(text: str, mark: re.Match[str]) -> bool:
    """Whether the mark found ends a sentence, and not an abbreviation or an initial."""
    if not mark.group().startswith(".") or mark.group().startswith(".."):
        return True
    before = _LAST_WORD.search(text[: mark.start()])
    word = before.group(1).lower() if before else ""
    following = text[mark.end() :].lstrip()
    if word in _ABBREVIATIONS:
        # "at 10 a.m. Shall I" ends a sentence, "10 a.m. on Friday" and "St. Mary" do not; what follows decides.
        return word in _MAY_END and following[:1].isupper()
    return not (len(word) == 1 and word.isalpha() and word != "i")
