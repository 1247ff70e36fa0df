"""``nexus sidecar`` as a person starts it, in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.sidecar_client import talking

ROOT = Path(__file__).parents[4]


@contextmanager
def _started(*words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "local.cli", "sidecar", *words]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "COLUMNS": "300"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _urls(process: subprocess.Popen[str]) -> list[str]:
    """The addresses it prints, up to its last line."""
    assert process.stdout is not None
    found: list[str] = []
    for line in process.stdout:
        found += re.findall(r"^  (ws://\S+)$", line.rstrip())
        if "Ctrl+C" in line:
            break
    return found


async def test_it_prints_where_each_double_is_serves_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with _started(
        "--port", "0", "--count", "2", "--mode", "echo", "--setup-s", "0", "--fail-after-s", "0.16", "--dump", str(tmp_path)
    ) as process:
        urls = _urls(process)
        assert len(urls) == 2
        async with talking(urls[1]) as client:
            for _ in range(3):
                await client.speak()
            await client.pages(2)
            assert await client.until_closed() == 1000
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".wav"}


def test_a_taken_port_ends_it_with_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        with _started("--port", str(port), "--mode", "silent") as process:
            _, told = process.communicate(timeout=20)
            assert process.returncode == 1
            assert str(port) in told and "--port" in told
