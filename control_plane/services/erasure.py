"""Deleting a tenant: every store forgets it, step by step, and its id stays taken for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from control_plane.services.jobs import Job, Step
from control_plane.services.tenant_heads import HeadChange, KeptHead, TenantHeads
from nexus.domain import tenancy
from nexus.domain.journal import Opened
from nexus.errors import NotFound
from nexus.ports.calls import CallJournal
from nexus.ports.documents import MOST_CHANGES, Delete
from nexus.ports.erasure import Erasable

DELETE_TENANT = "delete_tenant"
ID_KEPT = timedelta(days=30)
"""How long the id of a deleted tenant cannot be used again: late webhooks, bookmarks and tickets must not meet a stranger."""
STRAGGLERS = timedelta(seconds=120)
"""What had begun before the deletion (a lead being read, a request in flight) has written by then what it will ever write."""


@dataclass(frozen=True, slots=True)
class ErasedStores:
    """What keeps something of a tenant beside its documents.

    Attributes:
        erasable: stores by name, in the order in which they forget; the ledger first, so that no call lives on.
        journal: of calls that were never archived.
    """

    erasable: Mapping[str, Erasable]
    journal: CallJournal


class TenantErasure:
    """The steps of the job ``delete_tenant``. Each looks first whether this job still is the tenant's deletion: once its id is used again,
    an old job touches nothing.

    Args:
        heads: where tenants stand.
        stores: what forgets.
        stragglers: how long to wait before everything is looked through once more.
    """

    def __init__(self, heads: TenantHeads, stores: ErasedStores, stragglers: timedelta = STRAGGLERS) -> None:
        self._heads = heads
        self._stores = stores
        self._stragglers = stragglers

    def steps(self) -> tuple[Step, ...]:
        """All steps, in order."""
        erasing = tuple(Step(name, self._erasing(name)) for name in self._stores.erasable)
        return (
            Step("close", self._close),
            *erasing,
            Step("journals", self._journals),
            Step("documents", self._documents),
            Step("stragglers", self._once_more),
            Step("bury", self._bury),
        )

    async def _close(self, job: Job) -> bool:
        """No new calls, no changes from here on."""

        async def decide(kept: KeptHead) -> HeadChange:
            if kept.head.state == "deleting":
                return HeadChange(kept.head)
            return HeadChange(closing(kept, job.id, self._heads))

        try:
            await self._heads.change(job.tenant_id, decide)
        except NotFound:
            return True
        return True

    def _erasing(self, name: str) -> Callable[[Job], Awaitable[bool]]:
        async def run(job: Job) -> bool:
            return not await self._mine(job) or await self._stores.erasable[name].erase_tenant(job.tenant_id)

        return run

    async def _journals(self, job: Job) -> bool:
        if await self._mine(job):
            for call_id in await self._stores.journal.open_calls():
                entries = await self._stores.journal.read(call_id)
                if any(isinstance(entry, Opened) and entry.tenant_id == job.tenant_id for entry in entries):
                    await self._stores.journal.discard(call_id)
        return True

    async def _documents(self, job: Job) -> bool:
        """Everything but the head, which says that the tenant is being deleted."""
        if not await self._mine(job):
            return True
        while True:
            page = await self._heads.documents.list(job.tenant_id, "", limit=MOST_CHANGES)
            keys = [one.key for one in page if one.key != tenancy.HEAD_KEY]
            if not keys:
                return True
            await self._heads.documents.write(job.tenant_id, *(Delete(key) for key in keys))

    async def _once_more(self, job: Job) -> bool:
        if not await self._mine(job):
            return True
        if self._heads.clock.now() < job.created_at + self._stragglers:
            return False
        left = [name for name, store in self._stores.erasable.items() if not await store.erase_tenant(job.tenant_id)]
        return not left and await self._journals(job) and await self._documents(job)

    async def _bury(self, job: Job) -> bool:
        await self._heads.bury(job.tenant_id, job.id, self._heads.clock.now() + ID_KEPT)
        return True

    async def _mine(self, job: Job) -> bool:
        try:
            head = (await self._heads.of(job.tenant_id)).head
        except NotFound:
            return False
        return head.state == "deleting" and head.job_id == job.id


def closing(kept: KeptHead, job_id: str, heads: TenantHeads) -> tenancy.TenantHead:
    """The head of a tenant that is being deleted by a job. Raises Conflict ``tenant_state``."""
    return tenancy.moved(kept.head, "deleting", heads.clock.now()).model_copy(update={"job_id": job_id})
