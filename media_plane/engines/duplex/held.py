"""What the model says while the agent beside it decides: kept for a few seconds, let go whole or forgotten; pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from media_plane.engines.duplex.segments import Ended, Piece, Word


@dataclass(slots=True)
class _Utterance:
    """One utterance, or what is left of it."""

    began_ms: float
    sounds: deque[Piece | Word | Ended] = field(default_factory=deque)
    duration_ms: float = 0.0

    @property
    def ended(self) -> bool:
        return bool(self.sounds) and isinstance(self.sounds[-1], Ended)

    def drop_first(self) -> None:
        sound = self.sounds.popleft()
        if isinstance(sound, Piece):
            self.duration_ms -= sound.frame.duration_ms


class HeldBack:
    """Words and audio of utterances, in order. Beyond ``longest_ms`` of audio the oldest goes, up to the next word."""

    def __init__(self, longest_ms: float = 6_000.0) -> None:
        self._longest_ms = longest_ms
        self._utterances: deque[_Utterance] = deque()

    @property
    def duration_ms(self) -> float:
        """How much is kept."""
        return sum(one.duration_ms for one in self._utterances)

    @property
    def going_on(self) -> bool:
        """Whether the last utterance may still go on."""
        return bool(self._utterances) and not self._utterances[-1].ended

    def begin(self, at_ms: float) -> None:
        """An utterance begins."""
        self._utterances.append(_Utterance(at_ms))

    def add(self, sound: Piece | Word | Ended) -> None:
        """It goes on, or ends."""
        if not self._utterances:
            return
        self._utterances[-1].sounds.append(sound)
        if isinstance(sound, Piece):
            self._utterances[-1].duration_ms += sound.frame.duration_ms
            self._trim()

    def forget(self) -> None:
        """Drop everything."""
        self._utterances.clear()

    def forget_before(self, at_ms: float) -> None:
        """Drop what began before."""
        self._utterances = deque(one for one in self._utterances if one.began_ms >= at_ms)

    def forget_ended_since(self, at_ms: float) -> None:
        """Drop what both began and ended since."""
        self._utterances = deque(one for one in self._utterances if one.began_ms < at_ms or not one.ended)

    def take(self) -> list[list[Piece | Word | Ended]]:
        """Everything, utterance by utterance; each but perhaps the last closes with ``Ended``."""
        taken = [list(one.sounds) for one in self._utterances if one.duration_ms > 0]
        self.forget()
        return taken

    def _trim(self) -> None:
        over_ms = self.duration_ms - self._longest_ms
        while over_ms > 0 and len(self._utterances) > 1:
            over_ms -= self._utterances.popleft().duration_ms
        if over_ms > 0:
            self._trim_words(self._utterances[0])

    def _trim_words(self, only: _Utterance) -> None:
        while only.duration_ms > self._longest_ms:
            only.drop_first()
        while only.sounds and not isinstance(only.sounds[0], Word):
            only.drop_first()
