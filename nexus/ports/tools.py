"""What tenants' tools need: their values, the log of their effects, declared requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from nexus.domain.http_tool import HttpOutcome, HttpTool
from nexus.tools import Stored


class ToolStore(Protocol):
    """The small key-value store behind ``ToolContext.store``, for every tenant apart."""

    async def get(self, tenant_id: str, key: str) -> Stored | None:
        """The value, or None."""
        ...

    async def put(self, tenant_id: str, key: str, value: Any, *, new_only: bool = False) -> Stored:
        """Write. Atomic among all callers and processes.

        Raises:
            Conflict: ``new_only`` and the key exists.
        """
        ...

    async def list(self, tenant_id: str, prefix: str) -> tuple[Stored, ...]:
        """Everything whose key begins with ``prefix``, by key, at most 1,000."""
        ...

    async def delete(self, tenant_id: str, key: str) -> None:
        """Remove; silent where nothing is."""
        ...


EffectState = Literal["new", "pending", "done"]


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect of one call: ``new`` when ``begin`` made it just now, ``pending`` when begun before without an end, else ``done``."""

    state: EffectState
    output: str = ""
    failed: bool = False


class EffectLog(Protocol):
    """What tools did, written before and after: one effect per call id and effect id."""

    async def begin(self, tenant_id: str, call_id: str, effect_id: str, tool: str) -> Effect:
        """Write the intent, or give what is known of an earlier one. Atomic: of two at once only one sees ``new``."""
        ...

    async def finish(self, tenant_id: str, call_id: str, effect_id: str, *, output: str, failed: bool = False) -> None:
        """Write the outcome of a begun effect."""
        ...

    async def forget(self, tenant_id: str, call_id: str, effect_id: str) -> None:
        """Undo ``begin`` for an effect that certainly did not happen (its arguments were refused, its process never started)."""
        ...


class HttpTools(Protocol):
    """Runs declared tools over HTTPS."""

    async def run(self, tenant_id: str, tool: HttpTool, arguments: Mapping[str, Any], *, key: str, timeout_s: float) -> HttpOutcome:
        """Send it, again as often as a failing write allows (a read's retries are the caller's affair). Never raises for what the
        server does. Cancelled: the request is broken off.

        Args:
            key: the ``Idempotency-Key`` of all attempts.
            timeout_s: for each attempt.
        """
        ...
