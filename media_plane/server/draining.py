"""How long a process that goes waits, and for whom."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DrainTerms:
    """How a process is emptied.

    Attributes:
        within_s: how long living calls may go on.
        farewell_s: so long before that is over, those that still live are told that they must end.
        leases: whether callers who hold a slot here and have not come yet are waited for too.
        linger_s: with ``leases``: a process without anybody stays so long all the same, for a call that was being placed here in the very
            moment in which it began to drain.
    """

    within_s: float
    farewell_s: float = 0.0
    leases: bool = False
    linger_s: float = 0.0
