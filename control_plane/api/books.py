"""The books that the conventions of all routes are kept in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from control_plane.access.matrix import MATRIX, Rule
from control_plane.services.audit import AuditBook
from control_plane.services.idempotency import IdempotencyBook
from control_plane.services.rates import RateLimiter


@dataclass(frozen=True, slots=True)
class Books:
    """What the conventions are kept with."""

    idempotency: IdempotencyBook
    rates: RateLimiter
    audit: AuditBook
    matrix: Mapping[str, Rule] = field(default_factory=lambda: MATRIX)
