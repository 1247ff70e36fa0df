"""What a cold start leaves alone, in processes of their own, since the tests' own process has imported everything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
SLOW = ("google.genai", "numpy", "aiohttp", "duckdb", "onnxruntime", "uvicorn")


def loaded(module: str) -> list[str]:
    """Which of the slow packages a function has after its first request."""
    program = (
        "import json, sys; from benchmarks.cold_function import stand_in; stand_in(); "
        "import importlib; module = importlib.import_module(sys.argv[1]); "
        "from tests.fakes.lambda_events import *; "
        "sys.argv[1].endswith('api') and module.handler(http_request('GET', '/health/live'), Context()); "
        "print(json.dumps([one for one in sys.argv[2].split(',') if one in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program, module, ",".join((*SLOW, "fastapi"))], cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("module", "has"),
    [("control_plane.handlers.api", ["fastapi"]), ("control_plane.handlers.authorizer", []), ("control_plane.handlers.expire", [])],
)
def test_a_cold_start_imports_no_model_and_events_no_web_framework(module: str, has: list[str]) -> None:
    assert loaded(module) == has
