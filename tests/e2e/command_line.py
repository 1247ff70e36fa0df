"""``nexus`` as a new user has it, and ``nexus run`` in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.product import ROOT, free_port
from tests.fakes.issuer import AUDIENCE

Captured = pytest.CaptureFixture[str]
BEGINNING = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
"""The environment of a new user."""


@dataclass(frozen=True, slots=True)
class Running:
    """``nexus run`` with the scripted engine, in a process of its own."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def run(folder: Path, *arguments: str, port: int = 0, environment: Mapping[str, str] = BEGINNING) -> Iterator[Running]:
    """A new user's folder: tenants, the example of the settings, nothing else."""
    chosen = port or free_port()
    shutil.copytree(ROOT / "tenants", folder / "tenants")
    shutil.copy(ROOT / ".env.example", folder)
    command = [sys.executable, "-m", "local.cli", "run", "--engine", "scripted", "--port", str(chosen), *arguments]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env={**environment, "PYTHONPATH": str(ROOT)}, cwd=folder, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 30
            while "Nexus is ready" not in (folder / "log").read_text():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, "not ready"
                time.sleep(0.02)
            yield Running(process, folder, chosen)
        finally:
            process.kill()
            process.wait(timeout=10)


def words(captured: Captured) -> str:
    """What was printed, as one line: tables may wrap."""
    told = captured.readouterr()
    return " ".join((told.out + told.err).split())


def with_tenants(home: Path) -> Path:
    shutil.copytree(ROOT / "tenants", home / "tenants")
    return home / "tenants"


def people_only(issuer: str) -> dict[str, str]:
    """The environment of a product that answers nobody without a credential.

    Args:
        issuer: whose tokens it takes.
    """
    return {**BEGINNING, "AUTH": "required", "OIDC_ISSUER": issuer, "OIDC_AUDIENCE": AUDIENCE}


def nexus(folder: Path, *arguments: str, key: str = "") -> subprocess.CompletedProcess[str]:
    """A command beside a product that asks for credentials, with this API key."""
    environment = {**people_only("https://login.example.com"), "PYTHONPATH": str(ROOT), "NEXUS_API_KEY": key}
    command = [sys.executable, "-m", "local.cli", *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60)
