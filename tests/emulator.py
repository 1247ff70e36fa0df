"""The emulator of AWS (ministack) as one process on a free port of this machine, for a run of tests.

``make emulator`` installs it into a virtual environment of its own, since it pins other versions of boto than the product.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.missing import missing

PROGRAM = Path(__file__).parents[1] / ".venv-emu" / "bin" / "ministack"
REGION = "us-east-1"
_START_S = 60.0


def require_emulator() -> None:
    """Skip the test where the emulator is missing; in CI that is a failure."""
    if not PROGRAM.exists():
        missing("the emulator is missing: run make emulator, before make test")


@contextmanager
def emulator(*, rights: bool = False) -> Iterator[str]:
    """Start it, give its URL, stop it. Without it: a skip that names the command, a failure in CI.

    ``rights``: it decides by IAM who may do what; the key ``test`` may do everything.
    """
    require_emulator()
    with tempfile.TemporaryDirectory(prefix="nexus-emulator-") as folder:
        port = free_port()
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [PROGRAM], cwd=folder, env=_environment(folder, port, rights), stdout=output, stderr=output, start_new_session=True
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, log)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _environment(folder: str, port: int, rights: bool) -> dict[str, str]:
    """Loopback only, and nothing of the developer's own environment."""
    return {
        "PATH": f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": folder,
        "TMPDIR": folder,
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "ATHENA_ENGINE": "duckdb",
        "AUTH": str(rights).lower(),
        "LOG_LEVEL": "WARNING",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
    }


def free_port() -> int:
    """A port of this machine that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{url}/_ministack/health", timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the emulator did not start: {log.read_text(errors='replace')[-2000:]}")
