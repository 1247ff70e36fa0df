"""Recordings as files, ``media/{tenant}/{call}.{when to delete it}.opus``, given out under signed addresses that expire."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from nexus.adapters.files import disk
from nexus.domain.ids import check_call_id, check_tenant_id
from nexus.errors import NotAuthorised, NotFound

PATH = "/media"
"""Under which the server of this machine gives recordings out."""
_WHEN = "%Y%m%dT%H%M%SZ"


class FileRecordings:
    """Implements ``Recordings``; ``opened`` is for whoever serves the addresses.

    Args:
        data_dir: under which ``media`` lies.
        key: gives what addresses are signed with; asked when first needed.
    """

    def __init__(self, data_dir: Path, key: Callable[[], bytes]) -> None:
        self._media = data_dir / "media"
        self._key = key

    async def put(self, tenant_id: str, call_id: str, file: Path, *, delete_after: datetime) -> None:
        folder = self._media / check_tenant_id(tenant_id)
        path = folder / f"{check_call_id(call_id)}.{delete_after.astimezone(UTC).strftime(_WHEN)}.opus"
        with disk.translated(path):
            if await asyncio.to_thread(self._found, tenant_id, call_id) is None:
                await asyncio.to_thread(disk.copy_once, file, path)

    async def address(self, tenant_id: str, call_id: str, *, now: datetime, lifetime_s: int) -> str:
        with disk.translated(self._media):
            if await asyncio.to_thread(self._found, tenant_id, call_id) is None:
                raise _none()
        expires = int(now.timestamp()) + lifetime_s
        signature = await asyncio.to_thread(self._signature, tenant_id, call_id, expires)
        return f"{PATH}/{tenant_id}/{call_id}?expires={expires}&signature={signature}"

    async def opened(self, tenant_id: str, call_id: str, *, expires: int, signature: str, now: datetime) -> Path:
        """The file that an address means.

        Raises:
            NotAuthorised: ``credential_invalid``: we did not sign this; ``credential_expired``.
            NotFound: ``recording_not_found``: deleted since.
        """
        meant = await asyncio.to_thread(self._signature, check_tenant_id(tenant_id), check_call_id(call_id), expires)
        if not hmac.compare_digest(meant.encode(), signature.encode()):
            raise NotAuthorised("credential_invalid", "This address was not given out by this server; ask for a fresh one.")
        if now.timestamp() >= expires:
            raise NotAuthorised("credential_expired", "This address has expired; ask for a fresh one.")
        found = await asyncio.to_thread(self._found, tenant_id, call_id)
        if found is None:
            raise _none()
        return found

    async def delete_expired(self, now: datetime) -> int:
        with disk.translated(self._media):
            return await asyncio.to_thread(self._delete_expired, now.astimezone(UTC).strftime(_WHEN))

    async def erase_tenant(self, tenant_id: str) -> bool:
        check_tenant_id(tenant_id)
        with disk.translated(self._media):
            await asyncio.to_thread(disk.remove_folder, self._media / tenant_id)
        return True

    def _found(self, tenant_id: str, call_id: str) -> Path | None:
        return next((self._media / check_tenant_id(tenant_id)).glob(f"{check_call_id(call_id)}.*.opus"), None)

    def _delete_expired(self, now: str) -> int:
        deleted = 0
        for path in self._media.glob("*/call_*.*.opus"):
            if path.name.split(".")[1] <= now:
                path.unlink(missing_ok=True)
                deleted += 1
        return deleted

    def _signature(self, tenant_id: str, call_id: str, expires: int) -> str:
        said = f"recording\n{tenant_id}\n{call_id}\n{expires}".encode()
        return hmac.new(self._key(), said, hashlib.sha256).hexdigest()


def _none() -> NotFound:
    return NotFound("recording_not_found", "There is no recording of this call.")
