"""Doubles that serve until they are told to end: in a terminal, or as another process's child."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from rich.console import Console

from local.sidecar.options import SidecarOptions
from local.sidecar.server import sidecars
from local.sidecar.wiring import local_speech
from local.signals import first_signal
from nexus.errors import ConfigurationError

_SPEAKING = ("say", "converse")
_log = logging.getLogger(__name__)


async def serve(options: SidecarOptions, count: int, tell: Callable[[Sequence[str]], None], end: Callable[[], Awaitable[object]]) -> None:
    """Start, ``tell`` the addresses, and serve until ``end`` returns. Raises ConfigurationError when a port is taken."""
    async with sidecars(options, count) as doubles, _warming(options):
        tell([one.url for one in doubles])
        await end()


async def serve_terminal(options: SidecarOptions, count: int, console: Console) -> int:
    """``nexus sidecar``: until Ctrl+C."""
    with first_signal() as told:
        await serve(options, count, lambda urls: _show(urls, options, console), told.wait)
    return 0


def _show(urls: Sequence[str], options: SidecarOptions, console: Console) -> None:
    console.print(f"{len(urls)} stand-in(s) for PersonaPlex, mode [bold]{options.mode}[/bold]: no GPU, and no model of NVIDIA's")
    for url in urls:
        console.print(f"  {url}", highlight=False, soft_wrap=True)
    console.print(f"[dim]  in .env: ENGINE=personaplex and PERSONAPLEX_WS_URL={','.join(urls)}[/dim]", highlight=False, soft_wrap=True)
    console.print("[dim]  Ctrl+C ends them.[/dim]")


@contextlib.asynccontextmanager
async def _warming(options: SidecarOptions) -> AsyncIterator[None]:
    """The speech models load beside, so that the first session need not wait for them."""
    task = asyncio.create_task(_warm()) if options.mode in _SPEAKING else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _warm() -> None:
    speech = local_speech()
    try:
        await speech.voice.warm_up()
        await speech.ear.warm_up()
    except ConfigurationError as error:
        _log.error("the PersonaPlex double cannot speak or hear: %s", error.public_message)
