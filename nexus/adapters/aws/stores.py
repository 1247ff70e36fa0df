"""The stores in AWS: one of each port over one table and one bucket."""

from __future__ import annotations

from dataclasses import dataclass

from nexus.adapters.aws.archive import S3Media, S3SessionArchive
from nexus.adapters.aws.bucket import Bucket
from nexus.adapters.aws.connection import AwsPlace, Connection
from nexus.adapters.aws.journal import DynamoCallJournal
from nexus.adapters.aws.ledger import DynamoCallLedger
from nexus.adapters.aws.sessions import DynamoLeadStore, DynamoSessionIndex
from nexus.adapters.aws.table import Table
from nexus.adapters.aws.tenants import DynamoTenantStore
from nexus.adapters.aws.tools import DynamoEffectLog, DynamoToolStore
from nexus.adapters.identifiers import UlidIds
from nexus.ports import Ids


@dataclass(frozen=True, slots=True)
class AwsStores:
    """One of each, under the names of ``EmbeddedStores``; ``media`` gives addresses of recordings."""

    tenants: DynamoTenantStore
    archive: S3SessionArchive
    journal: DynamoCallJournal
    ledger: DynamoCallLedger
    sessions: DynamoSessionIndex
    leads: DynamoLeadStore
    tool_values: DynamoToolStore
    effects: DynamoEffectLog
    media: S3Media
    ids: Ids
    connection: Connection

    def close(self) -> None:
        """Take no more requests."""
        self.connection.close()


def aws_stores(place: AwsPlace) -> AwsStores:
    """Make the clients; nothing is asked of AWS yet. The rights are those of the role that the process runs under."""
    connection = Connection(place)
    table, bucket = Table(connection), Bucket(connection)
    return AwsStores(
        tenants=DynamoTenantStore(table),
        archive=S3SessionArchive(bucket),
        journal=DynamoCallJournal(table),
        ledger=DynamoCallLedger(table, place.fleet),
        sessions=DynamoSessionIndex(table),
        leads=DynamoLeadStore(table),
        tool_values=DynamoToolStore(table),
        effects=DynamoEffectLog(table),
        media=S3Media(bucket),
        ids=UlidIds(),
        connection=connection,
    )
