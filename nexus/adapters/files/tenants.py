"""Tenants as folders: ``tenants/<id>/config.yaml``, read anew whenever it changes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from nexus.domain.config_check import MAX_CONFIG_BYTES
from nexus.domain.config_file import parse_config
from nexus.domain.ids import check_tenant_id
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError, NotFound
from nexus.ports.tenants import CallTerms

_TICK_NS = 2_000_000_000
"""Two edits of the same length within one tick of the file system's clock look alike: so fresh a file is read again each time."""


@dataclass(frozen=True, slots=True)
class _Read:
    stamp: tuple[int, int, int, int]
    config: TenantConfig | ConfigurationError


class FileTenantStore:
    """Folders whose names begin with ``_`` or ``.`` are not tenants; a link out of the root is not followed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._cache: dict[str, _Read] = {}

    async def get(self, tenant_id: str) -> TenantConfig:
        check_tenant_id(tenant_id)
        return await asyncio.to_thread(self._get, tenant_id)

    async def for_call(self, tenant_id: str, version: int | None = None, *, pick: str = "") -> CallTerms:
        return CallTerms(await self.get(tenant_id))

    async def list_ids(self) -> tuple[str, ...]:
        return await asyncio.to_thread(self._list_ids)

    def _list_ids(self) -> tuple[str, ...]:
        if not self._root.is_dir():
            raise ConfigurationError("setting_invalid", f"TENANTS_DIR {self._root} is no folder.")
        return tuple(sorted(entry.name for entry in self._root.iterdir() if self._is_tenant(entry)))

    def _is_tenant(self, folder: Path) -> bool:
        return folder.name[:1] not in "_." and folder.is_dir() and (folder / "config.yaml").is_file()

    def _get(self, tenant_id: str) -> TenantConfig:
        path = self._root / tenant_id / "config.yaml"
        try:
            if not path.resolve().is_relative_to(self._root.resolve()):
                raise NotFound("tenant_not_found", f"There is no tenant {tenant_id!r}.")
            state = path.stat()
        except OSError as error:
            raise NotFound("tenant_not_found", f"There is no tenant {tenant_id!r}.") from error
        stamp = (state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_ino)
        known = self._cache.get(tenant_id)
        if known is None or known.stamp != stamp or time.time_ns() - state.st_ctime_ns < _TICK_NS:
            known = self._cache[tenant_id] = _Read(stamp, _parse(path, tenant_id))
        if isinstance(known.config, ConfigurationError):
            raise ConfigurationError(known.config.code, known.config.public_message, faults=known.config.faults)
        return known.config


def _parse(path: Path, tenant_id: str) -> TenantConfig | ConfigurationError:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_CONFIG_BYTES + 1).decode("utf-8")
        return parse_config(text, folder=tenant_id)
    except ConfigurationError as error:
        return error
    except (OSError, UnicodeDecodeError) as error:
        fault = f"line 1: config.yaml cannot be read as UTF-8 text: {error}"
        return ConfigurationError("invalid_config", f"{tenant_id}: {fault}", faults=(fault,))
