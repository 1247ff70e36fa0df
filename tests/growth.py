"""How work grows with its input, told by a ratio: a machine under load answers as a quiet one does."""

from __future__ import annotations

import time
from collections.abc import Callable

_TRIES = 4
_LEAST_S = 0.005


def grows_in_proportion(work: Callable[[int], object], size: int) -> bool:
    """Whether input four times as long takes about four times the processor's time, and not sixteen.

    ``work`` is called with a quarter of ``size`` and with ``size``, again while the answer is no: the best times of each count. What takes
    less than 20 ms at full size is no matter.
    """
    small_s = large_s = float("inf")
    for _ in range(_TRIES):
        small_s, large_s = min(small_s, _spent_s(work, size // 4)), min(large_s, _spent_s(work, size))
        if large_s <= 8 * max(small_s, _LEAST_S):
            return True
    return False


def _spent_s(work: Callable[[int], object], size: int) -> float:
    before = time.thread_time()
    work(size)
    return time.thread_time() - before
