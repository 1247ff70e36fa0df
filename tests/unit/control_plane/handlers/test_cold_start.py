"""What a cold start leaves alone, in processes of their own, since the tests' own process has imported everything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
HEAVY = (
    "google.genai",
    "numpy",
    "aiohttp",
    "duckdb",
    "onnxruntime",
    "uvicorn",
    "boto3",
    "s3transfer",
    "sqlite3",
    "fastapi",
    "starlette",
    "mangum",
)
"""What costs a cold start tens of milliseconds each, or is not in the bundle at all."""
DOOR = ("fastapi", "starlette", "mangum")


def loaded(module: str) -> list[str]:
    """Which of the heavy packages a function has after its cold start; the API after its first request."""
    program = (
        "import json, sys; from benchmarks.cold_function import stand_in; stand_in(); "
        "import importlib; module = importlib.import_module(sys.argv[1]); "
        "from tests.fakes.lambda_events import *; "
        "sys.argv[1].endswith('api') and module.handler(http_request('GET', '/health/live'), Context()); "
        "print(json.dumps([one for one in sys.argv[2].split(',') if one in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program, module, ",".join(HEAVY)], cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("function", ["api", "authorizer", "after_call", "webhooks", "jobs", "expire"])
def test_a_cold_start_imports_no_model_and_only_the_door_a_web_framework(function: str) -> None:
    assert loaded(f"control_plane.handlers.{function}") == ([*DOOR] if function == "api" else [])
