"""Who calls, when and for how long: one list of callers that every setting of the fleet is tried on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400.0

BUSINESS_DAY = (
    *(0.06, 0.04, 0.03, 0.03, 0.04, 0.07, 0.14, 0.30, 0.58, 0.84, 0.98, 1.00),
    *(0.86, 0.80, 0.93, 0.98, 0.92, 0.76, 0.56, 0.42, 0.32, 0.24, 0.16, 0.10),
)
"""Load at each full hour as a part of the busiest, straight lines between: nights nearly empty, a steep morning, two humps.

An assumption about a business that is called in one time zone; nothing was measured.
"""

FLAT = (1.0,)
"""The same load at every hour."""


@dataclass(frozen=True, slots=True)
class Demand:
    """``peak_calls`` callers at once are expected at the day's busiest hour, were each served at once; bursts come on top.

    Call lengths are lognormal with ``mean_call_s`` and ``spread`` (deviation over mean), cut at ``cap_s``. A slot is held ``hold_s``
    longer than its call: priming before, releasing after. A burst multiplies the rate by ``burst_factor`` for ``burst_s``, at
    ``bursts_a_day`` random moments.
    """

    peak_calls: float
    days: float = 1.0
    curve: tuple[float, ...] = BUSINESS_DAY
    mean_call_s: float = 300.0
    spread: float = 0.8
    cap_s: float = 1_800.0
    hold_s: float = 5.0
    bursts_a_day: float = 4.0
    burst_factor: float = 1.3
    burst_s: float = 600.0

    @property
    def horizon_s(self) -> float:
        return self.days * DAY_S


@dataclass(frozen=True, slots=True)
class Callers:
    """Moments of the first try, rising, and seconds each wants to talk."""

    at_s: NDArray[np.float64]
    talk_s: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.at_s)


def draw(demand: Demand, seed: int) -> Callers:
    """The callers of one seed: a Poisson process whose rate follows curve and bursts (by thinning), with a length each."""
    rng = np.random.default_rng([seed, 1])
    starts_s = np.sort(rng.uniform(0, demand.horizon_s, rng.poisson(demand.bursts_a_day * demand.days)))
    mean_hold_s = _mean_length_s(demand) + demand.hold_s
    ceiling = demand.peak_calls / mean_hold_s * max(demand.curve) * max(1.0, demand.burst_factor)
    at_s = np.sort(rng.uniform(0, demand.horizon_s, rng.poisson(ceiling * demand.horizon_s)))
    kept = at_s[rng.uniform(0, ceiling, len(at_s)) < demand.peak_calls / mean_hold_s * load_at(demand, at_s, starts_s)]
    return Callers(kept, _lengths_s(demand, rng, len(kept)))


def load_at(demand: Demand, at_s: NDArray[np.float64], bursts_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Load as a part of the peak at each moment, bursts included."""
    hours = np.append(np.asarray(demand.curve), demand.curve[0])
    of_day: NDArray[np.float64] = np.interp((at_s % DAY_S) / DAY_S * len(demand.curve), np.arange(len(hours)), hours)
    before = np.searchsorted(bursts_s, at_s, side="right")
    last_s = np.where(before > 0, bursts_s[np.maximum(before - 1, 0)], -math.inf) if len(bursts_s) else np.full(len(at_s), -math.inf)
    factor: NDArray[np.float64] = np.where(at_s - last_s < demand.burst_s, demand.burst_factor, 1.0)
    return of_day * factor


def _lognormal(demand: Demand) -> tuple[float, float]:
    sigma = math.sqrt(math.log1p(demand.spread**2))
    return math.log(demand.mean_call_s) - sigma**2 / 2, sigma


def _lengths_s(demand: Demand, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    mu, sigma = _lognormal(demand)
    return np.minimum(rng.lognormal(mu, sigma, count), demand.cap_s)


def _mean_length_s(demand: Demand) -> float:
    """The mean of the cut distribution: E[min(X, cap)] of a lognormal X, closed form."""
    mu, sigma = _lognormal(demand)
    z = (math.log(demand.cap_s) - mu) / sigma
    return demand.mean_call_s * _normal(z - sigma) + demand.cap_s * (1 - _normal(z))


def mean_hold_s(demand: Demand) -> float:
    """How long a call holds its slot on average."""
    return _mean_length_s(demand) + demand.hold_s


def _normal(z: float) -> float:
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))
