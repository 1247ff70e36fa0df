"""What the duplex engine asks of its line to a speech model, whichever session of the model speaks on it at the moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from media_plane.conversation.commands import CallerAudio
from media_plane.ports.speech_line import LineEvent, ModelBrief

BriefMaker = Callable[[int], ModelBrief]
"""What the model must be told, by generation: everything that is known at the moment it is asked."""


class ModelLine(Protocol):
    """One call's line to a full-duplex model.

    Order: ``open`` once, then the rest side by side, ``close`` once (always, also after a failed ``open``).
    """

    async def open(self, brief: BriefMaker) -> None:
        """Connect; the brief is asked again for every later session of the model.

        Raises:
            UpstreamError: ``engine_unreachable``.
            QuotaExceeded: ``no_engine_slot``.
        """
        ...

    def send(self, audio: CallerAudio) -> None:
        """Take caller audio, silence included; never waits."""
        ...

    def busy(self, is_busy: bool) -> None:
        """Whether anybody speaks or works just now: the call does not move to another session meanwhile."""
        ...

    def refresh(self) -> None:
        """There are new facts the model should be told: move to a fresh session when that costs nobody anything."""
        ...

    def events(self) -> AsyncIterator[LineEvent]:
        """What the model gives, until ``close`` or a ``LineLost``."""
        ...

    async def close(self) -> None:
        """Let go of the model; again is silent."""
        ...
