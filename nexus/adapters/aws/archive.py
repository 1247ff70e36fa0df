"""Archived sessions in S3: one immutable object a call, private transcripts beside them until they expire."""

from __future__ import annotations

import asyncio
import gzip
from datetime import datetime

from nexus.adapters.aws import keys
from nexus.adapters.aws.bucket import Bucket
from nexus.adapters.aws.expiry import Marks, delete_due
from nexus.adapters.aws.keys import TenantContext
from nexus.domain import archive
from nexus.domain.session import PrivateTranscript, SessionRecord
from nexus.errors import NotFound, StoreError

_TYPE = "application/gzip"
_MARKS = Marks(keys.EXPIRY_PREFIX, keys.read_expiry_mark, keys.private_object)


class S3SessionArchive:
    """The record is written last: where a record is, its private transcript was, and before that the mark that will delete it.

    A mark is an empty object whose name sorts by the moment it is due, so finding what has expired reads only what has.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def put(self, record: SessionRecord, private: PrivateTranscript) -> None:
        of = TenantContext(record.tenant_id)
        name = keys.session_object(of, record.id)
        if await self._bucket.has(name):
            return
        await self._bucket.put_new(keys.expiry_mark(of, record.id, private.delete_after), b"", content_type="text/plain")
        await self._write(keys.private_object(of, record.id), private, {"delete-after": private.delete_after.isoformat()})
        await self._write(name, record, {})

    async def get(self, tenant_id: str, call_id: str) -> SessionRecord:
        data = await self._bucket.get(keys.session_object(TenantContext(tenant_id), call_id))
        if data is None:
            raise NotFound("session_not_found", "There is no such session.")
        return archive.decode_record(await _unpacked(data))

    async def get_private(self, tenant_id: str, call_id: str) -> PrivateTranscript | None:
        data = await self._bucket.get(keys.private_object(TenantContext(tenant_id), call_id))
        return None if data is None else archive.decode_private(await _unpacked(data))

    async def list_calls(self, tenant_id: str) -> tuple[str, ...]:
        prefix = keys.session_objects(TenantContext(tenant_id))
        return tuple([keys.call_of_object(name) async for name in self._bucket.names(prefix)])

    async def delete_expired(self, now: datetime) -> int:
        return await delete_due(self._bucket, _MARKS, below=keys.expired_before(now))

    async def erase_tenant(self, tenant_id: str) -> bool:
        """Transcripts first, recordings too."""
        for prefix in keys.tenant_objects(TenantContext(tenant_id)):
            await self._bucket.delete_many([name async for name in self._bucket.names(prefix)])
        return True

    async def _write(self, name: str, value: SessionRecord | PrivateTranscript, metadata: dict[str, str]) -> None:
        data = await asyncio.to_thread(lambda: gzip.compress(archive.encode_record(value), mtime=0))
        await self._bucket.put_new(name, data, content_type=_TYPE, metadata=metadata)


async def _unpacked(data: bytes) -> bytes:
    try:
        return await asyncio.to_thread(gzip.decompress, data)
    except (OSError, EOFError) as error:
        raise StoreError("store_unavailable", "An archived object is not gzip: it was not written by this product.") from error
