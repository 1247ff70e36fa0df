"""A workbench for tests of tools: real child processes over the memory adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from media_plane.conversation.commands import RunTool
from media_plane.conversation.events import ToolFinished
from media_plane.tooling.process import ProcessLimits
from media_plane.tooling.processes import PoolLimits, ToolProcesses
from media_plane.tooling.runner import TenantTools, ToolParts
from nexus.adapters.memory.calls import MemoryEffectLog
from nexus.adapters.memory.tenants import MemoryToolStore
from nexus.clock import Clock
from nexus.domain.tenant import Limits, TenantConfig

LIMITS, POOL = ProcessLimits(), PoolLimits()
HEAD = "from nexus.tools import BaseTool, ToolRefusal, SlotTaken\n"


def tool(name: str, body: str, *, effect: str = "read", parameters: str = "{}", extra: str = "") -> str:
    """The source of one tool; ``body`` is one or more lines of ``execute(self, context, **arguments)``."""
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    return (
        f"class {name.title().replace('_', '')}(BaseTool):\n    name = {name!r}\n    description = 'Test tool {name}'\n"
        f"    effect = {effect!r}\n    parameters = {parameters}\n{extra}"
        f"    async def execute(self, context, **arguments):\n{lines}\n"
    )


@dataclass
class Bench:
    """Tenants by their sources; ``tools`` makes a runner, ``run`` runs one tool of a fresh runner."""

    sources: dict[str, str]
    store: MemoryToolStore
    effects: MemoryEffectLog
    processes: ToolProcesses

    async def read_source(self, tenant_id: str) -> str:
        return self.sources.get(tenant_id, "")

    def tools(self, tenant_id: str, *enabled: str, call_id: str = "call_1", timeout_s: float = 5.0, **config: Any) -> TenantTools:
        settled = TenantConfig(
            tenant_id=tenant_id, system_prompt="x", enabled_tools=enabled, limits=Limits(tool_timeout_s=timeout_s), **config
        )
        return TenantTools(settled, call_id, ToolParts(self.processes, self.read_source, self.effects, Clock()))


async def run(tools: TenantTools, name: str, arguments: Mapping[str, Any] | None = None, *, request_id: str = "r1") -> ToolFinished:
    return await tools.run(RunTool(request_id, name, arguments or {}))


@asynccontextmanager
async def bench(sources: dict[str, str], *, limits: ProcessLimits = LIMITS, pool: PoolLimits = POOL) -> AsyncIterator[Bench]:
    store = MemoryToolStore()
    async with ToolProcesses(store, limits=limits, pool=pool) as processes:
        yield Bench({tenant: HEAD + source for tenant, source in sources.items()}, store, MemoryEffectLog(), processes)
