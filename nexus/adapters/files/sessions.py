"""Archived sessions as files: ``history/{tenant}/{call}.json`` for ever, ``private/{tenant}/{call}.json`` until it expires."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

from nexus.adapters.files import disk
from nexus.domain import archive
from nexus.domain.ids import check_tenant_id
from nexus.domain.session import PrivateTranscript, SessionRecord
from nexus.errors import NotFound, StoreError


class FileSessionArchive:
    """The record is written last: where a record is, its private transcript was."""

    def __init__(self, data_dir: Path) -> None:
        self._history = data_dir / "history"
        self._private = data_dir / "private"

    async def put(self, record: SessionRecord, private: PrivateTranscript) -> None:
        await asyncio.to_thread(self._put, record, private)

    async def get(self, tenant_id: str, call_id: str) -> SessionRecord:
        path = self._history / archive.record_key(tenant_id, call_id)
        try:
            with disk.translated(path):
                return archive.decode_record(await asyncio.to_thread(path.read_bytes))
        except FileNotFoundError as error:
            raise NotFound("session_not_found", "There is no such session.") from error

    async def get_private(self, tenant_id: str, call_id: str) -> PrivateTranscript | None:
        path = self._private / archive.record_key(tenant_id, call_id)
        try:
            with disk.translated(path):
                return archive.decode_private(await asyncio.to_thread(path.read_bytes))
        except FileNotFoundError:
            return None

    async def list_calls(self, tenant_id: str) -> tuple[str, ...]:
        folder = self._history / check_tenant_id(tenant_id)
        with disk.translated(folder):
            return await asyncio.to_thread(lambda: tuple(sorted(path.stem for path in folder.glob("call_*.json"))))

    async def delete_expired(self, now: datetime) -> int:
        with disk.translated(self._private):
            return await asyncio.to_thread(self._delete_expired, now)

    async def erase_tenant(self, tenant_id: str) -> bool:
        check_tenant_id(tenant_id)
        for root in (self._private, self._history):
            with disk.translated(root):
                await asyncio.to_thread(disk.remove_folder, root / tenant_id)
        return True

    def _put(self, record: SessionRecord, private: PrivateTranscript) -> None:
        key = archive.record_key(record.tenant_id, record.id)
        with disk.translated(self._history / key):
            if (self._history / key).exists():
                return
            disk.write_once(self._private / key, archive.encode_record(private))
            disk.write_once(self._history / key, archive.encode_record(record))

    def _delete_expired(self, now: datetime) -> int:
        deleted = 0
        for path in self._private.glob("*/call_*.json"):
            try:
                expired = archive.decode_private(path.read_bytes()).delete_after <= now
            except StoreError:
                continue  # from a newer release: not ours to delete
            if expired:
                path.unlink(missing_ok=True)
                deleted += 1
        return deleted
