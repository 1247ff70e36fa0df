"""A tenant carried to another id or another installation: everything that was set up by people, in one document, and back again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from control_plane.services.drafts import draft_put
from control_plane.services.knowledge import checked_shelf
from control_plane.services.tenant_heads import KeptHead, TenantHeads
from control_plane.services.tenants import TenantView
from control_plane.services.webhook_book import Webhook, put_webhook
from control_plane.services.webhooks import WebhookDesk
from nexus.context import working_for
from nexus.domain import tenancy
from nexus.domain.config_check import FaultyConfig, Finding, check_config
from nexus.domain.ids import check_tenant_id
from nexus.domain.knowledge_shelf import KnowledgeDocument, Shelf, examined, read_shelf
from nexus.domain.tenancy import DRAFT_KEY, KNOWLEDGE_KEY, VERSION_PREFIX, Publication, TenantHead, TenantProfile
from nexus.domain.tenant import TenantConfig
from nexus.domain.tenant_bundle import (
    MOST_VERSIONS,
    BundledDocument,
    BundledReceiver,
    BundledVersion,
    TenantBundle,
    config_for,
    fits,
    read_bundle,
    secret_names,
)
from nexus.domain.webhook import EventType
from nexus.errors import Conflict, QuotaExceeded, RequestRejected
from nexus.ports.documents import Change, Put
from nexus.ports.ids import Ids
from nexus.ports.secrets import SecretStore

_TRIES = 3


@dataclass(frozen=True, slots=True)
class ImportedTenant:
    """What was made: the tenant, its receivers with their fresh secrets (shown this once), and the secrets that are to be set."""

    view: TenantView
    webhooks: tuple[tuple[Webhook, str], ...]
    knowledge: tuple[KnowledgeDocument, ...]
    missing_secrets: tuple[str, ...]


class BundleDesk:
    """Exports and imports tenants.

    Args:
        heads: where tenants stand.
        webhooks: makes receivers.
        secrets: names of secrets.
        ids: gives documents' ids.
    """

    def __init__(self, heads: TenantHeads, webhooks: WebhookDesk, secrets: SecretStore, ids: Ids) -> None:
        self._heads = heads
        self._webhooks = webhooks
        self._secrets = secrets
        self._ids = ids

    async def export(self, tenant_id: str) -> TenantBundle:
        """The tenant as it is: the active version, the canary's and the newest others as far as there is room, without anything secret.

        Raises:
            NotFound: ``tenant_not_found``.
            ConfigurationError: ``invalid_config``: its folder's configuration has faults.
            Conflict: ``conflict``: it was changed all the while.
        """
        for _ in range(_TRIES):
            kept = await self._heads.of(check_tenant_id(tenant_id))
            bundle = await self._bundle(kept)
            if (await self._heads.of(tenant_id)).version == kept.version:
                return bundle
        raise Conflict("conflict", "The tenant is being changed by others; try again.")

    async def import_(self, tenant_id: str, raw: Mapping[str, Any]) -> ImportedTenant:
        """Make a new tenant of a bundle: all of it in one transaction, or nothing.

        Raises:
            RequestRejected: ``invalid_tenant_id``.
            FaultyConfig: ``invalid_config`` with every fault of the bundle.
            Conflict: ``tenant_exists``.
        """
        check_tenant_id(tenant_id)
        bundle, found = read_bundle(raw)
        faults = [*found, *(self._refused(bundle.webhooks) if bundle else ())]
        if bundle is None or faults:
            placed = tuple(Finding(("bundle", *one.path), one.code, one.detail) for one in faults)
            raise FaultyConfig(f"The bundle has {len(placed)} fault(s), all listed in errors.", placed)
        with working_for(tenant_id=tenant_id):
            return await self._made(tenant_id, bundle)

    # --- out -----------------------------------------------------------------------------------------------------------------

    async def _bundle(self, kept: KeptHead) -> TenantBundle:
        head, documents = kept.head, self._heads.documents
        draft = await documents.get(head.tenant_id, DRAFT_KEY)
        shelf = await documents.get(head.tenant_id, KNOWLEDGE_KEY)
        known = [one.name for one in await self._secrets.list(head.tenant_id)]
        first, active = await self._first(head)
        bundle = TenantBundle(
            exported_at=self._heads.clock.now(),
            tenant_id=head.tenant_id,
            profile=head.profile,
            active_version=active,
            versions=tuple(_version(one) for one in first),
            draft=None if draft is None else draft.body.get("config"),
            knowledge=() if shelf is None else tuple(_document(one) for one in read_shelf(shelf.body).documents),
            webhooks=tuple(_receiver(one) for one in await self._webhooks.list(head.tenant_id)),
            secrets=tuple(sorted({*known, *secret_names(one.config for one in first)})),
        )
        return await self._filled(bundle)

    async def _first(self, head: TenantHead) -> tuple[list[Publication], int | None]:
        """What must be in a bundle, and which of it is active. A folder's configuration goes as the next version."""
        if head.active is not None:
            beside = [] if head.canary is None else [head.canary.publication]
            return [head.active, *beside], head.active.version
        folder = await self._heads.folder(head.tenant_id)
        if folder is None:
            return [], None
        if not isinstance(folder, TenantConfig):
            raise folder
        made = tenancy.next_publication(head, folder, self._heads.clock.now(), note="from the tenant's folder")
        return [made], made.version

    async def _filled(self, bundle: TenantBundle) -> TenantBundle:
        """With the newest other versions, as far as there is room."""
        there = {one.version for one in bundle.versions}
        found = await self._heads.documents.list(bundle.tenant_id, VERSION_PREFIX, limit=MOST_VERSIONS, newest_first=True)
        for publication in (tenancy.read_publication(one.body) for one in found):
            if publication.version in there or len(bundle.versions) == MOST_VERSIONS:
                continue
            versions = sorted((*bundle.versions, _version(publication)), key=lambda one: one.version)
            more = bundle.model_copy(update={"versions": tuple(versions)})
            bundle = more if fits(more) else bundle
        return bundle

    # --- in ------------------------------------------------------------------------------------------------------------------

    def _refused(self, receivers: tuple[BundledReceiver, ...]) -> list[Finding]:
        found = []
        for at, one in enumerate(receivers):
            try:
                self._webhooks.check(one.url)
            except RequestRejected as error:
                found.append(Finding(("webhooks", at, "url"), error.code, error.public_message))
        return found

    async def _made(self, tenant_id: str, bundle: TenantBundle) -> ImportedTenant:
        now = self._heads.clock.now()
        versions = {one.version: _publication(tenant_id, one) for one in bundle.versions}
        active = None if bundle.active_version is None else versions[bundle.active_version]
        shelf = self._shelf(tenant_id, bundle, active)
        hooks = [await self._webhook(tenant_id, one) for one in bundle.webhooks]
        head = TenantHead(
            tenant_id=tenant_id,
            profile=TenantProfile.model_validate(bundle.profile.model_dump()),
            active=active,
            last_version=max(versions, default=0),
            knowledge=shelf.revision,
            created_at=now,
            updated_at=now,
        )
        beside: list[Change] = [
            Put(tenancy.version_key(number), one.model_dump(mode="json"), expected=0) for number, one in versions.items()
        ]
        beside += [] if bundle.draft is None else [draft_put(bundle.draft, now)]
        beside += [Put(KNOWLEDGE_KEY, shelf.model_dump(mode="json"), expected=0)] if shelf.documents else []
        beside += [put_webhook(one, 0) for one, _ in hooks]
        kept = await self._heads.new(head, *beside)
        missing = {*bundle.secrets, *secret_names(one.config for one in versions.values())}
        view = TenantView(kept.head, kept.version, None if active is None else active.config)
        return ImportedTenant(view, tuple(hooks), shelf.documents, tuple(sorted(missing)))

    def _shelf(self, tenant_id: str, bundle: TenantBundle, active: Publication | None) -> Shelf:
        now = self._heads.clock.now()
        config = TenantConfig(tenant_id=tenant_id, system_prompt="-") if active is None else active.config
        documents: list[KnowledgeDocument] = []
        for one in bundle.knowledge:
            stamps: dict[str, Any] = {"id": self._ids.new("doc"), "created_at": now, "updated_at": now, "revision": 1}
            new = KnowledgeDocument(name=one.name.strip(), content_type=one.content_type, text=one.text, **stamps)
            documents.append(examined(new, documents, config))
        shelf = Shelf(revision=1 if documents else 0, documents=tuple(documents))
        try:
            return checked_shelf(shelf)
        except QuotaExceeded as error:  # its JSON is longer than its text
            place = Finding(("bundle", "knowledge"), error.code, error.public_message)
            raise FaultyConfig("The bundle has 1 fault(s), all listed in errors.", (place,)) from error

    async def _webhook(self, tenant_id: str, one: BundledReceiver) -> tuple[Webhook, str]:
        webhook, secret = await self._webhooks.prepared(tenant_id, one.url, tuple(EventType(name) for name in one.events), one.description)
        if one.status == "paused":
            webhook = webhook.model_copy(update={"status": "paused", "paused_reason": "by_hand", "paused_at": webhook.created_at})
        return webhook, secret


def _version(one: Publication) -> BundledVersion:
    shown = one.model_dump(include={"version", "published_at", "note", "rolled_back_to"})
    return BundledVersion(config=one.body, **shown)


def _document(one: KnowledgeDocument) -> BundledDocument:
    return BundledDocument(name=one.name, content_type=one.content_type, text=one.text)


def _receiver(one: Webhook) -> BundledReceiver:
    return BundledReceiver.model_validate(one.model_dump(mode="json", include={"url", "events", "description", "status"}))


def _publication(tenant_id: str, one: BundledVersion) -> Publication:
    config, _ = check_config(config_for(tenant_id, one.config))
    if config is None:
        raise AssertionError("a bundle's configurations were looked at before")
    told = one.model_dump(include={"version", "published_at", "note", "rolled_back_to"})
    return Publication(config_hash=config.config_hash, body=config.model_dump(mode="json"), **told)
