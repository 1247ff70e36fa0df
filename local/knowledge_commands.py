"""``nexus knowledge``: documents that a tenant's agent answers from, by REST."""

from __future__ import annotations

import argparse
import stat
from pathlib import Path
from types import MappingProxyType

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from local.client import ControlPlane
from local.client.schemas import KnowledgeBody, KnowledgeItem
from nexus.domain.document_text import ContentType
from nexus.errors import Conflict, RequestRejected

CONTENT_TYPES = MappingProxyType[str, ContentType](
    {
        ".md": "text/markdown",
        ".markdown": "text/markdown",
        ".txt": "text/plain",
        ".html": "text/html",
        ".htm": "text/html",
        ".csv": "text/csv",
        ".json": "application/json",
    }
)
"""How a file is read, by its ending."""


def knowledge_list(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Documents, oldest first, without their texts."""
    table = Table(
        Column("document", no_wrap=True), "name", "status", Column("bytes", justify="right"), "changed (UTC)", box=None, pad_edge=False
    )
    for one in client.knowledge.each(options.tenant):
        status = f"{one['status']}: {one['detail']}" if one["detail"] else one["status"]
        table.add_row(one["id"], escape(one["name"]), escape(status), str(one["bytes"]), one["updated_at"][:19].replace("T", " "))
    console.print(table if table.row_count else f"{options.tenant} has no document yet.")
    return 0


def knowledge_add(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Upload a file; 1 where it could not be read there: it is kept, and no call knows it."""
    file: Path = options.file
    kind = CONTENT_TYPES.get(file.suffix.lower())
    if kind is None:
        raise RequestRejected("invalid_request", f"{file} is none of {', '.join(CONTENT_TYPES)}: save it as text, and name it so.")
    called = options.name or file.stem
    made = _sent(client, options.tenant, {"name": called, "content_type": kind, "text": _text(file)}, replace=options.replace)
    name = escape(made["name"])
    if made["status"] == "ready":
        console.print(f"[green]✓[/green] {name} is known to calls from now on ({made['id']})", highlight=False, soft_wrap=True)
        return 0
    console.print(f"[red]✗[/red] {name} ({made['id']}): {escape(made['detail'] or made['status'])}", highlight=False, soft_wrap=True)
    return 1


def knowledge_remove(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Forget a document, by its id or its name."""
    document_id = next((one["id"] for one in client.knowledge.each(options.tenant) if options.document == one["name"]), options.document)
    client.knowledge.delete(options.tenant, document_id)
    console.print(f"[green]✓[/green] {escape(options.document)} is forgotten; calls that live keep it", highlight=False, soft_wrap=True)
    return 0


KNOWLEDGE = (knowledge_list, knowledge_add, knowledge_remove)


def _sent(client: ControlPlane, tenant_id: str, body: KnowledgeBody, *, replace: bool) -> KnowledgeItem:
    there = next((one["id"] for one in client.knowledge.each(tenant_id) if one["name"] == body["name"]), "") if replace else ""
    if there:
        return client.knowledge.replace(tenant_id, there, body)
    try:
        return client.knowledge.add(tenant_id, body)
    except Conflict as error:
        if error.code != "knowledge_exists":
            raise
        words = f"{tenant_id} has a document {body['name']} already: --replace puts this file in its place, --name gives it another name."
        raise Conflict(error.code, words) from error


def _text(file: Path) -> str:
    """Of a file alone: a pipe may never end, and a device never does."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise RequestRejected("invalid_request", f"{file} is no file.")
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestRejected("invalid_request", f"{file} cannot be read as UTF-8 text: {error}") from error
