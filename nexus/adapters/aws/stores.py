"""The stores in AWS: one of each port over one table and one bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nexus.adapters.aws.archive import S3SessionArchive
from nexus.adapters.aws.bucket import Bucket
from nexus.adapters.aws.connection import AwsPlace, Connection
from nexus.adapters.aws.documents import DynamoDocumentStore
from nexus.adapters.aws.journal import DynamoCallJournal
from nexus.adapters.aws.ledger import DynamoCallLedger
from nexus.adapters.aws.recordings import S3Recordings
from nexus.adapters.aws.sessions import DynamoLeadStore, DynamoSessionIndex
from nexus.adapters.aws.table import Table
from nexus.adapters.aws.tenant_sessions import TenantProvider, TenantSessions
from nexus.adapters.aws.tools import DynamoEffectLog, DynamoToolStore
from nexus.adapters.document_tenants import DocumentTenantStore
from nexus.adapters.identifiers import UlidIds
from nexus.adapters.memory import MemoryTenantStore
from nexus.ports.erasure import Erasable
from nexus.ports.ids import Ids


@dataclass(frozen=True, slots=True)
class AwsStores:
    """One of each, under the names of ``EmbeddedStores``."""

    tenants: DocumentTenantStore
    folders: MemoryTenantStore
    """In AWS no tenants lie in folders."""
    archive: S3SessionArchive
    journal: DynamoCallJournal
    ledger: DynamoCallLedger
    sessions: DynamoSessionIndex
    leads: DynamoLeadStore
    tool_values: DynamoToolStore
    effects: DynamoEffectLog
    documents: DynamoDocumentStore
    recordings: S3Recordings
    ids: Ids
    erasable: Mapping[str, Erasable]
    """What must forget a tenant that is deleted, in this order; documents and journals beside."""
    connection: Connection
    tenant_connection: Connection
    """Like ``connection``; under the role of the tenant at hand, where there is one."""
    door: DynamoDocumentStore
    """``documents``, under the process's own role."""

    def close(self) -> None:
        """Take no more requests."""
        self.connection.close()
        self.tenant_connection.close()


def aws_stores(place: AwsPlace, tenant_role: str = "") -> AwsStores:
    """Make the clients; nothing is asked of AWS yet.

    Args:
        place: where the stores are.
        tenant_role: ARN of the role under which a tenant's own things are asked for, narrowed to the tenant at hand; the ledger, heads and
            whatever is the operator's are asked for under the role that the process runs under. Empty: that one for everything.
    """
    connection = Connection(place)
    tenants = Connection(place, TenantProvider(TenantSessions(connection, tenant_role))) if tenant_role else connection
    own = Table(connection)
    table, bucket = Table(tenants) if tenant_role else own, Bucket(tenants)
    door, folders = DynamoDocumentStore(own), MemoryTenantStore()
    documents = DynamoDocumentStore(table, of_operator=own)
    archive, recordings = S3SessionArchive(bucket), S3Recordings(bucket)
    ledger = DynamoCallLedger(own, place.fleet)
    sessions, leads = DynamoSessionIndex(table), DynamoLeadStore(table)
    tool_values, effects = DynamoToolStore(table), DynamoEffectLog(table)
    return AwsStores(
        tenants=DocumentTenantStore(door, folders),
        folders=folders,
        archive=archive,
        journal=DynamoCallJournal(own),
        ledger=ledger,
        sessions=sessions,
        leads=leads,
        tool_values=tool_values,
        effects=effects,
        documents=documents,
        recordings=recordings,
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
        connection=connection,
        tenant_connection=tenants,
        door=door,
    )
