"""The API's function: its cold start against a bare one, its own share of a warm request, and its requests to DynamoDB by route."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from benchmarks.figures import Figure, percentile, spread
from benchmarks.processes import load
from benchmarks.served import ROOT
from tests.fakes.issuer import issuer_server
from tests.unit.control_plane.handlers.conftest import Deployment, Door, deployed, in_a_thread
from tests.unit.control_plane.handlers.test_api import shop_with_key

_STARTS = 7
_BARE, _OURS = "benchmarks.bare_function", "control_plane.handlers.api"
_SHOP = "/v1/tenants/corner_shop"
_SCOPES = ("tenants:read", "config:read", "sessions:read", "leads:read", "webhooks:read", "usage:read", "calls:read", "calls:write")
_READS = ("", "/config", "/sessions", "/leads", "/webhooks", "/usage")


async def measure() -> list[Figure]:
    """Both functions by turns, each start in a process of its own; then the routes over moto."""
    starts: dict[str, list[dict[str, float]]] = {_BARE: [], _OURS: []}
    for _ in range(_STARTS):
        for name, found in starts.items():
            found.append(await _start(name))
    return [_cold(starts), await asyncio.to_thread(_routes)]


async def _start(name: str) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.cold_function", name, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found


def _cold(starts: dict[str, list[dict[str, float]]]) -> Figure:
    rows = []
    for label, field, digits in (
        ("import and init, ms", "init_ms", 0),
        ("first request, ms", "first_ms", 1),
        ("warm request, ms", "warm_ms", 2),
    ):
        bare, ours = ([one[field] for one in starts[name]] for name in (_BARE, _OURS))
        middle = percentile(bare, 0.5), percentile(ours, 0.5)
        told = f"{middle[1] / middle[0]:.2f}×" if field == "init_ms" else f"+{middle[1] - middle[0]:.{digits}f}"
        rows.append((label, spread(bare, digits), spread(ours, digits), told))
    columns = ("`GET /health/live` through API Gateway's event", "bare FastAPI + Mangum, the same dependencies", "the API", "difference")
    note = f"{_STARTS} starts of each by turns, each in a process of its own, median (range); {load()}."
    return Figure("handlers_start", "The API's function", columns, tuple(rows), (note,))


def _routes() -> Figure:
    """Over moto, in this process; a request is counted where botocore is about to send it."""
    counted: Counter[str] = Counter()
    with (
        pytest.MonkeyPatch.context() as patch,
        mock_aws(),
        in_a_thread(issuer_server) as issuer,
        Path(os.devnull).open("w") as nowhere,
        redirect_stdout(nowhere),
    ):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        boto3.setup_default_session()
        session: Any = boto3.DEFAULT_SESSION
        session.events.register("before-call.dynamodb", lambda model, **_: counted.update([model.name]))
        with deployed(issuer.issuer, patch) as deployment:
            rows = _counted(deployment, counted)
    columns = ("with an API key", "requests", "which")
    notes = (
        "One of each is the key's own (who asks); what is left is the route's. The first request of a key in a process takes more: "
        "it notes that the key is used and takes a share of the rate, which later requests live on.",
    )
    return Figure("handlers_requests", "Requests to DynamoDB", columns, tuple(rows), notes)


def _counted(deployment: Deployment, counted: Counter[str]) -> list[tuple[str, ...]]:
    door = Door(deployment.load("api"))
    key = shop_with_key(deployment, door, *_SCOPES)
    deployment.with_stores(deployment.engine_slots)
    asked: list[tuple[str, Callable[[], tuple[int, dict[str, Any], dict[str, str]]]]] = [
        ("`GET /health/live` (no key)", lambda: door.ask("GET", "/health/live"))
    ]
    asked += [(f"`GET /v1/tenants/{{t}}{path}`", lambda path=path: door.ask("GET", _SHOP + path, authorization=key)) for path in _READS]
    asked.append(("`POST /v1/tenants/{t}/calls`", lambda: door.ask("POST", f"{_SHOP}/calls", {}, authorization=key, idempotency_key="one")))
    rows = []
    ask_once_before = asked[1][1]
    ask_once_before()
    for label, ask in asked:
        counted.clear()
        status, told, _ = ask()
        assert status in (200, 201), told
        rows.append((label, str(counted.total()), ", ".join(f"{count} {name}" for name, count in sorted(counted.items())) or "-"))
    return rows
