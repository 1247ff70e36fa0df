"""The product in a process of its own with a data folder and tenants of its own, so that measuring does not disturb it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from local.client import ControlPlane

ROOT = Path(__file__).parents[1]
TENANTS = tuple(f"bench_{number}" for number in range(1, 9))
MODEL_TENANTS = tuple(f"model_{number}" for number in range(1, 5))
"""Tenants whose calls a full-duplex model leads alone: no tools, no greeting, no question when the caller is silent."""
TASK_TENANTS = tuple(f"task_{number}" for number in range(1, 5))
"""The same with tools, and so with an agent beside the model."""
SPEECH = ROOT / "tests" / "golden" / "speech"
_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_START_LIMIT_S = 90.0


@dataclass(frozen=True, slots=True)
class Product:
    """A running server."""

    url: str
    pid: int
    start_s: float
    data_dir: Path

    @property
    def api(self) -> ControlPlane:
        """A client of its REST."""
        return ControlPlane(self.url)


@asynccontextmanager
async def product(engine: str, slots: int, folder: Path | None = None, settings: Mapping[str, str] | None = None) -> AsyncIterator[Product]:
    """``nexus run`` until the block is left; ``settings`` are further ones by name. ``start_s`` is from the command to the first good
    answer of ``/health/ready``."""
    with tempfile.TemporaryDirectory(prefix="nexus-bench-") as fresh:
        root = folder or Path(fresh)
        _make_tenants(root / "tenants")
        port = _free_port()
        environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
            **{"ENGINE": engine, "ENGINE_SLOTS": str(slots), "PORT": str(port), "CHAT_MODEL": "scripted", "LOG_LEVEL": "WARNING"},
            **{"TENANTS_DIR": str(root / "tenants"), "DATA_DIR": str(root / "data"), "PYTHONPATH": str(ROOT)},
            **(settings or {}),
        }
        began = time.monotonic()
        command = (sys.executable, "-m", "local.cli", "run")
        with (root / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(*command, env=environment, cwd=root, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            await _ready(url, process, root / "log")
            yield Product(url, process.pid, time.monotonic() - began, root / "data")
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _ready(url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    async with httpx.AsyncClient(trust_env=False) as client:
        while time.monotonic() < deadline and process.returncode is None:
            try:
                if (await client.get(f"{url}/health/ready")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
    raise RuntimeError(f"the product did not start:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _make_tenants(folder: Path) -> None:
    """Copies of the barber shop that are open every day and take many calls: what is measured does not hang on the day."""
    for tenant_id in (*TENANTS, *MODEL_TENANTS, *TASK_TENANTS):
        if (folder / tenant_id).exists():
            continue
        shutil.copytree(ROOT / "tenants" / "barber_shop_demo", folder / tenant_id, ignore=shutil.ignore_patterns("__pycache__"))
        path = folder / tenant_id / "config.yaml"
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        config["tenant_id"] = tenant_id
        config["limits"]["concurrent_calls"] = 100
        config["tool_settings"]["opening_hours"] = dict.fromkeys(_WEEK, "09:00-18:00")
        if tenant_id not in TENANTS:
            config["first_speaker"] = "caller"
            config["limits"]["no_input_s"] = 600
        if tenant_id in MODEL_TENANTS:
            config["enabled_tools"] = []
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
