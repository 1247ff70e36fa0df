"""The real product as a user starts it: ``nexus run`` in a process of its own, with a data folder and a port of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from nexus.adapters.sqlite import Database, SqliteToolStore
from nexus.tools import Stored

ROOT = Path(__file__).resolve().parents[2]
BARBER = "barber_shop_demo"
T = TypeVar("T")
_START_S = 60.0
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")


@dataclass(frozen=True, slots=True)
class Product:
    """A running installation."""

    port: int
    folder: Path

    @property
    def base(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def get(self, path: str) -> Any:
        """The JSON of ``/v1{path}``."""
        with urllib.request.urlopen(f"{self.base}/v1{path}", timeout=10) as answer:
            return json.load(answer)

    def sessions(self, tenant: str = BARBER) -> list[dict[str, Any]]:
        """Rows, newest first."""
        rows: list[dict[str, Any]] = self.get(f"/tenants/{tenant}/sessions")["data"]
        return rows

    async def record(self, call_id: str, tenant: str = BARBER) -> dict[str, Any]:
        """The record of a call with its lead, as soon as both are written."""
        return await eventually(lambda: self._complete(call_id, tenant), f"the record of {call_id}")

    def _complete(self, call_id: str, tenant: str) -> dict[str, Any] | None:
        if all(row["id"] != call_id for row in self.sessions(tenant)):
            return None
        record: dict[str, Any] = self.get(f"/tenants/{tenant}/sessions/{call_id}")
        return record if record.get("analysis") else None

    async def calendar(self, tenant: str = BARBER) -> tuple[Stored, ...]:
        """What the shop's tools have written, read from the file itself."""
        return await SqliteToolStore(Database(self.folder / "data" / "nexus.sqlite")).list(tenant, "slot/")

    def nexus(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A ``nexus`` command spoken to this installation (``--url`` is added)."""
        command = [sys.executable, "-m", "local.cli", *arguments, "--url", f"http://127.0.0.1:{self.port}"]
        return subprocess.run(
            command, env=_environment(self.folder, self.port), cwd=self.folder, capture_output=True, text=True, timeout=150
        )


@contextmanager
def product(folder: Path, *arguments: str, port: int = 0) -> Iterator[Product]:
    """``nexus run`` (with these arguments) until the block is left. The demo tenants are copies; the barber there works on Mondays too,
    so that tomorrow is never a closed day."""
    chosen = port or free_port()
    _copy_tenants(folder / "tenants")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.cli", "run", *arguments], env=_environment(folder, chosen), cwd=folder, stdout=log, stderr=log
        )
        running = Product(chosen, folder)
        try:
            _wait_until_ready(running, process)
            yield running
        finally:
            process.terminate()
            process.wait(timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def shop_day(days: int) -> str:
    """The barber shop's day, so many days from its today, as the calendar writes it."""
    return (datetime.now(ZoneInfo("America/New_York")) + timedelta(days=days)).date().isoformat()


async def eventually(look: Callable[[], T | None], what: str, seconds: float = 20.0) -> T:
    """The first answer that is not None."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"{what} did not come within {seconds:.0f} s"
        await asyncio.sleep(0.2)
    return found


def _environment(folder: Path, port: int) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    own = {"DATA_DIR": str(folder / "data"), "TENANTS_DIR": str(folder / "tenants"), "PORT": str(port), "LOG_FORMAT": "JSON"}
    return {**kept, **own, "PYTHONPATH": str(ROOT)}


def _copy_tenants(target: Path) -> None:
    shutil.copytree(ROOT / "tenants", target)
    config = target / BARBER / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("  opening_hours:\n", "  opening_hours:\n    monday: 09:00-18:00\n", 1), encoding="utf-8")


def _wait_until_ready(running: Product, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        assert process.poll() is None, f"nexus run has ended: {running.log}"
        try:
            with urllib.request.urlopen(f"{running.base}/health/ready", timeout=5):
                return
        except OSError:
            assert time.monotonic() < deadline, f"nexus run is not ready: {running.log}"
            time.sleep(0.1)
