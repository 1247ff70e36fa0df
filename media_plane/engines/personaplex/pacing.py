"""How fast caller audio goes to a model that is clocked by it, and when the model has fallen behind. Pure: times are given as ``at_ms``.

The model steps once for every 80 ms it is given and says nothing otherwise, so time on its line is what it was given: too much at once is
heard (and answered) ahead of time, too little stops it, and a slow machine keeps whatever it is given in a queue without end.
"""

from __future__ import annotations

from dataclasses import dataclass

from media_plane.ports.speech_line import LineLost

OWES_MS = 240.0
"""Three frames: a model that owes no more than this keeps up."""
_TRIM_MS = 160.0
"""Silence is left out while the input stands so far ahead of the clock: what a burst has left would delay every answer."""


@dataclass(frozen=True, slots=True)
class PacingSettings:
    """Limits of a line's clock, milliseconds of audio."""

    ahead_ms: float = 400.0
    """Audio that comes while the input stands so far ahead of the wall clock is dropped."""
    gap_ms: float = 400.0
    """When nothing has come for so long, silence stands in."""
    hold_ms: float = 640.0
    """A model that owes more than this gets no silence of the caller until it has caught up."""
    lag_limit_ms: float = 3_000.0
    """A model that owes more than this for ``lag_patience_ms`` is given up."""
    lag_patience_ms: float = 2_000.0
    mute_ms: float = 5_000.0
    """A model that owes something and gives nothing for so long is given up."""


class InputClock:
    """Compares the audio given with the wall clock, from the first audio on."""

    def __init__(self, limits: PacingSettings) -> None:
        self._limits = limits
        self._start_ms: float | None = None
        self._given_ms = 0.0

    @property
    def running(self) -> bool:
        """Whether anything was given yet."""
        return self._start_ms is not None

    def ahead_ms(self, at_ms: float) -> float:
        """How far the audio stands ahead of the clock; negative: behind. 0 before the first audio."""
        return 0.0 if self._start_ms is None else self._given_ms - (at_ms - self._start_ms)

    def admits(self, at_ms: float, *, quiet: bool) -> bool:
        """Whether audio that has come now is to be taken. Silence is not, while the input stands ahead."""
        return self.ahead_ms(at_ms) < (_TRIM_MS if quiet else self._limits.ahead_ms)

    def give(self, duration_ms: float, at_ms: float) -> None:
        """Count audio that was taken. The first is dated by its end: it was recorded before it came."""
        if self._start_ms is None:
            self._start_ms = at_ms - duration_ms
        self._given_ms += duration_ms

    def missing_ms(self, at_ms: float) -> float:
        """How much silence must stand in now; 0 before the first audio."""
        return max(0.0, -self.ahead_ms(at_ms) - self._limits.gap_ms)


class Debt:
    """What the model owes: audio that it was sent and has not answered with its own."""

    def __init__(self, limits: PacingSettings) -> None:
        self._limits = limits
        self._owing_since_ms: float | None = None
        self._late_since_ms: float | None = None
        self.sent_ms = 0.0
        self.received_ms = 0.0
        self.holding = False
        """True from the moment the model owes ``hold_ms`` until it has caught up: silence is not sent."""

    @property
    def owed_ms(self) -> float:
        """Sent and not yet answered. A model that gave more than it got owes nothing."""
        return max(0.0, self.sent_ms - self.received_ms)

    def send(self, duration_ms: float, at_ms: float) -> None:
        """Count audio on its way to the model; a negative duration takes back what was never sent."""
        self.sent_ms += duration_ms
        self._judge(at_ms)

    def receive(self, duration_ms: float, at_ms: float) -> None:
        """Count decoded audio of the model."""
        self.received_ms = min(self.received_ms + duration_ms, self.sent_ms)
        self._owing_since_ms = None
        self._judge(at_ms)

    def verdict(self, at_ms: float) -> LineLost | None:
        """Why the line is to be given up now, if so."""
        if self._since(self._owing_since_ms, at_ms) > self._limits.mute_ms:
            return LineLost("engine_mute", "The model was given audio and gave none back; look at the server's log and its GPU.")
        if self._since(self._late_since_ms, at_ms) > self._limits.lag_patience_ms:
            return LineLost(
                "engine_lagging", f"The model is {self.owed_ms / 1000:.1f} s behind the caller; it needs a faster GPU or one for itself."
            )
        return None

    def _judge(self, at_ms: float) -> None:
        owed_ms = self.owed_ms
        self.holding = owed_ms > (OWES_MS if self.holding else self._limits.hold_ms)
        if owed_ms <= OWES_MS:
            self._owing_since_ms = None
        elif self._owing_since_ms is None:
            self._owing_since_ms = at_ms
        if owed_ms <= self._limits.lag_limit_ms:
            self._late_since_ms = None
        elif self._late_since_ms is None:
            self._late_since_ms = at_ms

    def _since(self, moment_ms: float | None, at_ms: float) -> float:
        return 0.0 if moment_ms is None else at_ms - moment_ms
