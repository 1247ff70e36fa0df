"""Which tenants there are, and what may be shown of their configuration."""

from __future__ import annotations

from dataclasses import dataclass

from nexus.context import working_for
from nexus.domain.ids import check_tenant_id
from nexus.domain.tenant import TenantConfig
from nexus.errors import NexusError, NotFound
from nexus.ports import TenantStore


@dataclass(frozen=True, slots=True)
class TenantSummary:
    """A tenant in the list: either its configuration, or why it has none that works."""

    tenant_id: str
    config: TenantConfig | None
    faults: tuple[str, ...] = ()


class TenantDesk:
    """Lists and shows tenants.

    Args:
        tenants: where configurations come from.
    """

    def __init__(self, tenants: TenantStore) -> None:
        self._tenants = tenants

    async def list(self) -> tuple[TenantSummary, ...]:
        """Every tenant by id; a broken one is shown with its faults and hides no other."""
        summaries = []
        for tenant_id in await self._tenants.list_ids():
            summary = await self._summary(tenant_id)
            if summary is not None:
                summaries.append(summary)
        return tuple(summaries)

    async def count(self) -> int:
        """How many tenants there are, broken ones too."""
        return len(await self._tenants.list_ids())

    async def get(self, tenant_id: str) -> TenantConfig:
        """The configuration now. Raises like ``TenantStore.get``, and ``invalid_tenant_id``."""
        return await self._tenants.get(check_tenant_id(tenant_id))

    async def _summary(self, tenant_id: str) -> TenantSummary | None:
        try:
            with working_for(tenant_id=tenant_id):
                return TenantSummary(tenant_id, await self._tenants.get(check_tenant_id(tenant_id)))
        except NotFound:
            return None  # removed since it was listed
        except NexusError as error:
            faults = getattr(error, "faults", ())
            return TenantSummary(tenant_id, None, faults or (error.public_message,))
