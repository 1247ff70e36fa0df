"""Files: tenants' folders, archived sessions and journals of living calls."""

from nexus.adapters.files.journal import FileCallJournal
from nexus.adapters.files.recordings import FileRecordings
from nexus.adapters.files.sessions import FileSessionArchive
from nexus.adapters.files.tenants import FileTenantStore

__all__ = ["FileCallJournal", "FileRecordings", "FileSessionArchive", "FileTenantStore"]
