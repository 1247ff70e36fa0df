"""Tenants from the first to the last day: which there are, what they are called, whether they may be called, their deletion."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from typing import Any

from control_plane.access.principal import Kind, asking
from control_plane.services.cursors import Listing, Page, page_of, read_cursor
from control_plane.services.erasure import DELETE_TENANT, closing
from control_plane.services.jobs import Job, JobDesk
from control_plane.services.tenant_heads import Decision, HeadChange, KeptHead, TenantHeads
from nexus.context import working_for
from nexus.domain import tenancy
from nexus.domain.ids import check_tenant_id
from nexus.domain.tenancy import PLATFORM, TenantHead, TenantProfile, TenantState
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError, Conflict, NexusError, NotFound, RequestRejected
from nexus.ports.tenants import TenantStore

_IN_CONFIG = frozenset({"name", "timezone", "language"})


@dataclass(frozen=True, slots=True)
class TenantView:
    """A tenant: its head, and the configuration that calls are started with, or why there is none that works.

    ``revision`` is what a change of the profile can be held against.
    """

    head: TenantHead
    revision: int
    config: TenantConfig | None
    faults: tuple[str, ...] = ()

    @property
    def tenant_id(self) -> str:
        """Its id."""
        return self.head.tenant_id

    @property
    def config_version(self) -> int | None:
        """The version of the configuration; 0: its folder's; None: there is none yet."""
        if self.head.active is not None:
            return self.head.active.version
        return None if self.config is None and not self.faults else tenancy.FILE_VERSION


