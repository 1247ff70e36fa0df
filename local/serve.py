"""``nexus run``: checks, then serves until Ctrl+C."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from rich.console import Console
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from local.app import LocalApp, local_app
from local.command import command
from local.doctor import examine
from local.show import findings_table
from local.sidecar.stand_in import with_stand_in
from local.signals import first_signal
from media_plane.transports.messages import MAX_MESSAGE_BYTES
from media_plane.transports.websocket import SEND_BUFFER_BYTES, WRITE_LIMIT_BYTES
from media_plane.wiring import Instead
from nexus.clock import Clock
from nexus.errors import ConfigurationError
from nexus.settings.choices import EngineName
from nexus.settings.values import Settings

_GRACE_S = 5.0


def make_env_file(folder: Path) -> None:
    """At the first start, ``.env`` is made from ``.env.example``."""
    example, env = folder / ".env.example", folder / ".env"
    if example.is_file() and not env.exists():
        env.touch(mode=0o600)
        env.write_text(example.read_text(encoding="utf-8"), encoding="utf-8")


async def serve(settings: Settings, console: Console) -> int:
    """Serve until a signal. Raises ConfigurationError when a check finds a fault."""
    began = time.monotonic()
    findings = await asyncio.to_thread(examine, settings)
    if any(finding.level != "ok" for finding in findings):
        console.print(findings_table([finding for finding in findings if finding.level != "ok"]))
    if any(finding.level == "fault" for finding in findings):
        raise ConfigurationError("setting_invalid", "Nexus cannot start; the fixes are above.")
    listener = listen(settings.host, settings.port)
    if settings.engine is not EngineName.SCRIPTED:
        console.print("[dim]loading the speech models …[/dim]")
    async with with_stand_in(settings, console) as chosen, local_app(chosen) as app:
        server = _server(app)
        with first_signal() as told:  # before "ready" is said: who hears it may end it at once
            _say_ready(settings, console, listener.getsockname()[1], time.monotonic() - began)
            await _until_told(app, server, listener, told)
    return 0


def _say_ready(settings: Settings, console: Console, port: int, took_s: float) -> None:
    base = settings.public_url or f"http://{_shown(settings.host)}:{port}"
    at = "" if port == Settings.model_fields["port"].default else f" --url {base}"
    console.print(f"\n[bold green]Nexus is ready[/bold green] [dim]({took_s:.1f} s)[/dim]")
    console.print(f"  console   [bold]{base}/[/bold]", highlight=False)
    console.print(f"  API       {base}/v1/.well-known/nexus", highlight=False)
    console.print(f"  by hand   {command()} call barber_shop_demo --type 'Are you open on Saturday?'{at}", highlight=False, soft_wrap=True)
    console.print("[dim]  Ctrl+C ends it.[/dim]\n")


async def _until_told(app: LocalApp, server: uvicorn.Server, listener: socket.socket, told: asyncio.Event) -> None:
    """Serve until a signal; then the living calls end before their sockets do, so that each is told why and leaves its record."""
    # uvicorn's own handlers close the sockets first and then raise the signal again, which would kill the process.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    running = asyncio.create_task(server.serve(sockets=[listener]))
    telling = asyncio.create_task(told.wait())
    try:
        await asyncio.wait({running, telling}, return_when=asyncio.FIRST_COMPLETED)
        app.media.doorkeeper.opens_to = "nobody"
        await app.media.calls.drain(_GRACE_S)
    finally:
        telling.cancel()
        server.should_exit = True
        await running


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Its small send buffer is inherited by every connection, so that a caller who does not read is noticed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio turns Nagle off only where TCP is named
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    try:
        listener.bind((host, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            "setting_invalid", f"{host}:{port} cannot be listened on: {error.strerror}. Choose another PORT."
        ) from error
    listener.setblocking(False)
    return listener


class _ShortOfBreath(WebSocketsSansIOProtocol):
    """uvicorn's protocol, waiting with each write until little is left to send: what waits behind a caller who does not read grows old."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        super().connection_made(transport)
        if isinstance(transport, asyncio.WriteTransport):
            transport.set_write_buffer_limits(high=WRITE_LIMIT_BYTES)


def _is_news(record: logging.LogRecord) -> bool:
    """uvicorn calls a WebSocket refused with an HTTP answer (ASGI's ``websocket.http.response``) an error of the application."""
    return "without completing handshake" not in record.getMessage()


def _server(app: LocalApp) -> uvicorn.Server:
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    config = uvicorn.Config(
        app,
        ws=_ShortOfBreath,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(_GRACE_S),
    )
    return uvicorn.Server(config)


def _shown(host: str) -> str:
    return "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "::1") else host  # noqa: S104 (compared, not bound)


@contextlib.asynccontextmanager
async def serving(settings: Settings, clock: Clock | None = None, *, instead: Instead | None = None) -> AsyncIterator[str]:
    """The product on its own port, inside this process, until the block is left. Gives the base URL."""
    listener = listen(settings.host, settings.port)
    async with local_app(settings, clock, instead=instead) as app:
        server = _server(app)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://{settings.host}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
            await app.media.calls.drain(0.5)
