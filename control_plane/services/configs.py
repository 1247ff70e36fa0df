"""A tenant's configuration in versions: a draft is written, looked through, published; an older version can be taken again.

A version may first be a canary: a part of new calls gets it, until it is promoted or aborted. Whoever publishes or rolls back decides for
all new calls, and ends the canary.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime

from control_plane.services.cursors import Listing, Page, page_of, read_cursor
from control_plane.services.drafts import Draft, DraftDesk, draft_used_up
from control_plane.services.tenant_heads import Decision, HeadChange, KeptHead, TenantHeads
from nexus.domain import tenancy
from nexus.domain.ids import check_tenant_id
from nexus.domain.tenancy import FILE_VERSION, KEPT_VERSIONS, Canary, Publication, TenantHead
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError, NotFound, RequestRejected
from nexus.ports.documents import Delete, Put

_LOOKED_THROUGH = 40
_PRUNED_AT_ONCE = 10
_LONGEST_HEAD = 290_000


@dataclass(frozen=True, slots=True)
class ConfigView:
    """A configuration as it is or was active. Version 0 lies in the tenant's folder: edited there, never published."""

    version: int
    config: TenantConfig
    published_at: datetime | None = None
    note: str = ""
    rolled_back_to: int | None = None
    canary: Canary | None = None


@dataclass(frozen=True, slots=True)
class VersionList:
    """A page of published versions, newest first, which version is active now (0: the folder's; None: none yet), and which the canary."""

    page: Page[Publication]
    active: int | None
    canary: int | None = None


@dataclass(frozen=True, slots=True)
class CanaryWish:
    """What is tried. ``version`` None: the draft, which becomes the next version by it; ``expected``: the draft's revision."""

    percent: int
    version: int | None = None
    note: str = ""
    expected: int | None = None


