"""Tenants whose standing, published configurations and uploaded knowledge are documents; folders of tenants stand behind them."""

from __future__ import annotations

from datetime import datetime

from nexus.domain import tenancy
from nexus.domain.ids import check_tenant_id
from nexus.domain.knowledge_shelf import Readings, read_shelf, readings, with_readings
from nexus.domain.tenancy import Publication, TenantHead
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError, NotAuthorised, NotFound
from nexus.ports.documents import DocumentStore
from nexus.ports.tenants import CallTerms, TenantStore

_PAGE = 500
_MOST_SHELVES = 64


class DocumentTenantStore:
    """What is published over REST wins; a tenant without publication is what its folder says.

    A call also gets what was uploaded: one more read for a tenant that has documents, when they have changed since the last one.

    Args:
        documents: heads, published configurations (``nexus.domain.tenancy``), shelves (``nexus.domain.knowledge_shelf``).
        folders: tenants that are edited in place; an empty store where there are none.
    """

    def __init__(self, documents: DocumentStore, folders: TenantStore) -> None:
        self._documents = documents
        self._folders = folders
        self._shelves: dict[str, tuple[datetime, int, Readings]] = {}

    async def get(self, tenant_id: str) -> TenantConfig:
        head = await self._head(tenant_id)
        return (await self._active(tenant_id, None if head is None else head.active, known=head is not None))[0]

    async def for_call(self, tenant_id: str, version: int | None = None, *, pick: str = "") -> CallTerms:
        head, standing = await self._standing(tenant_id)
        if head is None:
            return CallTerms(await self._folders.get(tenant_id), tenancy.FILE_VERSION, standing=standing)
        if head.state != "active":
            raise NotAuthorised("tenant_suspended", f"{tenant_id} is {head.state} and takes no calls.")
        config, given = await self._wanted(head, version, pick)
        return CallTerms(with_readings(config, await self._uploaded(head)), given, head.profile.allowed_origins, standing)

    async def list_ids(self) -> tuple[str, ...]:
        return tuple(sorted({*await self._folders.list_ids(), *await self._registered()}))

    async def _wanted(self, head: TenantHead, version: int | None, pick: str) -> tuple[TenantConfig, int]:
        if version is None:
            return await self._active(head.tenant_id, tenancy.chosen(head, pick))
        for at_hand in (head.active, head.canary.publication if head.canary else None):
            if at_hand is not None and at_hand.version == version:
                return _given(at_hand)
        found = await self._older(head.tenant_id, version)
        return found if found is not None else await self._active(head.tenant_id, head.active)

    async def _older(self, tenant_id: str, version: int) -> tuple[TenantConfig, int] | None:
        """A version that was given to new calls once; None when it is gone."""
        if version == tenancy.FILE_VERSION:
            try:
                return await self._folders.get(tenant_id), version
            except (NotFound, ConfigurationError):
                return None
        found = await self._documents.get(tenant_id, tenancy.version_key(version))
        return None if found is None else _given(tenancy.read_publication(found.body))

    async def _active(self, tenant_id: str, published: Publication | None, *, known: bool = True) -> tuple[TenantConfig, int]:
        if published is not None:
            return _given(published)
        try:
            return await self._folders.get(tenant_id), tenancy.FILE_VERSION
        except NotFound as error:
            if not known:
                raise
            raise ConfigurationError(
                "config_not_published", f"{tenant_id} has no configuration yet: PUT config/draft, then POST config:publish."
            ) from error

    async def _uploaded(self, head: TenantHead) -> Readings:
        """What the tenant's documents say. The head names their revision, so what was read once is good until that changes."""
        if not head.knowledge:
            return {}
        at_hand = self._shelves.get(head.tenant_id)
        # an id that was deleted and is used again counts from the beginning: another tenant's documents must not stand in
        if at_hand is not None and at_hand[0] == head.created_at and at_hand[1] >= head.knowledge:
            return at_hand[2]
        found = await self._documents.get(head.tenant_id, tenancy.KNOWLEDGE_KEY)
        if found is None:
            return {}
        shelf = read_shelf(found.body)
        while len(self._shelves) >= _MOST_SHELVES:
            self._shelves.pop(next(iter(self._shelves)))
        read = readings(shelf.documents)
        self._shelves[head.tenant_id] = head.created_at, shelf.revision, read
        return read

    async def _head(self, tenant_id: str) -> TenantHead | None:
        return (await self._standing(tenant_id))[0]

    async def _standing(self, tenant_id: str) -> tuple[TenantHead | None, int]:
        """The head and its version; 0 where there is none."""
        found = await self._documents.get(check_tenant_id(tenant_id), tenancy.HEAD_KEY)
        if found is None:
            return None, 0
        head = tenancy.read_head(found.body)
        if head.state == "deleted":
            raise NotFound("tenant_not_found", f"There is no tenant {tenant_id!r}.")
        return head, found.version

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
