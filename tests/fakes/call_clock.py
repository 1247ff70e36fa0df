"""A clock by which a call's hours pass in minutes while the wall clock, by which processes agree who lives, is the real one.

``python -m tests.fakes.call_clock SPEED`` is ``python -m media_plane`` by such a clock.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from media_plane.__main__ import main
from nexus.clock import Clock


class CallClock(Clock):
    """``monotonic_ms`` and ``sleep_ms`` run ``speed`` times as fast, ``now`` does not: a stalled machine makes no process look dead."""

    def now(self) -> datetime:
        return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main(CallClock(speed=float(sys.argv[1]))))
