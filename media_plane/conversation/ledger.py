"""The turns of a call, numbered in the order in which they became certain."""

from __future__ import annotations

from media_plane.conversation.commands import Note
from nexus.domain.session import Party, Turn, TurnNoted


class TurnLedger:
    """Gives out turn numbers and keeps the newest form of each turn."""

    def __init__(self) -> None:
        self._turns: dict[int, Turn] = {}
        self._next = 0

    @property
    def next_index(self) -> int:
        """The number that the next turn will get."""
        return self._next

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Every turn noted so far, in order."""
        return tuple(turn for _, turn in sorted(self._turns.items()))

    def take_index(self) -> int:
        """Reserve the next number."""
        self._next += 1
        return self._next - 1

    def note(self, turn: Turn) -> Note:
        """Keep the turn, and give the command that journals it."""
        self._turns[turn.i] = turn
        return Note(TurnNoted(turn=turn))

    def talk_ms(self, role: Party) -> float:
        """How long the party was heard in all."""
        return round(sum(turn.heard_ms for turn in self._turns.values() if turn.role == role), 1)
