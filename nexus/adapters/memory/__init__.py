"""Every port in memory: for tests, simulations and a first look; nothing survives the process."""

from nexus.adapters.memory.analytics import MemoryAnalyticsSink
from nexus.adapters.memory.calls import MemoryCallJournal, MemoryCallLedger, MemoryEffectLog
from nexus.adapters.memory.documents import MemoryDocumentStore
from nexus.adapters.memory.recordings import MemoryRecordings
from nexus.adapters.memory.sessions import MemoryLeadStore, MemorySessionArchive, MemorySessionIndex
from nexus.adapters.memory.tenants import MemoryTenantStore, MemoryToolStore

__all__ = [
    "MemoryAnalyticsSink",
    "MemoryCallJournal",
    "MemoryCallLedger",
    "MemoryDocumentStore",
    "MemoryEffectLog",
    "MemoryLeadStore",
    "MemoryRecordings",
    "MemorySessionArchive",
    "MemorySessionIndex",
    "MemoryTenantStore",
    "MemoryToolStore",
]
