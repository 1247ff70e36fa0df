"""Ctrl+C and SIGTERM, heard once: the first ends the product in order, a second one at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def first_signal() -> Iterator[asyncio.Event]:
    """An event that the first signal sets; from then on signals do again what they did before. In the main thread only."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    before = {number: signal.getsignal(number) for number in _ENDING}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def hear(*_: object) -> None:
        restore()
        loop.call_soon_threadsafe(told.set)

    for number in _ENDING:
        signal.signal(number, hear)
    try:
        yield told
    finally:
        restore()
