"""What the caller gets while a lost session of the model is replaced: a word from our own voice before the silence grows long; pure."""

from __future__ import annotations

from math import inf

_FILLER_AFTER_MS = 800.0
_FILLER_EVERY_MS = 3_500.0


class Gap:
    """The stretch from the loss of a session to the first sound of the next.

    Args:
        fillers: the tenant's phrases, said in turn; none: silence.
    """

    def __init__(self, fillers: tuple[str, ...]) -> None:
        self._fillers = fillers
        self._said = 0
        self._due_ms = inf
        self._until_ms = -inf

    def begins(self, at_ms: float) -> None:
        """The session is lost."""
        self._until_ms = inf
        self._due_ms = at_ms + _FILLER_AFTER_MS

    def ends(self, at_ms: float) -> None:
        """The next one is heard, or there will be none."""
        if self._until_ms == inf:
            self._until_ms = at_ms
            self._due_ms = inf

    def filler(self, at_ms: float, *, quiet: bool) -> str:
        """What our voice says now; mostly nothing. ``quiet``: nobody speaks and nobody is about to."""
        if self._due_ms == inf or not self._fillers:
            return ""
        if not quiet:
            self._due_ms = max(self._due_ms, at_ms + _FILLER_AFTER_MS)
        if at_ms < self._due_ms:
            return ""
        self._due_ms = at_ms + _FILLER_EVERY_MS
        self._said += 1
        return self._fillers[(self._said - 1) % len(self._fillers)]

    def swallowed(self, began_ms: float) -> bool:
        """Whether words that began then, and have only now become known, are unknown to the model that speaks now."""
        return began_ms < self._until_ms
