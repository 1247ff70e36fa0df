"""Which words of an item the caller has heard: text laid along the item's audio."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class SpokenItem:
    """One answer of the agent: its sentences, and where each begins in its audio (milliseconds).

    A word counts as heard once half of it was; inside a sentence time is shared among the words by their letters, since voices give
    no word times.
    """

    item_id: str
    audio_ms: float = 0.0
    heard_ms: float = 0.0
    ended: bool = False
    began_at_ms: float | None = None
    turn: int | None = None
    live: bool = False
    first_text_ms: float | None = None
    first_audio_ms: float | None = None
    _sentences: list[tuple[float, str]] = field(default_factory=list)

    def add_text(self, text: str, *, joins: bool = False) -> None:
        """The text is spoken from the end of the audio so far. ``joins``: it is the rest of the last word given, and belongs there."""
        if joins and self._sentences:
            begin_ms, before = self._sentences.pop()
            self._sentences.append((begin_ms, f"{before}{text}"))
        else:
            self._sentences.append((self.audio_ms, text))

    def add_audio(self, duration_ms: float) -> None:
        self.audio_ms += duration_ms

    @property
    def text(self) -> str:
        """Everything the item says."""
        return _join(text for _, text in self._sentences)

    def heard_text(self) -> str:
        """The words heard within ``heard_ms``."""
        return _join(_heard_part(text, begin, end, self.heard_ms) for begin, end, text in self._spans())

    def unheard_text(self) -> str:
        """What is left to say: the first sentence not wholly heard, from its beginning, and all after it."""
        return _join(text for _, end, text in self._spans() if end > self.heard_ms)

    def sentences_heard(self) -> int:
        """How many sentences were wholly heard."""
        return sum(1 for _, end, _ in self._spans() if end <= self.heard_ms)

    def _spans(self) -> list[tuple[float, float, str]]:
        begins = [begin for begin, _ in self._sentences]
        ends = [*begins, self.audio_ms][1:]  # none where there is audio without words
        return [(begin, end, text) for (begin, text), end in zip(self._sentences, ends, strict=True)]


def _join(parts: Iterable[str]) -> str:
    return " ".join(part.strip() for part in parts if part.strip())


def _heard_part(text: str, begin_ms: float, end_ms: float, heard_ms: float) -> str:
    if end_ms <= heard_ms:
        return text
    if begin_ms >= heard_ms:
        return ""
    words = text.split()
    letters = sum(len(word) + 1 for word in words)
    ms_per_letter = (end_ms - begin_ms) / max(1, letters)
    heard: list[str] = []
    at_ms = begin_ms
    for word in words:
        length_ms = (len(word) + 1) * ms_per_letter
        if at_ms + length_ms / 2 > heard_ms:
            break
        heard.append(word)
        at_ms += length_ms
    return " ".join(heard)
