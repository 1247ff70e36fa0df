"""The model's text pieces become words, and each word waits for the sound it belongs to; pure."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

_MOST_LETTERS = 80
_MOST_WAITING = 64
_SENTENCE_END = re.compile(r"[^\W\d_]{3}[.?!]$")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the model, spoken about where the audio so far ends. ``joins``: nothing lies between it and the word before."""

    text: str
    joins: bool = False

    def after(self, text: str) -> str:
        """A text with this word at its end, as the model's own pieces spell it."""
        return f"{text}{self.text}" if self.joins else f"{text} {self.text}".strip()


@dataclass(slots=True)
class _Word:
    text: str
    joins: bool
    since_ms: float
    piece_ms: float
    sounded: bool = False


class Words:
    """Words in the order in which they came.

    A word is complete when the next one begins, when it ends a sentence, when no piece of it came for ``settle_ms``, or when the model
    falls silent. It is given once sound was heard at or after its first piece; a word that no sound follows within ``patience_ms`` was
    never spoken and is dropped. Only a blank parts words: what still comes of one that was given is a word that ``joins`` it.
    """

    def __init__(self, *, settle_ms: float = 240.0, patience_ms: float = 1_500.0) -> None:
        self._settle_ms = settle_ms
        self._patience_ms = patience_ms
        self._open: _Word | None = None
        self._waiting: deque[_Word] = deque(maxlen=_MOST_WAITING)
        self._parted = True  # a blank came after the last word, or there was none

    def piece(self, at_ms: float, text: str) -> None:
        """Take a piece of text; a blank (or the end of a long run of letters) begins a new word."""
        for part in _parts(text):
            if part.isspace():
                self._complete()
                self._parted = True
            elif self._open is None or len(self._open.text) >= _MOST_LETTERS:
                self._complete()
                self._open = _Word(part[:_MOST_LETTERS], not self._parted, at_ms, at_ms)
                self._parted = False
            else:
                self._open.text += part
                self._open.piece_ms = at_ms
            if self._open is not None and _SENTENCE_END.search(self._open.text):
                self._complete()

    def sound(self) -> None:
        """The model is audible now."""
        for word in self._all():
            word.sounded = True

    def take(self, at_ms: float) -> list[Word]:
        """The words that are complete and have sounded."""
        if self._open is not None and at_ms - self._open.piece_ms >= self._settle_ms:
            self._complete()
        while self._waiting and not self._waiting[0].sounded and at_ms - self._waiting[0].since_ms > self._patience_ms:
            self._waiting.popleft()
        return self._sounded()

    def fall_silent(self, at_ms: float) -> list[Word]:
        """The model's utterance is over: what has sounded is complete; words ahead of their sound wait for the next one."""
        if self._open is not None and self._open.sounded:
            self._complete()
        return self.take(at_ms)

    def forget(self) -> None:
        """Drop everything."""
        self._open = None
        self._parted = True
        self._waiting.clear()

    def _sounded(self) -> list[Word]:
        given: list[Word] = []
        while self._waiting and self._waiting[0].sounded:
            word = self._waiting.popleft()
            given.append(Word(word.text, word.joins))
        return given

    def _complete(self) -> None:
        word, self._open = self._open, None
        if word is not None:
            self._waiting.append(word)

    def _all(self) -> list[_Word]:
        return [*self._waiting, *([self._open] if self._open else [])]


def _parts(text: str) -> list[str]:
    """Runs of blanks and runs of letters, in order."""
    parts: list[str] = []
    for letter in text:
        if parts and parts[-1][-1].isspace() == letter.isspace():
            parts[-1] += letter
        else:
            parts.append(letter)
    return parts
