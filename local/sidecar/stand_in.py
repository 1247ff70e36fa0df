"""Where the settings want PersonaPlex and name none: doubles in a process of their own, so that their work does not delay calls."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from rich.console import Console

from nexus.errors import ConfigurationError
from nexus.settings.choices import EngineName, Environment
from nexus.settings.values import Settings

COUNT = 2
_START_S, _END_S = 60.0, 10.0


def needs_stand_in(settings: Settings) -> bool:
    """Whether doubles are to be started: never in production."""
    return settings.engine is EngineName.PERSONAPLEX and not settings.personaplex_urls and settings.environment is Environment.DEVELOPMENT


@contextlib.asynccontextmanager
async def with_stand_in(settings: Settings, console: Console) -> AsyncIterator[Settings]:
    """The settings with an address for PersonaPlex in them, where one is needed: that of doubles that live as long as the block.

    Raises:
        ConfigurationError: ``setting_invalid``: they did not start.
    """
    if not needs_stand_in(settings):
        yield settings
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.sidecar", "--port", "0", "--count", str(COUNT), "--mode", "converse"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl+C reaches us only: calls end before their model does
    )
    try:
        urls = await _addresses(process)
        console.print(
            f"[yellow]PERSONAPLEX_WS_URL is empty: {len(urls)} processes of a stand-in for the GPU model were started.[/yellow]"
            " They hold small talk with this machine's own voice; nothing of NVIDIA's model is in them.",
            soft_wrap=True,
        )
        yield settings.model_copy(update={"personaplex_ws_url": ",".join(urls)})
    finally:
        await _end(process)


async def _addresses(process: asyncio.subprocess.Process) -> list[str]:
    try:
        async with asyncio.timeout(_START_S):
            line = await process.stdout.readline() if process.stdout is not None else b""
    except TimeoutError:
        line = b""
    urls = line.decode("utf-8", "replace").split()
    if not urls:
        raise ConfigurationError(
            "setting_invalid",
            "The stand-in for PersonaPlex did not start; see the lines above, or set PERSONAPLEX_WS_URL to a server of your own.",
        )
    return urls


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_END_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
