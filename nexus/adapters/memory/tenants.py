"""Tenants' configurations and their tools' stores, in memory."""

from __future__ import annotations

import json
from typing import Any

from nexus.domain.tenant import TenantConfig
from nexus.errors import Conflict, NotFound
from nexus.ports.tenants import CallTerms
from nexus.tools import Stored


class MemoryTenantStore:
    """Configurations given at the start, or put later."""

    def __init__(self, *configs: TenantConfig) -> None:
        self._configs = {config.tenant_id: config for config in configs}

    def put(self, config: TenantConfig) -> None:
        """Add or replace a tenant."""
        self._configs[config.tenant_id] = config

    def remove(self, tenant_id: str) -> None:
        """Take a tenant away; silent where none is."""
        self._configs.pop(tenant_id, None)

    async def get(self, tenant_id: str) -> TenantConfig:
        try:
            return self._configs[tenant_id]
        except KeyError as error:
            raise NotFound("tenant_not_found", f"There is no tenant {tenant_id!r}.") from error

    async def for_call(self, tenant_id: str, version: int | None = None, *, pick: str = "") -> CallTerms:
        return CallTerms(await self.get(tenant_id))

    async def list_ids(self) -> tuple[str, ...]:
        return tuple(sorted(self._configs))


class MemoryToolStore:
    """Values are kept as JSON text, so that nobody shares a mutable value."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], tuple[str, int]] = {}

    async def get(self, tenant_id: str, key: str) -> Stored | None:
        found = self._values.get((tenant_id, key))
        return None if found is None else Stored(key, json.loads(found[0]), found[1])

    async def put(self, tenant_id: str, key: str, value: Any, *, new_only: bool = False) -> Stored:
        before = self._values.get((tenant_id, key))
        if new_only and before is not None:
            raise Conflict("conflict", f"{key!r} is written already.")
        version = 1 if before is None else before[1] + 1
        self._values[tenant_id, key] = (json.dumps(value), version)
        return Stored(key, value, version)

    async def list(self, tenant_id: str, prefix: str) -> tuple[Stored, ...]:
        keys = sorted(key for tenant, key in self._values if tenant == tenant_id and key.startswith(prefix))[:1000]
        return tuple(Stored(key, json.loads(self._values[tenant_id, key][0]), self._values[tenant_id, key][1]) for key in keys)

    async def delete(self, tenant_id: str, key: str) -> None:
        self._values.pop((tenant_id, key), None)

    async def erase_tenant(self, tenant_id: str) -> bool:
        for key in [key for key in self._values if key[0] == tenant_id]:
            del self._values[key]
        return True
