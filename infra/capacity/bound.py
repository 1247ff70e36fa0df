"""What no way of scaling can beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from infra.capacity.demand import Callers


@dataclass(frozen=True, slots=True)
class Foresight:
    """A fleet that knows every call: GPUs come and go at once, and calls are packed anew at each moment."""

    gpu_hours: float
    most_calls: int


def foresight(callers: Callers, hold_s: float, horizon_s: float, slots_per_gpu: int) -> Foresight:
    """The GPU-hours under which all these callers cannot be served at once: the integral of ceil(calls at once / slots of a GPU)."""
    if not len(callers):
        return Foresight(0.0, 0)
    ends_s = callers.at_s + callers.talk_s + hold_s
    at_s = np.concatenate([callers.at_s, ends_s])
    change = np.concatenate([np.ones(len(callers), dtype=np.int64), -np.ones(len(callers), dtype=np.int64)])
    order = np.argsort(at_s, kind="stable")
    at_once = np.cumsum(change[order])
    edges = np.minimum(np.append(at_s[order], horizon_s), horizon_s)
    gpus = -(-at_once // slots_per_gpu)
    return Foresight(float(np.sum(gpus * np.diff(edges))) / 3_600, int(at_once.max()))
