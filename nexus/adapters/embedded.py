"""The stores of one machine: tenants' folders, files and SQLite under DATA_DIR, and the keys beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nexus.adapters import keys
from nexus.adapters.files import FileCallJournal, FileSessionArchive, FileTenantStore
from nexus.adapters.identifiers import UlidIds
from nexus.adapters.sqlite import (
    Database,
    SqliteCallLedger,
    SqliteDocumentStore,
    SqliteEffectLog,
    SqliteLeadStore,
    SqliteSessionIndex,
    SqliteToolStore,
)
from nexus.ports import (
    CallJournal,
    CallLedger,
    DocumentStore,
    EffectLog,
    Ids,
    LeadStore,
    SessionArchive,
    SessionIndex,
    TenantStore,
    ToolStore,
)
from nexus.settings import Settings


@dataclass(frozen=True, slots=True)
class EmbeddedStores:
    """One of each."""

    tenants: TenantStore
    archive: SessionArchive
    journal: CallJournal
    ledger: CallLedger
    sessions: SessionIndex
    leads: LeadStore
    tool_values: ToolStore
    effects: EffectLog
    documents: DocumentStore
    ids: Ids


def embedded_stores(settings: Settings) -> EmbeddedStores:
    """Open nothing yet: files and tables are made when first used, so that a fault shows where it matters."""
    database = Database(settings.data_dir / "nexus.sqlite")
    return EmbeddedStores(
        tenants=FileTenantStore(settings.tenants_dir),
        archive=FileSessionArchive(settings.data_dir),
        journal=FileCallJournal(settings.data_dir),
        ledger=SqliteCallLedger(database),
        sessions=SqliteSessionIndex(database),
        leads=SqliteLeadStore(database),
        tool_values=SqliteToolStore(database),
        effects=SqliteEffectLog(database),
        documents=SqliteDocumentStore(database),
        ids=UlidIds(),
    )


def ticket_private_key(settings: Settings) -> str:
    """The key that signs tickets (control plane). Raises Unavailable."""
    return keys.private_key(Path(settings.ticket_private_key_file or settings.keys_dir / "ticket.pem"))


def ticket_public_keys(settings: Settings) -> Mapping[str, str]:
    """The keys whose tickets are taken (media plane), by kid. Raises Unavailable."""
    return keys.public_keys(Path(settings.ticket_public_keys_dir or settings.keys_dir))


def call_pepper(settings: Settings) -> bytes:
    """What callers' numbers are hashed with. Raises Unavailable."""
    return keys.pepper(Path(settings.call_pepper_file or settings.keys_dir / "pepper"))
