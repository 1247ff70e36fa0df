"""A tenant's configuration in versions: a draft is written, looked through, published; an older version can be taken again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from control_plane.services.cursors import Listing, Page, page_of, read_cursor
from control_plane.services.tenant_heads import Decision, HeadChange, KeptHead, TenantHeads
from nexus.domain import tenancy
from nexus.domain.config_check import MAX_CONFIG_BYTES, FaultyConfig, Finding, check_config, missing_secrets, warnings_of
from nexus.domain.ids import check_tenant_id
from nexus.domain.tenancy import FILE_VERSION, Publication
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError, Conflict, NotFound, RequestRejected
from nexus.ports import Document, Expect, Put, SecretStore

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


@dataclass(frozen=True, slots=True)
class VersionList:
    """A page of published versions, newest first, and which version is active now (0: the folder's; None: none yet)."""

    page: Page[Publication]
    active: int | None


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
    """

    def __init__(self, heads: TenantHeads, cursor_key: bytes, secrets: SecretStore | None = None) -> None:
        self._heads = heads
        self._secrets = secrets
        self._cursor_key = cursor_key

    async def active(self, tenant_id: str) -> ConfigView:
        """What new calls are started with.

        Raises:
            NotFound: ``tenant_not_found``.
            ConfigurationError: ``config_not_published``; ``invalid_config``: the folder's configuration has faults.
        """
        kept = await self._heads.of(check_tenant_id(tenant_id))
        if kept.head.active is not None:
            return _view(kept.head.active)
        found = await self._from_folder(tenant_id)
        if found is None:
            raise ConfigurationError(
                "config_not_published", f"{tenant_id} has no configuration yet: PUT config/draft, then POST config:publish."
            )
        return found

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
        if kept.head.active is not None:
            return VersionList(page, kept.head.active.version)
        return VersionList(page, None if await self._heads.folder(tenant_id) is None else FILE_VERSION)

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
        _check_plain(body)
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
            document = await self._draft_document(tenant_id)
            draft = _draft(document)
            _check_revision(draft.revision, expected)
            verdict = await self._verdict(kept, draft)
            if verdict.config is None:
                raise FaultyConfig(f"The draft has {len(verdict.faults)} fault(s), all listed in errors.", verdict.faults)
            return self._next(kept, verdict.config, note=note, draft=draft)

        return await self._published(tenant_id, decide)

    async def rollback(self, tenant_id: str, version: int, *, note: str = "") -> ConfigView:
        """Take an older version's body again, as a new version. The draft stays.

        Raises:
            NotFound: ``tenant_not_found``, ``config_version_not_found``.
            Conflict: ``tenant_state``.
        """
        wanted = await self.version(tenant_id, version)

        async def decide(kept: KeptHead) -> HeadChange:
            return self._next(kept, wanted.config, note=note, rolled_back_to=version)

        return await self._published(tenant_id, decide)

    def _next(
        self, kept: KeptHead, config: TenantConfig, *, note: str, draft: Draft | None = None, rolled_back_to: int | None = None
    ) -> HeadChange:
        now = self._heads.clock.now()
        head = tenancy.published(kept.head, config, now, note=note, rolled_back_to=rolled_back_to)
        if head.active is None:
            raise AssertionError("what was published just now is active")
        version = Put(tenancy.version_key(head.last_version), head.active.model_dump(mode="json"), expected=0)
        used_up = () if draft is None else (Put(tenancy.DRAFT_KEY, _body(None, now), expected=draft.revision),)
        return HeadChange(head, (version, *used_up))

    async def _published(self, tenant_id: str, decide: Decision) -> ConfigView:
        kept = await self._heads.change(check_tenant_id(tenant_id), decide)
        if kept.head.active is None:
            raise AssertionError("a decision to publish makes a version active")
        return _view(kept.head.active)

    async def _verdict(self, kept: KeptHead, draft: Draft) -> Verdict:
        tenant_id = kept.head.tenant_id
        config, faults = check_config(tenancy.inherited(draft.body, tenant_id, kept.head.profile))
        if config is not None and config.tenant_id != tenant_id:
            faults = (Finding(("tenant_id",), "other_tenant", f"is {config.tenant_id!r}, but this is {tenant_id!r}; leave it out"),)
        if config is None or faults:
            return Verdict(None, faults, ())
        return Verdict(config, (), (*warnings_of(config), *await self._missing_secrets(config)))

    async def _missing_secrets(self, config: TenantConfig) -> tuple[Finding, ...]:
        if self._secrets is None or not any(tool.secret_names for tool in config.http_tools):
            return ()
        return missing_secrets(config, [note.name for note in await self._secrets.list(config.tenant_id)])

    async def _write_draft(self, tenant_id: str, body: dict[str, Any] | None, expected: int | None) -> Draft:
        kept = await self._heads.of(check_tenant_id(tenant_id))
        if kept.head.state not in ("active", "suspended"):
            raise Conflict("tenant_state", f"The tenant is {kept.head.state}; nothing about it can be changed.")
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


def _check_plain(body: Mapping[str, Any]) -> None:
    """What cannot be told again as JSON is not kept: infinite numbers, halves of characters, bottomless nesting."""
    try:
        size = len(json.dumps(body, ensure_ascii=False, allow_nan=False).encode())
    except (ValueError, RecursionError) as error:
        raise RequestRejected("invalid_request", "The configuration has a number, a text or a nesting that JSON cannot hold.") from error
    if size > MAX_CONFIG_BYTES:
        raise RequestRejected(
            "message_too_large", f"A configuration has at most {MAX_CONFIG_BYTES // 1024} KB; move long knowledge elsewhere."
        )


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


def _draft(found: Document) -> Draft:
    return Draft(found.body["config"], found.version, datetime.fromisoformat(found.body["updated_at"]))


def _view(publication: Publication) -> ConfigView:
    return ConfigView(publication.version, publication.config, publication.published_at, publication.note, publication.rolled_back_to)


def _no_version(version: int) -> NotFound:
    return NotFound("config_version_not_found", f"There is no version {version}; GET config/versions lists what there is.")
