"""The child processes of all tenants: started when first needed, kept warm, let go of when idle, never more than a limit."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from media_plane.tooling.process import ProcessLimits, ToolProcess, start_process
from nexus.domain.ids import check_tenant_id
from nexus.errors import NotFound, ToolError
from nexus.ports.tools import ToolStore

_log = logging.getLogger("nexus.tools")

SourceReader = Callable[[str], Awaitable[str]]
"""Gives the text of a tenant's ``tools.py`` as it is now; empty where there is none."""


def folder_sources(tenants_folder: Path) -> SourceReader:
    """Read ``<tenants_folder>/<tenant_id>/tools.py`` anew each time, so that an edit is live on the next call."""

    def read_now(tenant_id: str) -> str:
        path = tenants_folder / check_tenant_id(tenant_id) / "tools.py"
        try:
            return path.read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise NotFound("tenant_not_found", f"tools.py of {tenant_id} cannot be read; check its permissions.") from error

    async def read(tenant_id: str) -> str:
        return await asyncio.to_thread(read_now, tenant_id)

    return read


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """``processes`` at most in all; one unused for ``idle_s`` is ended."""

    processes: int = 32
    idle_s: float = 300.0


@dataclass(slots=True)
class _Kept:
    lock: asyncio.Lock
    process: ToolProcess | None = None
    used_s: float = 0.0


class ToolProcesses:
    """A child per tenant and per content of its ``tools.py``.

    A call asks with the text it began with: after an edit the next call gets a new child, while running calls keep the old one, which
    ends when it is idle. Use as ``async with ToolProcesses(store) as processes``; leaving the block ends all children.
    """

    def __init__(
        self,
        store: ToolStore,
        *,
        pool: PoolLimits = PoolLimits(),
        limits: ProcessLimits = ProcessLimits(),  # noqa: B008 - a frozen value
    ) -> None:
        self._store = store
        self._pool = pool
        self._limits = limits
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._sweeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> ToolProcesses:
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End every child; again is silent."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
            self._sweeper = None
        kept, self._kept = list(self._kept.values()), {}
        await asyncio.gather(*(one.process.close() for one in kept if one.process is not None))

    @property
    def count(self) -> int:
        """How many children live."""
        return sum(1 for one in self._kept.values() if one.process is not None and one.process.alive)

    async def get(self, tenant_id: str, source: str) -> ToolProcess:
        """The living child for this text; starts one when there is none.

        Raises:
            ToolError: ``tool_not_loaded``: it does not start, or as many as allowed are all at work.
        """
        key = (tenant_id, hashlib.sha256(source.encode("utf-8", "replace")).hexdigest())
        kept = self._kept.setdefault(key, _Kept(asyncio.Lock()))
        kept.used_s = asyncio.get_running_loop().time()
        async with kept.lock:
            if kept.process is None or not kept.process.alive:
                if kept.process is not None:
                    await kept.process.close()
                    kept.process = None
                await self._make_room()
                kept.process = await start_process(tenant_id, source, store=self._store, limits=self._limits)
                self._kept[key] = kept
            return kept.process

    async def _make_room(self) -> None:
        if self.count < self._pool.processes:
            return
        idle = [(one.used_s, key) for key, one in self._kept.items() if one.process is not None and not one.process.busy]
        if not idle:
            raise ToolError(
                "tool_not_loaded", "Every tool process is at work; raise the limit of tool processes.", spoken="", retryable=True
            )
        await self._let_go(min(idle)[1])

    async def _let_go(self, key: tuple[str, str]) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None and kept.process is not None:
            await kept.process.close()

    async def sweep_once(self) -> None:
        """End children that nobody has used for ``idle_s``."""
        now_s = asyncio.get_running_loop().time()
        old = [
            key
            for key, one in self._kept.items()
            if now_s - one.used_s >= self._pool.idle_s and not one.lock.locked() and not (one.process is not None and one.process.busy)
        ]
        for key in old:
            await self._let_go(key)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(max(0.05, self._pool.idle_s / 4))
            await self.sweep_once()
