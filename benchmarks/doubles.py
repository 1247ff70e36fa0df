"""PersonaPlex doubles that echo, in a process of their own: ``python -m benchmarks.doubles COUNT SETUP_S`` prints their ports."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from benchmarks.served import ROOT
from local.sidecar.options import SidecarOptions
from local.sidecar.server import PATH, Sidecar

_START_LIMIT_S = 30.0


@asynccontextmanager
async def doubles(count: int, setup_s: float) -> AsyncIterator[tuple[int, ...]]:
    """The ports of ``count`` doubles, each with one session at a time, until the block is left."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.doubles", str(count), str(setup_s)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_LIMIT_S):
            ports = tuple(map(int, (await process.stdout.readline()).split()))
        yield ports
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def address(port: int) -> str:
    """What ``PERSONAPLEX_WS_URL`` says for a port of this machine."""
    return f"ws://127.0.0.1:{port}{PATH}"


async def _serve(count: int, setup_s: float) -> None:
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(Sidecar(SidecarOptions(mode="echo", setup_s=setup_s))) for _ in range(count)]
        print(*(each.url.split(":")[2].split("/")[0] for each in running), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
