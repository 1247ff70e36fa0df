"""What the bridge tells whoever records the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from media_plane.audio import AudioFrame


class Tape(Protocol):
    """The recording of one call. Times are milliseconds since connection. Whatever becomes of it, it never raises and never waits long."""

    def caller(self, frame: AudioFrame, begin_ms: float) -> None:
        """What the caller's microphone picked up from ``begin_ms`` on."""
        ...

    def agent(self, frame: AudioFrame, begin_ms: float) -> None:
        """What was sent to the caller, to sound from ``begin_ms`` on."""
        ...

    def agent_stopped(self, at_ms: float) -> None:
        """The caller was told to forget what would have sounded from ``at_ms`` on."""
        ...

    def drop(self) -> None:
        """Keep nothing, neither what comes nor what is written already: it is gone a second later."""
        ...

    async def run(self, now_ms: Callable[[], float]) -> None:
        """Write as the call goes; until cancelled."""
        ...

    async def end(self, at_ms: float) -> None:
        """Write the rest of a call that ended at ``at_ms``."""
        ...


class NoTape:
    """Implements ``Tape`` where nothing is recorded."""

    def caller(self, frame: AudioFrame, begin_ms: float) -> None: ...

    def agent(self, frame: AudioFrame, begin_ms: float) -> None: ...

    def agent_stopped(self, at_ms: float) -> None: ...

    def drop(self) -> None: ...

    async def run(self, now_ms: Callable[[], float]) -> None: ...

    async def end(self, at_ms: float) -> None: ...
