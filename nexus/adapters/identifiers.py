"""Fresh ids from the machine's clock and randomness."""

from __future__ import annotations

import os
import threading
import time

from nexus.domain.ids import ulid


class UlidIds:
    """Prefixed ULIDs; within one process each sorts after the one before it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = (0, 0)

    def new(self, prefix: str) -> str:
        """``{prefix}_{ULID}``."""
        with self._lock:
            now_ms = time.time_ns() // 1_000_000
            last_ms, last_entropy = self._last
            if now_ms > last_ms:
                self._last = (now_ms, int.from_bytes(os.urandom(10)) >> 1)
            else:  # the same millisecond, or a clock that stepped back: count on, as the ULID specification says
                self._last = (last_ms, last_entropy + 1)
            at_ms, entropy = self._last
        return f"{prefix}_{ulid(at_ms, entropy.to_bytes(10))}"
