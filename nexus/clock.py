"""Time as a port, with a speed factor for tests.

Everything that waits asks a ``Clock``; a ``Clock(speed=10)`` lets a whole call pass ten times as fast, with the same order of
events.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as it is written everywhere: answers, webhooks, logs."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Clock:
    """Real time, or real time times ``speed``.

    ``now`` is UTC-aware wall time, ``monotonic_ms`` never steps back; both run ``speed`` times as fast as the machine's clock from
    the moment the value is made.
    """

    speed: float = 1.0
    _wall: datetime = field(default_factory=lambda: datetime.now(UTC))
    _mono: float = field(default_factory=time.monotonic)

    def monotonic_ms(self) -> float:
        """Milliseconds since this clock was made."""
        return (time.monotonic() - self._mono) * 1000.0 * self.speed

    def now(self) -> datetime:
        """UTC-aware wall time."""
        if self.speed == 1.0:
            return datetime.now(UTC)
        return self._wall + timedelta(milliseconds=self.monotonic_ms())

    async def sleep_ms(self, duration_ms: float) -> None:
        """Wait; at once where ``duration_ms`` is not positive. Cancellation passes through."""
        await asyncio.sleep(max(0.0, duration_ms) / 1000.0 / self.speed)
