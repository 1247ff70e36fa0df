"""A tenant's draft: the configuration that may be published next. It may have faults; they are told all at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from control_plane.services.tenant_heads import KeptHead, TenantHeads
from nexus.domain import tenancy
from nexus.domain.config_check import MAX_CONFIG_BYTES, FaultyConfig, Finding, check_config, missing_secrets, unknown_tools, warnings_of
from nexus.domain.ids import check_tenant_id
from nexus.domain.tenant import TenantConfig
from nexus.errors import Conflict, NotFound, RequestRejected
from nexus.ports.documents import Document, Expect, Put
from nexus.ports.secrets import SecretStore

ABSENT = 0
"""As an expected revision of a draft: there must be none yet."""


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


class DraftDesk:
    """Shows, writes and looks through drafts.

    Args:
        heads: where tenants stand.
        secrets: what declared tools may refer to; None: nothing is said about them.
    """

    def __init__(self, heads: TenantHeads, secrets: SecretStore | None = None) -> None:
        self._heads = heads
        self._secrets = secrets

    async def get(self, tenant_id: str) -> Draft:
        """The draft. Raises NotFound ``draft_not_found``."""
        await self._heads.of(check_tenant_id(tenant_id))
        return _draft(await self._document(tenant_id))

    async def put(self, tenant_id: str, body: Mapping[str, Any], *, expected: int | None) -> Draft:
        """Write the draft, faults and all.

        Args:
            expected: the revision that it replaces; ``ABSENT``: there must be none; None: whatever is there.

        Raises:
            RequestRejected: ``precondition_required`` (there is a draft), ``precondition_failed``, ``message_too_large``,
                ``invalid_request``.
            Conflict: ``tenant_state``; ``conflict``: somebody else was first.
        """
        _check_plain(body)
        return await self._write(tenant_id, dict(body), expected)

    async def drop(self, tenant_id: str, *, expected: int | None) -> None:
        """Throw the draft away; silent where none is. Raises like ``put``."""
        found = await self._heads.documents.get(check_tenant_id(tenant_id), tenancy.DRAFT_KEY)
        if found is not None and found.body.get("config") is not None:
            await self._write(tenant_id, None, expected)

    async def validate(self, tenant_id: str) -> Verdict:
        """Everything that is wrong with the draft, and what looks like a slip. Raises NotFound ``draft_not_found``."""
        kept = await self._heads.of(check_tenant_id(tenant_id))
        return await self._verdict(kept, _draft(await self._document(tenant_id)))

    async def publishable(self, kept: KeptHead, expected: int | None) -> tuple[Draft, TenantConfig]:
        """The draft and what it becomes. Raises NotFound, RequestRejected, FaultyConfig."""
        draft = _draft(await self._document(kept.head.tenant_id))
        _check_revision(draft.revision, expected)
        verdict = await self._verdict(kept, draft)
        if verdict.config is None:
            raise FaultyConfig(f"The draft has {len(verdict.faults)} fault(s), all listed in errors.", verdict.faults)
        return draft, verdict.config

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

    async def _write(self, tenant_id: str, body: dict[str, Any] | None, expected: int | None) -> Draft:
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

    async def _document(self, tenant_id: str) -> Document:
        found = await self._heads.documents.get(tenant_id, tenancy.DRAFT_KEY)
        if found is None or found.body.get("config") is None:
            raise NotFound("draft_not_found", "There is no draft: PUT config/draft makes one.")
        return found


def draft_put(config: dict[str, Any], at: datetime) -> Put:
    """The write of a tenant's first draft."""
    return Put(tenancy.DRAFT_KEY, _body(config, at), expected=0)


def draft_used_up(draft: Draft, at: datetime) -> Put:
    """The write that uses up a draft which is published; its revisions go on from there."""
    return Put(tenancy.DRAFT_KEY, _body(None, at), expected=draft.revision)


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
