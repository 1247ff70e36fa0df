"""A tenant's uploaded documents: taken in, read, tried again, replaced, forgotten. Calls that begin from then on know them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from control_plane.services.tenant_heads import HeadChange, KeptHead, TenantHeads
from nexus.domain.document_text import ContentType
from nexus.domain.ids import check_tenant_id
from nexus.domain.knowledge_shelf import (
    MOST_DOCUMENT_BYTES,
    MOST_DOCUMENTS,
    MOST_SHELF_BYTES,
    KnowledgeDocument,
    Shelf,
    examined,
    read_shelf,
)
from nexus.domain.tenancy import KNOWLEDGE_KEY, check_changeable
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError, Conflict, NotFound, QuotaExceeded, RequestRejected
from nexus.ports.documents import Put
from nexus.ports.ids import Ids

_LONGEST_BODY = 290_000
"""A stored document has at most 300 KB as JSON."""


@dataclass(frozen=True, slots=True)
class NewDocument:
    """What is uploaded."""

    name: str
    content_type: ContentType
    text: str


class KnowledgeDesk:
    """Keeps all documents of a tenant as one, under the tenant's head: two changes at once cannot both win, and none outlives the tenant.

    Args:
        heads: where tenants stand.
        ids: gives documents' ids.
    """

    def __init__(self, heads: TenantHeads, ids: Ids) -> None:
        self._heads = heads
        self._ids = ids

    async def shelf(self, tenant_id: str) -> Shelf:
        """Every document. Raises NotFound ``tenant_not_found``."""
        kept = await self._heads.of(check_tenant_id(tenant_id))
        return (await self._shelf(kept))[0]

    async def get(self, tenant_id: str, document_id: str) -> KnowledgeDocument:
        """One document. Raises NotFound ``tenant_not_found``, ``knowledge_not_found``."""
        return _found(await self.shelf(tenant_id), document_id)

    async def add(self, tenant_id: str, new: NewDocument) -> KnowledgeDocument:
        """Keep a document, then read it: what is given back is ``ready`` or ``failed``, and ``pending`` only where others were too busy.

        Raises:
            RequestRejected: ``message_too_large``.
            QuotaExceeded: ``knowledge_full``.
            Conflict: ``knowledge_exists``: there is one of this name; ``tenant_state``.
            NotFound: ``tenant_not_found``.
        """
        _check_size(new)
        document_id, now = self._ids.new("doc"), self._heads.clock.now()
        made = KnowledgeDocument(
            id=document_id, name=new.name, content_type=new.content_type, text=new.text, created_at=now, updated_at=now
        )

        def put(shelf: Shelf) -> Shelf:
            if any(one.name == new.name for one in shelf.documents):
                raise Conflict("knowledge_exists", "There is a document of this name: PUT replaces it, DELETE makes room for another.")
            return checked_shelf(shelf.model_copy(update={"documents": (*shelf.documents, made)}))

        return await self._examine(tenant_id, _found(await self._changed(tenant_id, put, document_id), document_id))

    async def replace(self, tenant_id: str, document_id: str, new: NewDocument, *, expected: int | None) -> KnowledgeDocument:
        """Another text in the place of a document's. Until it is read, calls know neither.

        Args:
            expected: the revision that was read; None: whatever it is.

        Raises:
            RequestRejected: ``precondition_failed``; otherwise like ``add`` and ``get``.
        """
        _check_size(new)
        now = self._heads.clock.now()

        def put(shelf: Shelf) -> Shelf:
            before = _matched(shelf, document_id, expected)
            if any(one.name == new.name and one.id != document_id for one in shelf.documents):
                raise Conflict("knowledge_exists", "Another document has this name.")
            said = {"name": new.name, "content_type": new.content_type, "text": new.text, "updated_at": now, "status": "pending"}
            return checked_shelf(_with(shelf, before.model_copy(update=said)))

        return await self._examine(tenant_id, _found(await self._changed(tenant_id, put, document_id), document_id))

    async def retry(self, tenant_id: str, document_id: str) -> KnowledgeDocument:
        """Read a document again that is ``failed`` or was left ``pending``; a ready one stays as it is. Raises like ``get``."""
        return await self._examine(tenant_id, await self.get(tenant_id, document_id))

    async def delete(self, tenant_id: str, document_id: str, *, expected: int | None) -> None:
        """Forget a document. Raises like ``get`` and ``replace``."""

        def drop(shelf: Shelf) -> Shelf:
            gone = _matched(shelf, document_id, expected)
            return shelf.model_copy(update={"documents": tuple(one for one in shelf.documents if one.id != gone.id)})

        await self._changed(tenant_id, drop)

    async def _examine(self, tenant_id: str, document: KnowledgeDocument) -> KnowledgeDocument:
        if document.status == "ready":
            return document
        config = await self._config(tenant_id)

        def read(shelf: Shelf) -> Shelf:
            now = _found(shelf, document.id)
            beside = [one for one in shelf.documents if one.id != document.id]
            return shelf if now.revision != document.revision else _with(shelf, examined(now, beside, config))

        try:
            return _found(await self._changed(tenant_id, read, document.id), document.id)
        except Conflict as error:
            if error.code != "conflict":
                raise
            return document  # kept, and to be read by the next retry

    async def _changed(self, tenant_id: str, change: Callable[[Shelf], Shelf], document_id: str = "") -> Shelf:
        """Change the shelf and the head that counts its changes, together."""
        after = Shelf()

        async def decide(kept: KeptHead) -> HeadChange:
            nonlocal after
            check_changeable(kept.head)
            before, version = await self._shelf(kept)
            after = change(before)
            if after == before:
                return HeadChange(kept.head)
            revision = kept.head.knowledge + 1
            documents = tuple(one.model_copy(update={"revision": revision}) if one.id == document_id else one for one in after.documents)
            after = Shelf(revision=revision, documents=documents)
            head = kept.head.model_copy(update={"knowledge": revision})
            return HeadChange(head, (Put(KNOWLEDGE_KEY, after.model_dump(mode="json"), expected=version),))

        await self._heads.change(check_tenant_id(tenant_id), decide)
        return after

    async def _shelf(self, kept: KeptHead) -> tuple[Shelf, int]:
        found = await self._heads.documents.get(kept.head.tenant_id, KNOWLEDGE_KEY)
        return (Shelf(), 0) if found is None else (read_shelf(found.body), found.version)

    async def _config(self, tenant_id: str) -> TenantConfig:
        """Whose prompt has to take the documents: the active configuration, or one that says nothing yet."""
        head = (await self._heads.of(tenant_id)).head
        found = head.active.config if head.active is not None else await self._heads.folder(tenant_id)
        return TenantConfig(tenant_id=tenant_id, system_prompt="-") if found is None or isinstance(found, ConfigurationError) else found


def _check_size(new: NewDocument) -> None:
    size = len(new.text.encode())
    if size > MOST_DOCUMENT_BYTES:
        raise RequestRejected(
            "message_too_large", f"The text has {size} bytes, and a document at most {MOST_DOCUMENT_BYTES}: split it, or shorten it."
        )


def checked_shelf(shelf: Shelf) -> Shelf:
    """Give the shelf back when it can be kept. Raises QuotaExceeded ``knowledge_full``."""
    count, size = len(shelf.documents), shelf.text_bytes
    if count > MOST_DOCUMENTS:
        raise QuotaExceeded(
            "knowledge_full",
            f"A tenant has at most {MOST_DOCUMENTS} documents; delete one.",
            retry_after_s=60,
            usage=(count - 1, MOST_DOCUMENTS),
        )
    body = len(json.dumps(shelf.model_dump(mode="json"), ensure_ascii=False).encode())
    if size > MOST_SHELF_BYTES or body > _LONGEST_BODY:
        raise QuotaExceeded(
            "knowledge_full",
            f"A tenant's documents have at most {MOST_SHELF_BYTES} bytes of text together; with this one they have {size}: delete another.",
            retry_after_s=60,
            usage=(size, MOST_SHELF_BYTES),
        )
    return shelf


def _found(shelf: Shelf, document_id: str) -> KnowledgeDocument:
    for one in shelf.documents:
        if one.id == document_id:
            return one
    raise NotFound("knowledge_not_found", "There is no such document for this tenant.")


def _matched(shelf: Shelf, document_id: str, expected: int | None) -> KnowledgeDocument:
    found = _found(shelf, document_id)
    if expected is not None and expected != found.revision:
        raise RequestRejected("precondition_failed", "The document has changed since it was read: read it again, and repeat the change.")
    return found


def _with(shelf: Shelf, document: KnowledgeDocument) -> Shelf:
    return shelf.model_copy(update={"documents": tuple(document if one.id == document.id else one for one in shelf.documents)})
