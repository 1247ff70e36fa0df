"""What the media plane keeps things in: one of each port, wherever they lie."""

from __future__ import annotations

from typing import Protocol

from nexus.ports.calls import CallJournal, CallLedger
from nexus.ports.documents import DocumentStore
from nexus.ports.ids import Ids
from nexus.ports.sessions import Recordings, SessionArchive
from nexus.ports.tenants import TenantStore
from nexus.ports.tools import EffectLog, ToolStore


class MediaStores(Protocol):
    """The media plane's share of ``EmbeddedStores`` and of ``AwsStores``."""

    @property
    def tenants(self) -> TenantStore: ...
    @property
    def ledger(self) -> CallLedger: ...
    @property
    def journal(self) -> CallJournal: ...
    @property
    def archive(self) -> SessionArchive: ...
    @property
    def recordings(self) -> Recordings: ...
    @property
    def tool_values(self) -> ToolStore: ...
    @property
    def effects(self) -> EffectLog: ...
    @property
    def documents(self) -> DocumentStore: ...
    @property
    def ids(self) -> Ids: ...
