"""Check a tenant's ``tools.py`` without a call: for ``nexus tenant check``."""

from __future__ import annotations

from typing import Any

from media_plane.tooling.catalogue import catalogue_of
from media_plane.tooling.process import ProcessLimits, start_process
from media_plane.tooling.vet import vet
from nexus.domain.tenant import TenantConfig
from nexus.errors import ToolError, Unavailable
from nexus.tools import Stored


class _NoStore:
    """A ``ToolStore`` for code that is only looked at."""

    async def get(self, tenant_id: str, key: str) -> Stored | None:
        raise Unavailable("store_unavailable", "tools are only checked here")

    async def put(self, tenant_id: str, key: str, value: Any, *, new_only: bool = False) -> Stored:
        raise Unavailable("store_unavailable", "tools are only checked here")

    async def list(self, tenant_id: str, prefix: str) -> tuple[Stored, ...]:
        raise Unavailable("store_unavailable", "tools are only checked here")

    async def delete(self, tenant_id: str, key: str) -> None:
        raise Unavailable("store_unavailable", "tools are only checked here")


async def check_tenant_tools(source: str, config: TenantConfig) -> tuple[str, ...]:
    """Every fault of ``source`` for this configuration, each one line that names the fix; empty when all enabled tools load.

    Vets the text, then loads it in a child process as a call would.
    """
    if faults := vet(source):
        return faults
    try:
        process = await start_process(config.tenant_id, source, store=_NoStore(), limits=ProcessLimits())
    except ToolError as error:
        return (error.public_message,)
    try:
        return catalogue_of(source, process.loaded, config).faults
    finally:
        await process.close()
