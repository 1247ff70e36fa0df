"""A tenant's uploaded documents, all in one value, and the configuration that a call gets with them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from pydantic import JsonValue, ValidationError

from nexus.domain.call import Value
from nexus.domain.document_text import ContentType, read_document
from nexus.domain.knowledge import knowledge_text
from nexus.domain.tenant import TenantConfig
from nexus.errors import StoreError

MOST_DOCUMENTS = 50
MOST_DOCUMENT_BYTES = 100_000
MOST_SHELF_BYTES = 200_000
"""Of all documents' texts together, in UTF-8: the whole shelf is one stored document."""

DocumentStatus = Literal["pending", "ready", "failed"]
FaultCode = Literal["", "unreadable", "no_room"]


class KnowledgeDocument(Value):
    """One uploaded document.

    Attributes:
        status: ``pending`` until it has been read once; only a ``ready`` one reaches calls.
        fault: why it is ``failed``; ``detail`` says it in words.
        chars: what it takes of the prompt.
        revision: the shelf's when the document was changed last.
    """

    id: str
    name: str
    content_type: ContentType
    text: str
    status: DocumentStatus = "pending"
    fault: FaultCode = ""
    detail: str = ""
    chars: int = 0
    created_at: datetime
    updated_at: datetime
    revision: int = 0


class Shelf(Value):
    """All documents of a tenant, oldest first."""

    schema_version: int = 1
    revision: int = 0
    documents: tuple[KnowledgeDocument, ...] = ()

    @property
    def text_bytes(self) -> int:
        """What all texts take together."""
        return sum(len(one.text.encode()) for one in self.documents)


def read_shelf(body: Mapping[str, JsonValue]) -> Shelf:
    """A shelf out of its document. Raises StoreError."""
    try:
        return Shelf.model_validate(body, extra="ignore")
    except ValidationError as error:
        raise StoreError("store_unavailable", "Uploaded knowledge cannot be read by this release.") from error


Readings = Mapping[str, JsonValue]
"""What the ready documents say, by name."""


def readings(documents: Iterable[KnowledgeDocument]) -> Readings:
    """Read what is ready. A document that this release reads no longer is left out: a call must not fail for it."""
    found: dict[str, JsonValue] = {}
    for one in documents:
        if one.status == "ready":
            try:
                found[one.name] = read_document(one.content_type, one.text)
            except ValueError:
                continue
    return found


def with_readings(config: TenantConfig, read: Readings) -> TenantConfig:
    """The configuration with documents behind its own knowledge. ``config_hash`` of the result names both."""
    if not read:
        return config
    own = config.knowledge_base
    base: dict[str, JsonValue] = own if isinstance(own, dict) else {} if own in (None, "", []) else {"general": own}
    beside = {f"{name} (document)" if name in base else name: value for name, value in read.items()}
    return config.model_copy(update={"knowledge_base": {**base, **beside}})


def prompt_chars(config: TenantConfig, read: Readings) -> int:
    """How long the knowledge is in a prompt, the configuration's own and the documents'."""
    knowledge = with_readings(config, read).knowledge_base
    return len(knowledge_text(knowledge)) if knowledge not in (None, "", [], {}) else 0


def examined(document: KnowledgeDocument, beside: Iterable[KnowledgeDocument], config: TenantConfig) -> KnowledgeDocument:
    """The document as it is after it has been read: ready, or failed and why.

    Args:
        beside: the other documents, which have their room already.
        config: whose prompt has to take all of it.
    """
    try:
        value = read_document(document.content_type, document.text)
    except ValueError as error:
        return _failed(document, "unreadable", f"{document.name} cannot be read: {error}.")
    taken = prompt_chars(config, readings(beside))
    whole = prompt_chars(config, {**readings(beside), document.name: value})
    limit = config.limits.knowledge_chars
    if whole > limit:
        words = f"It takes {whole - taken} characters of the prompt, where {max(0, limit - taken)} of {limit} are left"
        return _failed(document, "no_room", f"{words}: delete another one, or raise limits.knowledge_chars; then retry.")
    return document.model_copy(update={"status": "ready", "fault": "", "detail": "", "chars": whole - taken})


def _failed(document: KnowledgeDocument, fault: FaultCode, detail: str) -> KnowledgeDocument:
    return document.model_copy(update={"status": "failed", "fault": fault, "detail": detail, "chars": 0})
