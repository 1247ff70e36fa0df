"""The sentence that a speech model left unfinished when it fell silent: its next utterance may go on with it; pure."""

from __future__ import annotations

from media_plane.engines.duplex.claim_phrases import unfinished_sentence

_GOES_ON_MS = 6_000.0
"""A model that hesitates goes on by then; what it says later is a new sentence."""
_LONGEST = 300


class Unfinished:
    """Told how each utterance ended, gives what the next one may go on with."""

    def __init__(self) -> None:
        self._text = ""
        self._since_ms = 0.0

    def left(self, at_ms: float, text: str) -> None:
        """The model said this, with what came before it of the sentence, and fell silent."""
        self._text = unfinished_sentence(text)[-_LONGEST:]
        self._since_ms = at_ms

    def take(self, at_ms: float) -> str:
        """It speaks again: what it may go on with, or nothing."""
        text, self._text = self._text, ""
        return text if at_ms - self._since_ms <= _GOES_ON_MS else ""

    def forget(self) -> None:
        """Nobody goes on with it: the caller has had the word, the sentence was taken back, or it is corrected already."""
        self._text = ""
