"""Analytics rows into a Firehose stream, which writes them as Parquet under ``lake/sessions/tenant_id=/dt=/`` of the bucket."""

from __future__ import annotations

from datetime import UTC, datetime

from nexus.adapters.aws import keys
from nexus.adapters.aws.bucket import Bucket
from nexus.adapters.aws.connection import Connection
from nexus.adapters.aws.keys import TenantContext
from nexus.domain.analytics import AnalyticsRow


class FirehoseAnalyticsSink:
    """One record a row. A row that is handed over twice stands there twice: queries take the highest ``reading`` of a call once.

    Args:
        connection: how AWS is asked.
        stream: the stream's name.
        bucket: where its files lie.
    """

    def __init__(self, connection: Connection, stream: str, bucket: Bucket) -> None:
        self._connection = connection
        self._stream = stream
        self._bucket = bucket

    async def put(self, row: AnalyticsRow) -> None:
        """See ``AnalyticsSink.put``. Each record is one line of JSON."""
        record = {"DeliveryStreamName": self._stream, "Record": {"Data": _line(row)}}
        await self._connection.send(lambda: self._connection.client("firehose").put_record(**record))

    async def erase_tenant(self, tenant_id: str) -> bool:
        """Delete the tenant's files; false as long as there were any, since the stream may still hold rows for some minutes."""
        names = [name async for name in self._bucket.names(keys.analytics_objects(TenantContext(tenant_id)))]
        await self._bucket.delete_many(names)
        return not names


def _line(row: AnalyticsRow) -> bytes:
    """Times in UTC with a Z: of all ways to write an offset, the one that Firehose's JSON reader knows.

    **Source:** Amazon Data Firehose Developer Guide, "Convert input data format".
    """
    times = {name: value.astimezone(UTC) for name, value in row if isinstance(value, datetime)}
    return row.model_copy(update=times).model_dump_json().encode() + b"\n"
