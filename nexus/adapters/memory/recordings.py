"""Recordings in memory."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

from nexus.domain.ids import check_call_id, check_tenant_id
from nexus.errors import NotFound


class MemoryRecordings:
    """``kept`` is the sound and its expiry, by tenant and call."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[bytes, datetime]] = {}

    async def put(self, tenant_id: str, call_id: str, file: Path, *, delete_after: datetime) -> None:
        key = (check_tenant_id(tenant_id), check_call_id(call_id))
        self.kept.setdefault(key, (await asyncio.to_thread(file.read_bytes), delete_after))

    async def address(self, tenant_id: str, call_id: str, *, now: datetime, lifetime_s: int) -> str:
        if (tenant_id, call_id) not in self.kept:
            raise NotFound("recording_not_found", "There is no recording of this call.")
        return f"/media/{tenant_id}/{call_id}?expires={int(now.timestamp()) + lifetime_s}"

    async def delete_expired(self, now: datetime) -> int:
        expired = [key for key, (_, delete_after) in self.kept.items() if delete_after <= now]
        for key in expired:
            del self.kept[key]
        return len(expired)

    async def erase_tenant(self, tenant_id: str) -> bool:
        for key in [key for key in self.kept if key[0] == tenant_id]:
            del self.kept[key]
        return True