class TenantDesk:
    """Lists, shows, makes, changes and deletes tenants.

    Args:
        tenants: lists whom there are.
        heads: where tenants stand.
        jobs: carries out deletions.
        cursor_key: signs page cursors.
    """

    def __init__(self, tenants: TenantStore, heads: TenantHeads, jobs: JobDesk, cursor_key: bytes) -> None:
        self._tenants = tenants
        self._heads = heads
        self._jobs = jobs
        self._cursor_key = cursor_key

    async def list(self, *, limit: int, cursor: str = "") -> Page[TenantView]:
        """Every tenant by id; a broken one is shown with its faults and hides no other. Raises RequestRejected ``invalid_cursor``."""
        listing = Listing("tenants", PLATFORM)
        after = read_cursor(self._cursor_key, listing, cursor)
        found: list[TenantView] = []
        for tenant_id in await self._tenants.list_ids():
            if tenant_id > after and len(found) <= limit:
                found += filter(None, [await self._listed(tenant_id)])
        return page_of(self._cursor_key, listing, found, limit, lambda view: view.tenant_id)

    async def count(self) -> int:
        """How many tenants there are, broken ones too."""
        return len(await self._tenants.list_ids())

    async def get(self, tenant_id: str) -> TenantView:
        """One tenant.

        Raises:
            NotFound: ``tenant_not_found``.
            ConfigurationError: ``invalid_config``: its folder's configuration has faults.
        """
        view, fault = await self._view(await self._heads.of(check_tenant_id(tenant_id)))
        if fault is not None:
            raise ConfigurationError(fault.code, fault.public_message, faults=fault.faults)
        return view

    async def check_known(self, tenant_id: str, found: Sized = ()) -> None:
        """Let a list of the tenant's things pass: with anything in it there is a tenant, for an empty one it is looked up.

        Who shows a key of the tenant has shown that there is one: keys go with their tenant.

        Raises:
            NotFound: ``tenant_not_found``.
        """
        principal = asking()
        if principal is not None and principal.kind is Kind.API_KEY and principal.tenant_id == tenant_id:
            return
        if not len(found):
            await self._heads.of(check_tenant_id(tenant_id))

    async def create(self, tenant_id: str, profile: TenantProfile) -> TenantView:
        """A new tenant, without a configuration yet.

        Raises:
            RequestRejected: ``invalid_tenant_id``.
            Conflict: ``tenant_exists``.
        """
        now = self._heads.clock.now()
        head = TenantHead(tenant_id=check_tenant_id(tenant_id), profile=profile, created_at=now, updated_at=now)
        with working_for(tenant_id=tenant_id):
            kept = await self._heads.new(head)
        return TenantView(kept.head, kept.version, None)

    async def change(self, tenant_id: str, fields: dict[str, Any], *, revision: int | None = None) -> TenantView:
        """Change fields of the profile; configurations that are published already stay as they are.

        Args:
            fields: of ``TenantProfile``, each valid by itself.
            revision: the revision that the change was made of; None: whatever it is.

        Raises:
            RequestRejected: ``precondition_failed``.
            NotFound: ``tenant_not_found``.
            Conflict: ``tenant_state``; ``tenant_in_folder``: the field stands in the folder's ``config.yaml``.
        """
        in_file = sorted(_IN_CONFIG & fields.keys())
        if in_file and await self._is_edited_in_place(tenant_id):
            words = " and ".join(in_file)
            raise Conflict("tenant_in_folder", f"{words} of {tenant_id} stand in its config.yaml in TENANTS_DIR; change them there.")

        async def decide(kept: KeptHead) -> HeadChange:
            if revision is not None and revision != kept.version:
                raise RequestRejected(
                    "precondition_failed", "The tenant has changed since it was read: read it again, and repeat the change."
                )
            tenancy.check_changeable(kept.head)
            profile = kept.head.profile.model_copy(update=fields)
            if profile == kept.head.profile:
                return HeadChange(kept.head)
            return HeadChange(kept.head.model_copy(update={"profile": profile, "updated_at": self._heads.clock.now()}))

        return await self._changed(tenant_id, decide)

    async def suspend(self, tenant_id: str) -> TenantView:
        """Take no more calls; those that live go on. Raises NotFound, Conflict ``tenant_state``."""
        return await self._move(tenant_id, "suspended")

    async def resume(self, tenant_id: str) -> TenantView:
        """Take calls again. Raises NotFound, Conflict ``tenant_state``."""
        return await self._move(tenant_id, "active")

    async def delete(self, tenant_id: str) -> Job:
        """Take no more calls, end those that live, and begin the job that deletes everything. Asked again, it gives the same job.

        Raises:
            NotFound: ``tenant_not_found``.
            Conflict: ``tenant_in_folder``.
        """
        kept = await self._heads.of(check_tenant_id(tenant_id))
        if await self._heads.folder(tenant_id) is not None:
            await self._heads.change(tenant_id, _as_it_is)  # so that it can still be asked for when the folder is gone
            raise Conflict(
                "tenant_in_folder", f"Remove the folder {tenant_id} in TENANTS_DIR first, then ask again: what is kept of it goes then."
            )
        job = None if kept.head.state == "deleting" else await self._jobs.start(DELETE_TENANT, tenant_id)

        async def decide(now: KeptHead) -> HeadChange:
            return HeadChange(now.head if now.head.state == "deleting" or job is None else closing(now, job.id, self._heads))

        closed = await self._heads.change(tenant_id, decide)
        return await self._jobs.get(tenant_id, closed.head.job_id)

    async def job(self, tenant_id: str, job_id: str) -> Job:
        """A job of the tenant, also after the tenant is gone. Raises NotFound ``job_not_found``."""
        return await self._jobs.get(check_tenant_id(tenant_id), job_id)

    async def _is_edited_in_place(self, tenant_id: str) -> bool:
        kept = await self._heads.of(check_tenant_id(tenant_id))
        return kept.head.active is None and await self._heads.folder(tenant_id) is not None

    async def _move(self, tenant_id: str, to: TenantState) -> TenantView:
        async def decide(kept: KeptHead) -> HeadChange:
            return HeadChange(tenancy.moved(kept.head, to, self._heads.clock.now()))

        return await self._changed(tenant_id, decide)

    async def _changed(self, tenant_id: str, decide: Decision) -> TenantView:
        kept = await self._heads.change(check_tenant_id(tenant_id), decide)
        return (await self._view(kept))[0]

    async def _view(self, kept: KeptHead) -> tuple[TenantView, ConfigurationError | None]:
        if kept.head.active is not None:
            return TenantView(kept.head, kept.version, kept.head.active.config), None
        found = await self._heads.folder(kept.head.tenant_id)
        if isinstance(found, ConfigurationError):
            return TenantView(kept.head, kept.version, None, found.faults or (found.public_message,)), found
        return TenantView(kept.head, kept.version, found), None

    async def _listed(self, tenant_id: str) -> TenantView | None:
        try:
            with working_for(tenant_id=tenant_id):
                return (await self._view(await self._heads.of(tenant_id)))[0]
        except NotFound:
            return None  # removed since it was listed, or never finished
        except NexusError as error:
            now = self._heads.clock.now()
            return TenantView(TenantHead(tenant_id=tenant_id, created_at=now, updated_at=now), 0, None, (error.public_message,))


async def _as_it_is(kept: KeptHead) -> HeadChange:
    return HeadChange(kept.head)
