"""Recordings in S3: ``media/tenant_id=<tenant>/dt=<day>/<call>/recording.opus``, given out by presigned URLs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from nexus.adapters.aws import keys
from nexus.adapters.aws.bucket import Bucket
from nexus.adapters.aws.expiry import Marks, delete_due
from nexus.adapters.aws.keys import TenantContext
from nexus.errors import NotFound

NAME = "recording.opus"
MEDIA_TYPE = "audio/ogg"
LONGEST_URL_S = 900
_MARKS = Marks(keys.MEDIA_EXPIRY_PREFIX, keys.read_media_expiry_mark, lambda of, call_id: keys.media_object(of, call_id, NAME))


class S3Recordings:
    """Implements ``Recordings``. The mark that will delete it is written before the recording is."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def put(self, tenant_id: str, call_id: str, file: Path, *, delete_after: datetime) -> None:
        of = TenantContext(tenant_id)
        name = keys.media_object(of, call_id, NAME)
        if await self._bucket.has(name):
            return
        await self._bucket.put_new(keys.media_expiry_mark(of, call_id, delete_after), b"", content_type="text/plain")
        await self._bucket.put_new(name, file, content_type=MEDIA_TYPE, metadata={"delete-after": delete_after.isoformat()})

    async def address(self, tenant_id: str, call_id: str, *, now: datetime, lifetime_s: int) -> str:
        """S3 itself reckons from the moment of signing; at most fifteen minutes."""
        name = keys.media_object(TenantContext(tenant_id), call_id, NAME)
        if not await self._bucket.has(name):
            raise NotFound("recording_not_found", "There is no recording of this call.")
        return self._bucket.url(name, lifetime_s=max(1, min(lifetime_s, LONGEST_URL_S)))

    async def delete_expired(self, now: datetime) -> int:
        return await delete_due(self._bucket, _MARKS, below=keys.media_expired_before(now))

    async def erase_tenant(self, tenant_id: str) -> bool:
        prefix = keys.media_objects(TenantContext(tenant_id))
        await self._bucket.delete_many([name async for name in self._bucket.names(prefix)])
        return True
