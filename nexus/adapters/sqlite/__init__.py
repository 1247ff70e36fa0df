"""SQLite, one file: index, leads, tools' stores, effects and the capacity ledger; safe for several processes."""

from nexus.adapters.sqlite.database import Database
from nexus.adapters.sqlite.documents import SqliteDocumentStore
from nexus.adapters.sqlite.ledger import SqliteCallLedger
from nexus.adapters.sqlite.sessions import SqliteLeadStore, SqliteSessionIndex
from nexus.adapters.sqlite.tools import SqliteEffectLog, SqliteToolStore

__all__ = [
    "Database",
    "SqliteCallLedger",
    "SqliteDocumentStore",
    "SqliteEffectLog",
    "SqliteLeadStore",
    "SqliteSessionIndex",
    "SqliteToolStore",
]
