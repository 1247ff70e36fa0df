"""The turns of a call: numbered in the order in which they became certain, shown in the order of time."""

from __future__ import annotations

from collections.abc import Iterable

from media_plane.conversation.commands import Note
from nexus.domain.journal import TurnNoted
from nexus.domain.session import Party, Turn


def in_order_of_time(turns: Iterable[Turn]) -> dict[int, Turn]:
    """The turns by their beginning, numbered anew in that order; the keys are the numbers that they had.

    A full-duplex model answers before the caller's words are transcribed, so the order in which turns become certain is not theirs.
    """
    ordered = sorted(turns, key=lambda turn: (turn.start_ms, turn.i))
    return {turn.i: turn.model_copy(update={"i": i}) for i, turn in enumerate(ordered)}


class TurnLedger:
    """Gives out turn numbers and keeps the newest form of each turn."""

    def __init__(self) -> None:
        self._turns: dict[int, Turn] = {}
        self._next = 0
        self._asked: int | None = None

    @property
    def asked_index(self) -> int:
        """The number of the caller's turn that is being answered; of the newest turn while the caller has said nothing."""
        return max(0, self._next - 1) if self._asked is None else self._asked

    @property
    def caller_has_spoken(self) -> bool:
        """Whether the caller has said anything that was more than "go on"."""
        return self._asked is not None

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Every turn noted so far, in the order of time."""
        return tuple(in_order_of_time(self._turns.values()).values())

    def take_index(self) -> int:
        """Reserve the next number."""
        self._next += 1
        return self._next - 1

    def note(self, turn: Turn) -> Note:
        """Keep the turn, and give the command that journals it."""
        self._turns[turn.i] = turn
        if turn.role == "caller" and not turn.backchannel:
            self._asked = turn.i
        return Note(TurnNoted(turn=turn))

    def talk_ms(self, role: Party) -> float:
        """How long the party was heard in all."""
        return round(sum(turn.heard_ms for turn in self._turns.values() if turn.role == role), 1)
