"""When the caller talks and when a turn of theirs is over: level and pauses only, pure."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from local.sidecar.dump import Samples

TALK_DBFS = -45.0
_BEGIN_FRAMES = 2
_END_FRAMES = 7
_BEFORE_FRAMES = 3
_LONGEST_FRAMES = 250


@dataclass(frozen=True, slots=True)
class Heard:
    """``began``: the caller has just begun to talk. ``turn``: what they said, when they have just ended (24 kHz)."""

    began: bool = False
    turn: Samples | None = None


class Turns:
    """Two loud frames (160 ms) begin a turn, seven quiet ones (560 ms) end it; 20 s end it too."""

    def __init__(self) -> None:
        self._before: deque[Samples] = deque(maxlen=_BEFORE_FRAMES)
        self._turn: list[Samples] = []
        self._loud = self._quiet = 0

    @property
    def talking(self) -> bool:
        """Whether a turn is open."""
        return bool(self._turn)

    def hear(self, frame: Samples) -> Heard:
        """Take one frame of 80 ms."""
        is_loud = level_dbfs(frame) > TALK_DBFS
        self._loud = self._loud + 1 if is_loud else 0
        self._quiet = 0 if is_loud else self._quiet + 1
        if self.talking:
            return self._in_turn(frame)
        self._before.append(frame)
        if self._loud < _BEGIN_FRAMES:
            return Heard()
        self._turn = list(self._before)
        return Heard(began=True)

    def _in_turn(self, frame: Samples) -> Heard:
        self._turn.append(frame)
        if self._quiet < _END_FRAMES and len(self._turn) < _LONGEST_FRAMES:
            return Heard()
        said, self._turn = np.concatenate(self._turn), []
        self._before.clear()
        return Heard(turn=said)


def level_dbfs(samples: Samples) -> float:
    """RMS level of samples in -1..1; -120 for nothing at all."""
    rms = math.sqrt(float(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
    return 20.0 * math.log10(rms) if rms > 1e-6 else -120.0
