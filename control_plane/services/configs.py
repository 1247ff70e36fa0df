"""A tenant's configuration in versions: a draft is written, looked through, published; an older version can be taken again.

A version may first be a canary: a part of new calls gets it, until it is promoted or aborted. Whoever publishes or rolls back decides for
all new calls, and ends the canary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from control_plane.services.cursors import Listing, Page, page_of, read_cursor
from control_plane.services.tenant_heads import Decision, HeadChange, KeptHead, TenantHeads
from nexus.domain import tenancy
from nexus.domain.config_check import MAX_CONFIG_BYTES, FaultyConfig, Finding, check_config, missing_secrets, unknown_tools, warnings_of
from nexus.domain.ids import check_tenant_id
from nexus.domain.tenancy import FILE_VERSION, KEPT_VERSIONS, Canary, Publication, TenantHead
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError, Conflict, NotFound, RequestRejected
from nexus.ports.documents import Delete, Document, Expect, Put
from nexus.ports.secrets import SecretStore

_LOOKED_THROUGH = 40
_PRUNED_AT_ONCE = 10
_LONGEST_HEAD = 290_000
ABSENT = 0
"""As an expected revision of a draft: there must be none yet."""


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


@dataclass(frozen=True, slots=True)
class Draft:
    """What may be published next; it may have faults. ``revision`` grows with each writing."""

    body: Mapping[str, JsonValue]
    revision: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in a draft. ``config`` is what would be published; None with faults."""

    config: TenantConfig | None
    faults: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


class ConfigDesk:
    """Shows, drafts, publishes and rolls back configurations.

    Args:
        heads: where tenants stand.
        cursor_key: signs page cursors.
        secrets: what declared tools may refer to; None: nothing is said about them.
        most_versions: so many of the newest are kept, beside those in use (``nexus.domain.tenancy.prunable``).
    """

    def __init__(
        self, heads: TenantHeads, cursor_key: bytes, secrets: SecretStore | None = None, *, most_versions: int = KEPT_VERSIONS
    ) -> None:
        self._heads = heads
        self._most_versions = most_versions
        self._secrets = secrets
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

    async def draft(self, tenant_id: str) -> Draft:
        """The draft. Raises NotFound ``draft_not_found``."""
        await self._heads.of(check_tenant_id(tenant_id))
        return _draft(await self._draft_document(tenant_id))

    async def put_draft(self, tenant_id: str, body: Mapping[str, Any], *, expected: int | None) -> Draft:
        """Write the draft, faults and all.

        Args:
            expected: the revision that it replaces; ``ABSENT``: there must be none; None: whatever is there.

        Raises:
            RequestRejected: ``precondition_required`` (there is a draft), ``precondition_failed``, ``message_too_large``,
                ``invalid_request``.
            Conflict: ``tenant_state``; ``conflict``: somebody else was first.
        """
        check_plain(body)
        return await self._write_draft(tenant_id, dict(body), expected)

    async def drop_draft(self, tenant_id: str, *, expected: int | None) -> None:
        """Throw the draft away; silent where none is. Raises like ``put_draft``."""
        found = await self._heads.documents.get(check_tenant_id(tenant_id), tenancy.DRAFT_KEY)
        if found is not None and found.body.get("config") is not None:
            await self._write_draft(tenant_id, None, expected)

    async def validate(self, tenant_id: str) -> Verdict:
        """Everything that is wrong with the draft, and what looks like a slip. Raises NotFound ``draft_not_found``."""
        kept = await self._heads.of(check_tenant_id(tenant_id))
        return await self._verdict(kept, _draft(await self._draft_document(tenant_id)))

    async def publish(self, tenant_id: str, *, note: str = "", expected: int | None = None) -> ConfigView:
        """Make the draft the next version, active at once for new calls. The draft is used up.

        Raises:
            NotFound: ``tenant_not_found``, ``draft_not_found``.
            ConfigurationError: ``invalid_config`` with every fault.
            RequestRejected: ``precondition_failed``: ``expected`` is not the draft's revision.
            Conflict: ``tenant_state``.
        """

        async def decide(kept: KeptHead) -> HeadChange:
            draft, config = await self._publishable(kept, expected)
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
            draft, config = await self._publishable(kept, wish.expected)
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

    async def _publishable(self, kept: KeptHead, expected: int | None) -> tuple[Draft, TenantConfig]:
        """The draft and what it becomes. Raises NotFound, RequestRejected, FaultyConfig."""
        draft = _draft(await self._draft_document(kept.head.tenant_id))
        _check_revision(draft.revision, expected)
        verdict = await self._verdict(kept, draft)
        if verdict.config is None:
            raise FaultyConfig(f"The draft has {len(verdict.faults)} fault(s), all listed in errors.", verdict.faults)
        return draft, verdict.config

    async def _with_version(self, kept: KeptHead, head: TenantHead, made: Publication | None, draft: Draft | None = None) -> HeadChange:
        """The head with its new version beside it; the draft is used up, and versions that are too old go."""
        if made is None:
            raise AssertionError("what was published just now is there")
        now = self._heads.clock.now()
        version = Put(tenancy.version_key(made.version), made.model_dump(mode="json"), expected=0)
        used_up = () if draft is None else (Put(tenancy.DRAFT_KEY, _body(None, now), expected=draft.revision),)
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

    async def _verdict(self, kept: KeptHead, draft: Draft) -> Verdict:
        tenant_id = kept.head.tenant_id
        config, faults = check_config(tenancy.inherited(draft.body, tenant_id, kept.head.profile))
        if config is not None and config.tenant_id != tenant_id:
            faults = (Finding(("tenant_id",), "other_tenant", f"is {config.tenant_id!r}, but this is {tenant_id!r}; leave it out"),)
        if config is None or faults:
            return Verdict(None, faults, ())
        without_folder = await self._heads.folder(tenant_id) is None
        unknown = unknown_tools(config) if without_folder else ()
        return Verdict(config, (), (*warnings_of(config), *unknown, *await self._missing_secrets(config)))

    async def _missing_secrets(self, config: TenantConfig) -> tuple[Finding, ...]:
        if self._secrets is None or not any(tool.secret_names for tool in config.http_tools):
            return ()
        return missing_secrets(config, [note.name for note in await self._secrets.list(config.tenant_id)])

    async def _write_draft(self, tenant_id: str, body: dict[str, Any] | None, expected: int | None) -> Draft:
        kept = await self._heads.of(check_tenant_id(tenant_id))
        tenancy.check_changeable(kept.head)
        found = await self._heads.documents.get(tenant_id, tenancy.DRAFT_KEY)
        _check_replaced(found, expected)
        now = self._heads.clock.now()
        put = Put(tenancy.DRAFT_KEY, _body(body, now), expected=0 if found is None else found.version)
        try:
            _, revision = await self._heads.documents.write(tenant_id, Expect(tenancy.HEAD_KEY, kept.version), put)
        except Conflict as error:
            raise Conflict(
                "conflict", "Somebody else changed the tenant or its draft at the same moment: read it again, and repeat."
            ) from error
        return Draft(body or {}, revision, now)

    async def _draft_document(self, tenant_id: str) -> Document:
        found = await self._heads.documents.get(tenant_id, tenancy.DRAFT_KEY)
        if found is None or found.body.get("config") is None:
            raise NotFound("draft_not_found", "There is no draft: PUT config/draft makes one.")
        return found

    async def _from_folder(self, tenant_id: str) -> ConfigView | None:
        found = await self._heads.folder(tenant_id)
        if isinstance(found, ConfigurationError):
            raise ConfigurationError(found.code, found.public_message, faults=found.faults)
        return None if found is None else ConfigView(FILE_VERSION, found)