class ConfigDesk:
    """Shows, publishes, tries and rolls back configurations.

    Args:
        heads: where tenants stand.
        drafts: what is published.
        cursor_key: signs page cursors.
        most_versions: so many of the newest are kept, beside those in use (``nexus.domain.tenancy.prunable``).
    """

    def __init__(self, heads: TenantHeads, drafts: DraftDesk, cursor_key: bytes, *, most_versions: int = KEPT_VERSIONS) -> None:
        self._heads = heads
        self._drafts = drafts
        self._most_versions = most_versions
        self._cursor_key = cursor_key

    async def active(self, tenant_id: str) -> ConfigView:
        """What new calls are started with.

        Raises:
            NotFound: ``tenant_not_found``.
            ConfigurationError: ``config_not_published``; ``invalid_config``: the folder's configuration has faults.
        """
        kept = await self._heads.of(check_tenant_id(tenant_id))
        return await self._started_with(kept)

    async def version(self, tenant_id: str, version: int) -> ConfigView:
        """One version that is or was active; 0 is the folder's as it is now. Raises NotFound ``config_version_not_found``."""
        await self._heads.of(check_tenant_id(tenant_id))
        if version == FILE_VERSION:
            found = await self._from_folder(tenant_id)
        else:
            document = await self._heads.documents.get(tenant_id, tenancy.version_key(version))
            found = None if document is None else _view(tenancy.read_publication(document.body))
        if found is None:
            raise _no_version(version)
        return found

    async def versions(self, tenant_id: str, *, limit: int, cursor: str = "") -> VersionList:
        """Published versions, newest first. Raises RequestRejected ``invalid_cursor``."""
        kept = await self._heads.of(check_tenant_id(tenant_id))
        listing = Listing("config_versions", tenant_id)
        last = read_cursor(self._cursor_key, listing, cursor)
        after = tenancy.version_key(int(last)) if last else ""
        found = await self._heads.documents.list(tenant_id, tenancy.VERSION_PREFIX, limit=limit + 1, after=after, newest_first=True)
        rows = [tenancy.read_publication(one.body) for one in found]
        page = page_of(self._cursor_key, listing, rows, limit, lambda row: str(row.version))
        canary = None if kept.head.canary is None else kept.head.canary.publication.version
        if kept.head.active is not None:
            return VersionList(page, kept.head.active.version, canary)
        return VersionList(page, None if await self._heads.folder(tenant_id) is None else FILE_VERSION, canary)

    async def publish(self, tenant_id: str, *, note: str = "", expected: int | None = None) -> ConfigView:
        """Make the draft the next version, active at once for new calls. The draft is used up.

        Raises:
            NotFound: ``tenant_not_found``, ``draft_not_found``.
            ConfigurationError: ``invalid_config`` with every fault.
            RequestRejected: ``precondition_failed``: ``expected`` is not the draft's revision.
            Conflict: ``tenant_state``.
        """

        async def decide(kept: KeptHead) -> HeadChange:
            draft, config = await self._drafts.publishable(kept, expected)
            now = self._heads.clock.now()
            head = tenancy.published(kept.head, config, now, note=note)
            return await self._with_version(kept, head, head.active, draft)

        return await self._published(tenant_id, decide)

    async def rollback(self, tenant_id: str, version: int, *, note: str = "") -> ConfigView:
        """Take an older version's body again, as a new version. The draft stays.

        Raises:
            NotFound: ``tenant_not_found``, ``config_version_not_found``.
            Conflict: ``tenant_state``.
        """
        wanted = await self.version(tenant_id, version)

        async def decide(kept: KeptHead) -> HeadChange:
            head = tenancy.published(kept.head, wanted.config, self._heads.clock.now(), note=note, rolled_back_to=version)
            return await self._with_version(kept, head, head.active)

        return await self._published(tenant_id, decide)

    async def start_canary(self, tenant_id: str, wish: CanaryWish) -> ConfigView:
        """Start a part of new calls with another version than the active one; for one that runs already, change the percentage.

        Raises:
            NotFound: ``tenant_not_found``, ``config_version_not_found``, ``draft_not_found``.
            ConfigurationError: ``config_not_published``: there is nothing beside which it could run; ``invalid_config``.
            RequestRejected: ``precondition_failed``; ``message_too_large``: with the active version it is too long.
            Conflict: ``tenant_state``; ``canary_state``: it is the active version.
        """

        async def decide(kept: KeptHead) -> HeadChange:
            await self._started_with(kept)
            now = self._heads.clock.now()
            if wish.version is not None:
                head = tenancy.canaried(kept.head, await self._publication(tenant_id, wish.version), wish.percent, now)
                return HeadChange(_checked_head(head))
            draft, config = await self._drafts.publishable(kept, wish.expected)
            publication = tenancy.next_publication(kept.head, config, now, note=wish.note)
            head = _checked_head(tenancy.canaried(kept.head, publication, wish.percent, now))
            return await self._with_version(kept, head.model_copy(update={"last_version": publication.version}), publication, draft)

        return await self._published(tenant_id, decide)

    async def promote_canary(self, tenant_id: str) -> ConfigView:
        """Make the canary the active version. Raises NotFound, Conflict ``tenant_state``, ``canary_state``."""

        async def decide(kept: KeptHead) -> HeadChange:
            return HeadChange(tenancy.promoted(kept.head, self._heads.clock.now()))

        return await self._published(tenant_id, decide)

    async def abort_canary(self, tenant_id: str) -> ConfigView:
        """All new calls get the active version again. Raises NotFound, Conflict ``tenant_state``, ``canary_state``."""

        async def decide(kept: KeptHead) -> HeadChange:
            return HeadChange(tenancy.aborted(kept.head, self._heads.clock.now()))

        return await self._published(tenant_id, decide)

    async def _publication(self, tenant_id: str, version: int) -> Publication:
        document = await self._heads.documents.get(tenant_id, tenancy.version_key(version))
        if document is None:
            raise _no_version(version)
        return tenancy.read_publication(document.body)

    async def _with_version(self, kept: KeptHead, head: TenantHead, made: Publication | None, draft: Draft | None = None) -> HeadChange:
        """The head with its new version beside it; the draft is used up, and versions that are too old go."""
        if made is None:
            raise AssertionError("what was published just now is there")
        now = self._heads.clock.now()
        version = Put(tenancy.version_key(made.version), made.model_dump(mode="json"), expected=0)
        used_up = () if draft is None else (draft_used_up(draft, now),)
        return HeadChange(head, (version, *used_up, *await self._too_old(kept, head, now)))

    async def _too_old(self, kept: KeptHead, head: TenantHead, now: datetime) -> tuple[Delete, ...]:
        if head.last_version <= self._most_versions:
            return ()
        oldest = await self._heads.documents.list(kept.head.tenant_id, tenancy.VERSION_PREFIX, limit=_LOOKED_THROUGH)
        keys = {int(one.key.removeprefix(tenancy.VERSION_PREFIX)): one.key for one in oldest}
        return tuple(Delete(keys[version]) for version in tenancy.prunable(head, keys, now, self._most_versions)[:_PRUNED_AT_ONCE])

    async def _started_with(self, kept: KeptHead) -> ConfigView:
        """What new calls are started with, but for the canary. Raises ConfigurationError."""
        if kept.head.active is not None:
            return replace(_view(kept.head.active), canary=kept.head.canary)
        found = await self._from_folder(kept.head.tenant_id)
        if found is None:
            raise ConfigurationError(
                "config_not_published", f"{kept.head.tenant_id} has no configuration yet: PUT config/draft, then POST config:publish."
            )
        return replace(found, canary=kept.head.canary)

    async def _published(self, tenant_id: str, decide: Decision) -> ConfigView:
        return await self._started_with(await self._heads.change(check_tenant_id(tenant_id), decide))

    async def _from_folder(self, tenant_id: str) -> ConfigView | None:
        found = await self._heads.folder(tenant_id)
        if isinstance(found, ConfigurationError):
            raise ConfigurationError(found.code, found.public_message, faults=found.faults)
        return None if found is None else ConfigView(FILE_VERSION, found)


def _checked_head(head: TenantHead) -> TenantHead:
    """Both versions that new calls get stand in the head, which is one document."""
    if len(json.dumps(head.stored, ensure_ascii=False).encode()) > _LONGEST_HEAD:
        raise RequestRejected(
            "message_too_large", f"The active version and the canary have at most {_LONGEST_HEAD // 1000} KB together; publish it outright."
        )
    return head


def _view(publication: Publication) -> ConfigView:
    return ConfigView(publication.version, publication.config, publication.published_at, publication.note, publication.rolled_back_to)


def _no_version(version: int) -> NotFound:
    return NotFound("config_version_not_found", f"There is no version {version}; GET config/versions lists what there is.")
