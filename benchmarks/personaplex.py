"""The bridge with a full-duplex model, measured against the PersonaPlex double: added time, cost, rotation, failover."""

from __future__ import annotations

from benchmarks import model_moves, model_path
from benchmarks.figures import Figure


async def measure() -> list[Figure]:
    """All of it, about three minutes."""
    return [*await model_path.measure(), *await model_moves.rotations(), *await model_moves.failover()]
