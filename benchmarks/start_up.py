"""How long the product takes to start, to be imported, and to list a thousand sessions."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from benchmarks.figures import Figure, percentile, spread
from benchmarks.processes import load
from benchmarks.served import ROOT, TENANTS, Product, product
from nexus.adapters.embedded import embedded_stores
from nexus.domain.call import EndReason
from nexus.domain.session import SessionRow
from nexus.settings.values import load_settings

_SESSIONS = 1_000
_ASKED = 50
_STARTS = 3
_IMPORTS = ("nexus.settings.values", "media_plane.wiring", "control_plane.wiring", "local.app")


async def measure() -> list[Figure]:
    """Several starts in one data folder (the first one makes the keys), imports, then the list."""
    with tempfile.TemporaryDirectory(prefix="nexus-bench-") as name:
        folder = Path(name)
        starts_s: list[float] = []
        for number in range(_STARTS + 1):
            if number == _STARTS:
                await _fill(folder / "data")
            async with product("cascade", 3, folder) as server:
                starts_s.append(server.start_s)
                if number == _STARTS:
                    listed_ms = await _ask(server)
    rows: list[tuple[str, ...]] = [
        ("`nexus run` to `/health/ready`, first start, s", f"{starts_s[0]:.1f}"),
        ("`nexus run` to `/health/ready`, later starts, s", spread(starts_s[1:], 1)),
    ]
    for module in _IMPORTS:
        rows.append((f"import of `{module}`, s", spread([await _import_s(module) for _ in range(3)], 2)))
    for size, values in listed_ms.items():
        rows.append((f"`GET /v1/tenants/{{t}}/sessions?limit={size}` with {_SESSIONS} sessions, ms p50 / p95", _pair(values)))
    return [Figure("start_up", "Start and lists", ("what", "median (range)"), tuple(rows), (f"{load()}.",))]


def _pair(values: list[float]) -> str:
    return f"{percentile(values, 0.5):.1f} / {percentile(values, 0.95):.1f}"


async def _import_s(module: str) -> float:
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", f"import {module}", cwd=ROOT)
    await process.wait()
    return time.monotonic() - began


async def _fill(data_dir: Path) -> None:
    """A thousand finished calls in the index."""
    stores = embedded_stores(load_settings(None, data_dir=data_dir))
    first = datetime.now(UTC) - timedelta(days=10)
    for number in range(_SESSIONS):
        began = first + timedelta(minutes=number)
        row = SessionRow(
            call_id=stores.ids.new("call"),
            tenant_id=TENANTS[0],
            started_at=began,
            ended_at=began + timedelta(seconds=90),
            duration_ms=90_000,
            status="completed",
            end_reason=EndReason.CALLER_HANGUP,
            engine="cascade",
            turns=12,
            tool_calls=2,
        )
        await stores.sessions.put(row)


async def _ask(server: Product) -> dict[int, list[float]]:
    """Response times in milliseconds, by page size."""
    times: dict[int, list[float]] = {20: [], 100: []}
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        for size, found in times.items():
            for _ in range(_ASKED):
                began = time.monotonic()
                answer = await client.get(f"/v1/tenants/{TENANTS[0]}/sessions", params={"limit": size})
                found.append((time.monotonic() - began) * 1000)
                assert len(answer.raise_for_status().json()["data"]) == size
    return times
