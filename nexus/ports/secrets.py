"""Secrets, unreadable where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class Seal(Protocol):
    """Keeps secrets unreadable where they lie. An owner is a tenant's id, or begins with it and a slash."""

    async def close(self, owner: str, text: str) -> str:
        """``text`` as something that only ``open`` with the same owner reads; another thing each time."""
        ...

    async def open(self, owner: str, sealed: str) -> str:
        """The text again. Raises StoreError ``store_unavailable`` for what this key did not seal for this owner."""
        ...


@dataclass(frozen=True, slots=True)
class SecretNote:
    """What may be told of a secret."""

    name: str
    last4: str
    updated_at: datetime


class SecretStore(Protocol):
    """Secrets of tenants: written by people, read by the platform only, sealed where they lie."""

    async def put(self, tenant_id: str, name: str, value: str) -> SecretNote:
        """Write or replace. Raises QuotaExceeded ``too_many_secrets``."""
        ...

    async def list(self, tenant_id: str) -> tuple[SecretNote, ...]:
        """Every secret, by name."""
        ...

    async def delete(self, tenant_id: str, name: str) -> None:
        """Raises NotFound ``secret_not_found``."""
        ...

    async def reveal(self, tenant_id: str, names: Sequence[str]) -> Mapping[str, str]:
        """The values of those that exist; for whoever sends a request on the tenant's behalf."""
        ...
