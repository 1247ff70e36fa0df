"""What the model does with each frame, and the two minds that need neither ear nor voice: silence and echo."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from local.sidecar.dump import Samples
from local.sidecar.options import FRAME_SAMPLES

ECHO_PIECES = (" I", " say", " what", " you", " say", ",", " one", " fr", "ame", " later", ".")
_ECHO_EVERY_FRAMES = 3


@dataclass(frozen=True, slots=True)
class Step:
    """One frame of the model's voice, 1920 samples, and the text piece that belongs to it (mostly none)."""

    sound: Samples
    piece: str = ""


class Mind(Protocol):
    """One session's model. ``prepare`` once, in the set-up; then ``step`` for each frame while ``live`` runs beside."""

    async def prepare(self) -> None:
        """Whatever must be ready at the handshake."""
        ...

    async def live(self) -> None:
        """Work beside the steps; never returns, is cancelled at the end."""
        ...

    def step(self, frame: Samples) -> Step:
        """Hear 80 ms, say 80 ms."""
        ...


def silence() -> Samples:
    """A frame of nothing."""
    return np.zeros(FRAME_SAMPLES, dtype=np.float32)


class SilentMind:
    """Says nothing, frame by frame."""

    async def prepare(self) -> None:
        """Nothing."""

    async def live(self) -> None:
        """Nothing, for ever."""
        await asyncio.Event().wait()

    def step(self, frame: Samples) -> Step:
        """See ``Mind.step``."""
        return Step(silence())


class EchoMind:
    """Says what it heard one frame before; a text piece with every third frame until there are no more."""

    def __init__(self, pieces: Sequence[str] = ()) -> None:
        self._pieces = list(pieces or ECHO_PIECES)
        self._before = silence()
        self._frames = 0

    async def prepare(self) -> None:
        """Nothing."""

    async def live(self) -> None:
        """Nothing, for ever."""
        await asyncio.Event().wait()

    def step(self, frame: Samples) -> Step:
        """See ``Mind.step``."""
        self._frames += 1
        sound, self._before = self._before, frame
        has_piece = self._frames % _ECHO_EVERY_FRAMES == 0 and bool(self._pieces)
        return Step(sound, self._pieces.pop(0) if has_piece else "")
