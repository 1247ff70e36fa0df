"""Runs a declared tool in a call: the request is the platform's own affair, beside the child process of ``tools.py``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from media_plane.tooling.process import Outcome
from nexus.domain.http_tool import HttpOutcome, HttpTool
from nexus.ports.tools import HttpTools


class NoHttpTools:
    """``HttpTools`` where nothing is sent to anybody."""

    async def run(self, tenant_id: str, tool: HttpTool, arguments: Mapping[str, Any], *, key: str, timeout_s: float) -> HttpOutcome:
        """Fails."""
        return HttpOutcome("failed", problem="this process sends no requests for tools")


def idempotency_key(call_id: str, effect: str) -> str:
    """What the tenant's server tells repetitions by. An effect id is of one call: two callers may want the very same."""
    return f"{call_id}.{effect}"


async def run_declared(
    http: HttpTools, tenant_id: str, tool: HttpTool, arguments: Mapping[str, Any], *, key: str, timeout_s: float
) -> Outcome:
    """Send it and tell how it ended, in the words of a tool's run."""
    found = await http.run(tenant_id, tool, arguments, key=key, timeout_s=timeout_s)
    match found.kind:
        case "unknown":
            return Outcome("crashed", problem=found.problem, attempts=found.attempts)
        case "refused" if not found.output:
            # It said no without a word for the caller; the same wish may be put again.
            return Outcome("failed", problem=found.problem, not_begun=True, attempts=found.attempts)
        case "failed":
            return Outcome("failed", problem=found.problem, not_begun=True, attempts=found.attempts)
        case kind:
            return Outcome(kind, found.output, found.problem, attempts=found.attempts)