def check_plain(body: Mapping[str, Any]) -> None:
    """What cannot be told again as JSON is not kept: infinite numbers, halves of characters, bottomless nesting."""
    try:
        size = len(json.dumps(body, ensure_ascii=False, allow_nan=False).encode())
    except (ValueError, RecursionError) as error:
        raise RequestRejected("invalid_request", "The configuration has a number, a text or a nesting that JSON cannot hold.") from error
    if size > MAX_CONFIG_BYTES:
        raise RequestRejected(
            "message_too_large", f"A configuration has at most {MAX_CONFIG_BYTES // 1024} KB; move long knowledge elsewhere."
        )


def _checked_head(head: TenantHead) -> TenantHead:
    """Both versions that new calls get stand in the head, which is one document."""
    if len(json.dumps(head.stored, ensure_ascii=False).encode()) > _LONGEST_HEAD:
        raise RequestRejected(
            "message_too_large", f"The active version and the canary have at most {_LONGEST_HEAD // 1000} KB together; publish it outright."
        )
    return head


def _check_replaced(found: Document | None, expected: int | None) -> None:
    """A draft is replaced only by who has seen it. One that was used up counts as none."""
    there = found is not None and found.body.get("config") is not None
    if expected is None or (expected == ABSENT and not there):
        return
    if expected == ABSENT:
        raise RequestRejected("precondition_required", "There is a draft already: read it, and send its ETag in the header If-Match.")
    _check_revision(found.version if found is not None and there else ABSENT, expected)


def _check_revision(revision: int, expected: int | None) -> None:
    if expected is not None and expected != revision:
        raise RequestRejected("precondition_failed", "The draft has changed since it was read: read it again, and repeat the change.")


def _body(config: dict[str, Any] | None, at: datetime) -> dict[str, Any]:
    """A draft's document; without a configuration it only keeps the revision from beginning anew."""
    return {"config": config, "updated_at": at.isoformat()}


def draft_put(config: dict[str, Any], at: datetime) -> Put:
    """The write of a tenant's first draft."""
    return Put(tenancy.DRAFT_KEY, _body(config, at), expected=0)


def _draft(found: Document) -> Draft:
    return Draft(found.body["config"], found.version, datetime.fromisoformat(found.body["updated_at"]))


def _view(publication: Publication) -> ConfigView:
    return ConfigView(publication.version, publication.config, publication.published_at, publication.note, publication.rolled_back_to)


def _no_version(version: int) -> NotFound:
    return NotFound("config_version_not_found", f"There is no version {version}; GET config/versions lists what there is.")
