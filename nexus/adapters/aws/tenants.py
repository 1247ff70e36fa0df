"""Tenants' configurations in DynamoDB: one published now, with the version that the next publication must name."""

from __future__ import annotations

from pydantic import ValidationError

from nexus.adapters.aws import keys
from nexus.adapters.aws.items import Item, item
from nexus.adapters.aws.keys import TenantContext
from nexus.adapters.aws.table import ABSENT, Range, Table, When
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError, Conflict, NotFound


class DynamoTenantStore:
    """``publish`` is beyond the port: whoever keeps drafts and older versions calls it."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def get(self, tenant_id: str) -> TenantConfig:
        return _config(tenant_id, await self._found(tenant_id))

    async def list_ids(self) -> tuple[str, ...]:
        return tuple([str(found["sk"]) async for found in self._table.query(Range(keys.TENANTS))])

    async def version(self, tenant_id: str) -> int:
        """The version of the published configuration. Raises NotFound ``tenant_not_found``."""
        return int((await self._found(tenant_id))["version"])

    async def publish(self, config: TenantConfig, *, expected: int) -> int:
        """Make a configuration the one that new calls are started with; gives its version.

        Args:
            expected: the version that is published now; 0 for a tenant that is new.

        Raises:
            Conflict: another version is published.
        """
        of = TenantContext(config.tenant_id)
        written = item(keys.config(of), version=expected + 1, config_hash=config.config_hash, body=config.model_dump_json())
        if expected == 0:
            parts = (self._table.put_part(written, ABSENT), self._table.put_part(item(keys.registered(of))))
            kept = all(await self._table.write_together(parts))
        else:
            kept = await self._table.put(written, When("#version = :expected", {":expected": expected})) is None
        if not kept:
            raise Conflict("conflict", f"{config.tenant_id}: version {expected} is not the published one; read it again.")
        return expected + 1

    async def _found(self, tenant_id: str) -> Item:
        found = await self._table.get(keys.config(TenantContext(tenant_id)))
        if found is None:
            raise NotFound("tenant_not_found", f"There is no tenant {tenant_id!r}.")
        return found


def _config(tenant_id: str, found: Item) -> TenantConfig:
    try:
        return TenantConfig.model_validate_json(str(found["body"]))
    except ValidationError as error:
        faults = tuple(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False, include_input=False))
        raise ConfigurationError(
            "invalid_config", f"{tenant_id}: the published configuration has {len(faults)} fault(s): {'; '.join(faults)}", faults=faults
        ) from error
