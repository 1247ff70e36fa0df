"""PersonaPlex doubles in a process of their own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from benchmarks.served import ROOT
from local.sidecar.server import PATH

_START_LIMIT_S = 30.0


@asynccontextmanager
async def doubles(count: int, setup_s: float, says: Sequence[str] = ()) -> AsyncIterator[tuple[int, ...]]:
    """The ports of ``count`` doubles, each with one session at a time, until the block is left. They echo, or say these lines, one
    every eight seconds."""
    talk = ("--mode", "say", "--say", *says) if says else ("--mode", "echo")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.sidecar", "--port", "0", "--count", str(count), "--setup-s", str(setup_s), *talk),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        async with asyncio.timeout(_START_LIMIT_S):
            line = await process.stdout.readline()
        yield tuple(urlsplit(url).port or 0 for url in line.decode("ascii").split())
    finally:
        process.stdin.close()  # the child ends with its input
        await process.wait()


def address(port: int) -> str:
    """What ``PERSONAPLEX_WS_URL`` says for a port of this machine."""
    return f"ws://127.0.0.1:{port}{PATH}"
