"""What the model says while the agent beside it decides: kept for a few seconds, let go whole or forgotten; pure."""

from __future__ import annotations

from collections import deque

from media_plane.engines.duplex.segments import Ended, Piece, Sound, Word


class HeldBack:
    """Words and audio of utterances, in order. Beyond ``longest_ms`` of audio the oldest goes, up to the next word."""

    def __init__(self, longest_ms: float = 6_000.0) -> None:
        self._longest_ms = longest_ms
        self._sounds: deque[Piece | Word | Ended] = deque()
        self.duration_ms = 0.0

    def add(self, sound: Sound) -> None:
        """Keep it."""
        if isinstance(sound, Piece | Word | Ended):
            self._sounds.append(sound)
        if isinstance(sound, Piece):
            self.duration_ms += sound.frame.duration_ms
            if self.duration_ms > self._longest_ms:
                self._trim()

    def forget(self) -> None:
        """Drop everything."""
        self._sounds.clear()
        self.duration_ms = 0.0

    def forget_ended(self) -> None:
        """Drop the utterances that are over; the one going on stays."""
        last = max((i for i, sound in enumerate(self._sounds) if isinstance(sound, Ended)), default=-1)
        for _ in range(last + 1):
            self._drop()

    def take(self) -> list[list[Piece | Word | Ended]]:
        """Everything, utterance by utterance; each but perhaps the last closes with ``Ended``."""
        utterances: list[list[Piece | Word | Ended]] = [[]]
        for sound in self._sounds:
            utterances[-1].append(sound)
            if isinstance(sound, Ended):
                utterances.append([])
        self.forget()
        return [one for one in utterances if any(isinstance(sound, Piece) for sound in one)]

    def _trim(self) -> None:
        while self.duration_ms > self._longest_ms:
            self._drop()
        while self._sounds and not isinstance(self._sounds[0], Word):
            self._drop()

    def _drop(self) -> None:
        sound = self._sounds.popleft()
        if isinstance(sound, Piece):
            self.duration_ms -= sound.frame.duration_ms
