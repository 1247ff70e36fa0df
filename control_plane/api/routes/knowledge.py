"""Uploaded knowledge: small documents that a tenant's agent answers from."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from control_plane.api.asked import Services
from control_plane.api.etags import IfMatch, matched_version, version_tag
from control_plane.api.wire import TenantId, refusals, told
from control_plane.services.knowledge import NewDocument
from nexus.domain.document_text import ContentType
from nexus.domain.knowledge_shelf import MOST_DOCUMENT_BYTES, MOST_DOCUMENTS, MOST_SHELF_BYTES, KnowledgeDocument

router = APIRouter(prefix="/v1/tenants/{tenant_id}/knowledge", tags=["knowledge"])
DocumentId = Annotated[str, Path(max_length=64, examples=["doc_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"])]


class KnowledgeBody(BaseModel):
    """A document to be known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$", examples=["Parking"])
    content_type: ContentType = Field(default="text/markdown", description="how text is read")
    text: str = Field(min_length=1, description=f"at most {MOST_DOCUMENT_BYTES} bytes in UTF-8")


class KnowledgeItem(BaseModel):
    """A document, without its text."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(examples=["doc_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"])
    object: Literal["knowledge_document"] = "knowledge_document"
    tenant_id: str
    name: str
    content_type: ContentType
    status: Literal["pending", "ready", "failed"] = Field(description="only a ready document is known in calls; pending: retry it")
    fault: Literal["", "unreadable", "no_room"] = Field(description="why it is failed")
    detail: str = Field(description="the same in words, with what to do")
    bytes: int = Field(description="of its text in UTF-8")
    prompt_chars: int = Field(description="what it takes of the prompt")
    created_at: datetime
    updated_at: datetime


class KnowledgeDetail(KnowledgeItem):
    """A document with its text."""

    text: str


class KnowledgePage(BaseModel):
    model_config = ConfigDict(frozen=True)

    data: tuple[KnowledgeItem, ...]
    has_more: bool
    next_cursor: str | None
    used_bytes: int = Field(description="of all texts")
    max_bytes: int = MOST_SHELF_BYTES
    max_documents: int = MOST_DOCUMENTS


@router.post("", operation_id="createKnowledge", status_code=201, response_model=KnowledgeItem, responses=refusals(404, 409, 413, 415, 429))
async def create_knowledge(tenant_id: TenantId, body: KnowledgeBody, services: Services) -> Response:
    """Upload a document. It is read at once: ``status`` says what came of it. Calls that begin from then on know it."""
    made = await services.knowledge.add(tenant_id, _new(body))
    location = f"/v1/tenants/{tenant_id}/knowledge/{made.id}"
    return told(_item(tenant_id, made), status=201, headers={"Location": location, "ETag": version_tag(made.revision)})


@router.get("", operation_id="listKnowledge", response_model=KnowledgePage, responses=refusals(404))
async def list_knowledge(tenant_id: TenantId, services: Services) -> Response:
    """Every document without its text, oldest first, in one page."""
    shelf = await services.knowledge.shelf(tenant_id)
    data = tuple(_item(tenant_id, one) for one in shelf.documents)
    return told(KnowledgePage(data=data, has_more=False, next_cursor=None, used_bytes=shelf.text_bytes))


@router.get("/{document_id}", operation_id="getKnowledge", response_model=KnowledgeDetail, responses=refusals(404))
async def get_knowledge(tenant_id: TenantId, document_id: DocumentId, services: Services) -> Response:
    """One document with its text."""
    found = await services.knowledge.get(tenant_id, document_id)
    detail = KnowledgeDetail(**_item(tenant_id, found).model_dump(), text=found.text)
    return told(detail, headers={"ETag": version_tag(found.revision)})


@router.put(
    "/{document_id}", operation_id="replaceKnowledge", response_model=KnowledgeItem, responses=refusals(404, 409, 412, 413, 415, 428, 429)
)
async def replace_knowledge(
    tenant_id: TenantId, document_id: DocumentId, body: KnowledgeBody, services: Services, if_match: IfMatch = ""
) -> Response:
    """Another text in a document's place; ``If-Match`` names the one that was read."""
    changed = await services.knowledge.replace(tenant_id, document_id, _new(body), expected=matched_version(if_match))
    return told(_item(tenant_id, changed), headers={"ETag": version_tag(changed.revision)})


@router.delete(
    "/{document_id}", operation_id="deleteKnowledge", status_code=204, response_class=Response, responses=refusals(404, 409, 412)
)
async def delete_knowledge(tenant_id: TenantId, document_id: DocumentId, services: Services, if_match: IfMatch = "") -> Response:
    """Forget a document. Calls that live keep what they began with."""
    await services.knowledge.delete(tenant_id, document_id, expected=matched_version(if_match, required=False))
    return Response(status_code=204)


@router.post("/{document_id}:retry", operation_id="retryKnowledge", response_model=KnowledgeItem, responses=refusals(404, 409))
async def retry_knowledge(tenant_id: TenantId, document_id: DocumentId, services: Services) -> Response:
    """Read a document again that is failed or was left pending; a ready one stays as it is."""
    found = await services.knowledge.retry(tenant_id, document_id)
    return told(_item(tenant_id, found), headers={"ETag": version_tag(found.revision)})


def _new(body: KnowledgeBody) -> NewDocument:
    return NewDocument(body.name.strip(), body.content_type, body.text)


def _item(tenant_id: str, document: KnowledgeDocument) -> KnowledgeItem:
    return KnowledgeItem(
        id=document.id,
        tenant_id=tenant_id,
        name=document.name,
        content_type=document.content_type,
        status=document.status,
        fault=document.fault,
        detail=document.detail,
        bytes=len(document.text.encode()),
        prompt_chars=document.chars,
        created_at=document.created_at,
        updated_at=document.updated_at,
    )
