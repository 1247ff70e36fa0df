"""Tenants whose standing and published configurations are documents; folders of tenants stand behind them."""

from __future__ import annotations

from nexus.domain import tenancy
from nexus.domain.ids import check_tenant_id
from nexus.domain.tenancy import Publication, TenantHead
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError, NotAuthorised, NotFound
from nexus.ports import CallTerms, DocumentStore, TenantStore

_PAGE = 500


class DocumentTenantStore:
    """What is published over REST wins; a tenant without publication is what its folder says.

    Args:
        documents: heads and published configurations (``nexus.domain.tenancy``).
        folders: tenants that are edited in place; an empty store where there are none.
    """

    def __init__(self, documents: DocumentStore, folders: TenantStore) -> None:
        self._documents = documents
        self._folders = folders

    async def get(self, tenant_id: str) -> TenantConfig:
        return (await self._active(tenant_id, await self._head(tenant_id)))[0]

    async def for_call(self, tenant_id: str, version: int | None = None) -> CallTerms:
        head = await self._head(tenant_id)
        if head is not None and head.state != "active":
            raise NotAuthorised("tenant_suspended", f"{tenant_id} is {head.state} and takes no calls.")
        config, given = await self._wanted(tenant_id, head, version)
        return CallTerms(config, given, () if head is None else head.profile.allowed_origins)

    async def list_ids(self) -> tuple[str, ...]:
        return tuple(sorted({*await self._folders.list_ids(), *await self._registered()}))

    async def _wanted(self, tenant_id: str, head: TenantHead | None, version: int | None) -> tuple[TenantConfig, int]:
        active = None if head is None else head.active
        if version is None or (active is not None and active.version == version):
            return await self._active(tenant_id, head)
        found = await self._older(tenant_id, version)
        return found if found is not None else await self._active(tenant_id, head)

    async def _older(self, tenant_id: str, version: int) -> tuple[TenantConfig, int] | None:
        """A version that was active once; None when it is gone."""
        if version == tenancy.FILE_VERSION:
            try:
                return await self._folders.get(tenant_id), version
            except (NotFound, ConfigurationError):
                return None
        found = await self._documents.get(tenant_id, tenancy.version_key(version))
        return None if found is None else _given(tenancy.read_publication(found.body))

    async def _active(self, tenant_id: str, head: TenantHead | None) -> tuple[TenantConfig, int]:
        if head is not None and head.active is not None:
            return _given(head.active)
        try:
            return await self._folders.get(tenant_id), tenancy.FILE_VERSION
        except NotFound as error:
            if head is None:
                raise
            raise ConfigurationError(
                "config_not_published", f"{tenant_id} has no configuration yet: PUT config/draft, then POST config:publish."
            ) from error

    async def _head(self, tenant_id: str) -> TenantHead | None:
        found = await self._documents.get(check_tenant_id(tenant_id), tenancy.HEAD_KEY)
        if found is None:
            return None
        head = tenancy.read_head(found.body)
        if head.state == "deleted":
            raise NotFound("tenant_not_found", f"There is no tenant {tenant_id!r}.")
        return head

    async def _registered(self) -> list[str]:
        ids: list[str] = []
        after = ""
        while True:
            page = await self._documents.list(tenancy.PLATFORM, tenancy.REGISTRY_PREFIX, limit=_PAGE, after=after)
            ids += [one.key.removeprefix(tenancy.REGISTRY_PREFIX) for one in page]
            if len(page) < _PAGE:
                return ids
            after = page[-1].key


def _given(publication: Publication) -> tuple[TenantConfig, int]:
    return publication.config, publication.version
