"""The API's function: its cold start against a bare one, its own share of a warm request, and its requests to DynamoDB by route."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from moto import mock_aws

from benchmarks.figures import Figure, percentile, spread
from benchmarks.processes import load
from benchmarks.served import ROOT
from tests.fakes.issuer import issuer_server
from tests.unit.control_plane.handlers.conftest import deployed, in_a_thread
from tests.unit.control_plane.handlers.test_requests_by_route import requests_by_route

_STARTS = 7
_BARE, _OURS = "benchmarks.bare_function", "control_plane.handlers.api"


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
        ("import and init, ms of CPU", "init_ms", 0),
        ("first request, ms of CPU", "first_ms", 1),
        ("both, ms of CPU", "both_ms", 0),
        ("warm request, ms", "warm_ms", 2),
    ):
        bare, ours = ([one[field] for one in starts[name]] for name in (_BARE, _OURS))
        middle = percentile(bare, 0.5), percentile(ours, 0.5)
        told = f"{middle[1] / middle[0]:.2f}×" if field in ("init_ms", "both_ms") else f"+{middle[1] - middle[0]:.{digits}f}"
        rows.append((label, spread(bare, digits), spread(ours, digits), told))
    columns = ("`GET /health/live` through API Gateway's event", "bare FastAPI + Mangum, the same dependencies", "the API", "difference")
    note = f"{_STARTS} starts of each by turns, each in a process of its own, median (range); {load()}."
    return Figure("handlers_start", "The API's function", columns, tuple(rows), (note,))


def _routes() -> Figure:
    """Over moto, in this process; a request is counted where botocore is about to send it."""
    with (
        pytest.MonkeyPatch.context() as patch,
        mock_aws(),
        in_a_thread(issuer_server) as issuer,
        Path(os.devnull).open("w") as nowhere,
        redirect_stdout(nowhere),
        TemporaryDirectory() as folder,
    ):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        with deployed(issuer.issuer, patch) as deployment:
            made = requests_by_route(deployment, Path(folder) / "sound")
    columns = ("with an API key", "requests", "which")
    rows = tuple((f"`{name}`", str(total), which) for name, (total, which) in made.items())
    return Figure(
        "handlers_requests", "Requests to DynamoDB", columns, rows, ("In a warm function that knows the key; dynamodb.md says what else.",)
    )
