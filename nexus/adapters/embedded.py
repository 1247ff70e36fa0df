"""The stores of one machine: tenants' folders, files and SQLite under DATA_DIR, and the keys beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nexus.adapters import keys
from nexus.adapters.document_tenants import DocumentTenantStore
from nexus.adapters.files import FileCallJournal, FileRecordings, FileSessionArchive, FileTenantStore
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
from nexus.errors import ConfigurationError
from nexus.ports.calls import CallJournal, LiveLedger
from nexus.ports.documents import DocumentStore
from nexus.ports.erasure import Erasable
from nexus.ports.ids import Ids
from nexus.ports.sessions import LeadStore, SessionArchive, SessionIndex
from nexus.ports.tenants import TenantStore
from nexus.ports.tools import EffectLog, ToolStore
from nexus.settings.choices import StoresName
from nexus.settings.values import Settings


@dataclass(frozen=True, slots=True)
class EmbeddedStores:
    """One of each."""

    tenants: TenantStore
    folders: TenantStore
    """Only the tenants that lie in folders; ``tenants`` has all."""
    archive: SessionArchive
    recordings: FileRecordings
    journal: CallJournal
    ledger: LiveLedger
    sessions: SessionIndex
    leads: LeadStore
    tool_values: ToolStore
    effects: EffectLog
    documents: DocumentStore
    ids: Ids
    erasable: Mapping[str, Erasable]
    """What must forget a tenant that is deleted, in this order; documents and journals beside."""


def embedded_stores(settings: Settings) -> EmbeddedStores:
    """Open nothing yet: files and tables are made when first used, so that a fault shows where it matters.

    Raises:
        ConfigurationError: ``setting_invalid``, the settings want the state elsewhere.
    """
    if settings.stores is not StoresName.EMBEDDED:
        raise ConfigurationError(
            "setting_invalid",
            f"STORES={settings.stores.value} is for `python -m media_plane`; this works over DATA_DIR: leave STORES out.",
        )
    database = Database(settings.data_dir / "nexus.sqlite")
    folders = FileTenantStore(settings.tenants_dir)
    documents = SqliteDocumentStore(database)
    archive = FileSessionArchive(settings.data_dir)
    recordings = FileRecordings(settings.data_dir, lambda: keys.pepper(settings.keys_dir / "media"))
    ledger = SqliteCallLedger(database)
    sessions, leads = SqliteSessionIndex(database), SqliteLeadStore(database)
    tool_values, effects = SqliteToolStore(database), SqliteEffectLog(database)
    return EmbeddedStores(
        tenants=DocumentTenantStore(documents, folders),
        folders=folders,
        archive=archive,
        recordings=recordings,
        journal=FileCallJournal(settings.data_dir),
        ledger=ledger,
        sessions=sessions,
        leads=leads,
        tool_values=tool_values,
        effects=effects,
        documents=documents,
        ids=UlidIds(),
        erasable={
            "calls": ledger,
            "archive": archive,
            "recordings": recordings,
            "index": sessions,
            "leads": leads,
            "tool_values": tool_values,
            "effects": effects,
        },
    )


def ticket_private_key(settings: Settings) -> str:
    """The key that signs tickets (control plane). Raises Unavailable."""
    return keys.private_key(Path(settings.ticket_private_key_file or settings.keys_dir / "ticket.pem"))


def ticket_public_keys(settings: Settings) -> Mapping[str, str]:
    """The keys whose tickets are taken (media plane), by kid. Raises Unavailable, ConfigurationError."""
    if settings.ticket_public_keys.strip():
        return keys.public_keys_of(settings.ticket_public_keys)
    return keys.public_keys(Path(settings.ticket_public_keys_dir or settings.keys_dir))


def call_pepper(settings: Settings) -> bytes:
    """What callers' numbers are hashed with. Raises Unavailable."""
    if told := settings.call_pepper.get_secret_value().strip():
        return bytes.fromhex(told)
    return keys.pepper(Path(settings.call_pepper_file or settings.keys_dir / "pepper"))


def seal_key(settings: Settings) -> bytes:
    """What secrets at rest are sealed and opened with, in both planes. Raises Unavailable."""
    if told := settings.seal_key.get_secret_value().strip():
        return bytes.fromhex(told)
    return keys.pepper(settings.keys_dir / "seal")
