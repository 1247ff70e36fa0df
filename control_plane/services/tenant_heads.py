"""Tenants' heads in the document store: read, made, changed one after another (``nexus.domain.tenancy``)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from control_plane.access.decision import unknown_tenant
from nexus.clock import Clock
from nexus.domain import tenancy
from nexus.domain.ids import check_tenant_id
from nexus.domain.tenancy import TenantHead, TenantProfile
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError, Conflict, NotFound
from nexus.ports.documents import Change, Delete, DocumentStore, Put
from nexus.ports.tenants import TenantStore

_TRIES = 8


@dataclass(frozen=True, slots=True)
class KeptHead:
    """A head as it was read. ``version`` is its document's; 0 for a tenant that so far lies in its folder only."""

    head: TenantHead
    version: int


@dataclass(frozen=True, slots=True)
class HeadChange:
    """What a decision wants written, all together: the head, and documents beside it."""

    head: TenantHead
    beside: tuple[Change, ...] = ()


Decision = Callable[[KeptHead], Awaitable[HeadChange]]


class TenantHeads:
    """Every change of a tenant's standing goes through here.

    Args:
        documents: where heads lie.
        folders: tenants that are edited in place; they get a head with their first change over REST.
        clock: wall time.
    """

    def __init__(self, documents: DocumentStore, folders: TenantStore, clock: Clock) -> None:
        self.documents = documents
        self.clock = clock
        self._folders = folders

    async def of(self, tenant_id: str) -> KeptHead:
        """The head. Raises NotFound ``tenant_not_found``, also for a tenant that has been deleted."""
        found = await self.documents.get(check_tenant_id(tenant_id), tenancy.HEAD_KEY)
        if found is None:
            return await self._of_folder(tenant_id)
        head = tenancy.read_head(found.body)
        if head.state == "deleted":
            raise unknown_tenant()
        return KeptHead(head, found.version)

    async def new(self, head: TenantHead, *beside: Change) -> KeptHead:
        """Make a tenant: its line in the operator's list first, which alone counts for nothing.

        Raises:
            Conflict: ``tenant_exists``: also for the id of a tenant that was deleted lately, and for a folder's.
        """
        if await self.folder(head.tenant_id) is not None:
            raise Conflict("tenant_exists", f"The id {head.tenant_id} is taken by a folder in TENANTS_DIR; choose another one.")
        await self._register(head.tenant_id)
        try:
            versions = await self.documents.write(head.tenant_id, _put(head, 0), *beside)
        except Conflict as error:
            raise Conflict("tenant_exists", f"The id {head.tenant_id} is taken, or was until lately; choose another one.") from error
        return KeptHead(head, versions[0])

    async def change(self, tenant_id: str, decide: Decision) -> KeptHead:
        """Change the head by a decision, which is asked again where somebody else was first. What it raises changes nothing.

        A folder's tenant gets a head of its own by it, also when nothing else changes.

        Raises:
            NotFound: ``tenant_not_found``.
            Conflict: ``conflict``: others change this tenant all the time.
        """
        for attempt in range(_TRIES):
            kept = await self.of(tenant_id)
            wanted = await decide(kept)
            if wanted.head == kept.head and not wanted.beside and kept.version > 0:
                return kept
            if kept.version == 0:
                await self._register(tenant_id)
            try:
                versions = await self.documents.write(tenant_id, _put(wanted.head, kept.version), *wanted.beside)
            except Conflict:
                if attempt == _TRIES - 1:
                    raise
                continue
            return KeptHead(wanted.head, versions[0])
        raise AssertionError("the loop returns or raises")

    async def bury(self, tenant_id: str, job_id: str, until: datetime) -> None:
        """Leave of a tenant that this job deletes only that its id was used, until a time. Doing it again is silent.

        Raises:
            Conflict: ``conflict``: somebody else changes the head just now.
        """
        found = await self.documents.get(tenant_id, tenancy.HEAD_KEY)
        head = None if found is None else tenancy.read_head(found.body)
        if found is None or head is None or head.job_id != job_id:
            return  # long over: the id may be another tenant's by now
        empty = head.model_copy(update={"profile": TenantProfile(), "active": None, "canary": None, "departed": (), "knowledge": 0})
        body = tenancy.moved(empty, "deleted", self.clock.now()).stored
        if head.state != "deleted":
            await self.documents.write(tenant_id, Put(tenancy.HEAD_KEY, body, expected=found.version, expires_at=until))
        await self.documents.write(tenancy.PLATFORM, Delete(tenancy.registry_key(tenant_id)))

    async def folder(self, tenant_id: str) -> TenantConfig | ConfigurationError | None:
        """What the tenant's folder says: its configuration, or why it cannot be read; None where there is no folder."""
        try:
            return await self._folders.get(tenant_id)
        except NotFound:
            return None
        except ConfigurationError as error:
            return error

    async def _of_folder(self, tenant_id: str) -> KeptHead:
        found = await self.folder(tenant_id)
        if found is None:
            raise unknown_tenant()
        now = self.clock.now()
        return KeptHead(TenantHead(tenant_id=tenant_id, profile=_profile(tenant_id, found), created_at=now, updated_at=now), 0)

    async def _register(self, tenant_id: str) -> None:
        await self.documents.write(tenancy.PLATFORM, Put(tenancy.registry_key(tenant_id), {"tenant_id": tenant_id}))


def _put(head: TenantHead, expected: int) -> Put:
    return Put(tenancy.HEAD_KEY, head.stored, expected=expected)


def _profile(tenant_id: str, found: TenantConfig | ConfigurationError) -> TenantProfile:
    if isinstance(found, ConfigurationError):
        return TenantProfile(name=tenant_id)
    said = {"name": found.name[:200] or tenant_id, "timezone": found.timezone}
    try:
        return TenantProfile.model_validate({**said, "language": found.voice_settings.language})
    except ValidationError:  # a folder may call its language what it likes
        return TenantProfile.model_validate(said)
