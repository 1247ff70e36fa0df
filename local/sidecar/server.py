"""The double as a server: one port, one WebSocket endpoint, one lock, one session at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Self

from aiohttp import web

from local.sidecar.dump import Ended, SessionDump, write
from local.sidecar.model import SharedModel
from local.sidecar.options import Faults, SidecarOptions
from local.sidecar.session import Parts, Session, Wire
from local.sidecar.speaking import Speech
from local.sidecar.wiring import mind_for
from nexus.clock import Clock
from nexus.errors import ConfigurationError

PATH = "/api/chat"
_SHUTDOWN_S = 0.5
_log = logging.getLogger(__name__)


class Sidecar:
    """One server process's worth of PersonaPlex on 127.0.0.1.

    ``start``, then connect to ``url``; ``stop`` cuts whatever is connected. It may be started again, on the same port. What it saw is
    in ``sessions`` (one for each connection, in order), what it does wrong in ``faults`` (change it at any time).
    """

    def __init__(self, options: SidecarOptions | None = None, *, clock: Clock | None = None, speech: Speech | None = None) -> None:
        self._options = options or SidecarOptions()
        self._clock = clock or Clock()
        self._speech = speech
        self._lock = asyncio.Lock()
        self._model = SharedModel()
        self._runner: web.AppRunner | None = None
        self._port = self._options.port
        self._open: dict[Wire, asyncio.Task[None] | None] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self.sessions: list[SessionDump] = []
        self.most_open = 0
        """The most connections there were at once; a bridge that keeps to the rule never makes it 2."""

    @property
    def url(self) -> str:
        """Where its WebSocket is, without parameters."""
        return f"ws://127.0.0.1:{self._port}{PATH}"

    @property
    def faults(self) -> Faults:
        """What it does wrong."""
        return self._options.faults

    @property
    def busy(self) -> bool:
        """Whether a session holds the lock."""
        return self._lock.locked()

    async def idle(self) -> None:
        """Wait until nobody is connected any more, not even in the queue."""
        await self._idle.wait()

    async def start(self) -> str:
        """Listen; gives ``url``. Raises ConfigurationError when the port is taken."""
        app = web.Application()
        app.router.add_get(PATH, self._chat)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise ConfigurationError(
                "setting_invalid", f"Port {self._port} of the PersonaPlex double is taken; choose another with --port."
            ) from error
        self._runner = runner
        self._port = runner.addresses[0][1]
        return self.url

    async def stop(self) -> None:
        """Cut every connection and stop listening; again is silent."""
        runner, self._runner = self._runner, None
        stuck = [task for task in self._open.values() if task is not None]
        for wire in tuple(self._open):
            wire.drop(reset=True)
        if runner is not None:
            await runner.cleanup()
        for task in stuck:  # a session that no longer looks at its socket does not notice that it is gone
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- a connection --------------------------------------------------------------------------------------------------------

    async def _chat(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        transport = request.transport
        dump = SessionDump(
            number=len(self.sessions) + 1,
            asked_prompt=request.query.get("text_prompt", ""),
            asked_voice=request.query.get("voice_prompt", ""),
            connected_at_ms=self._clock.monotonic_ms(),
        )
        self.sessions.append(dump)
        if transport is None:
            dump.ended = "closed"
            return socket
        wire = Wire(socket, transport)
        self._open[wire] = asyncio.current_task()
        self._idle.clear()
        self.most_open = max(self.most_open, len(self._open))
        ended: Ended = "stopped"
        try:
            ended = await self._serve(wire, request, dump)
        finally:
            self._open.pop(wire, None)
            dump.ended = ended if self._runner is not None else "stopped"
            dump.ended_at_ms = self._clock.monotonic_ms()
            self._leave(dump)
            if not self._open:
                self._idle.set()
        return socket

    async def _serve(self, wire: Wire, request: web.Request, dump: SessionDump) -> Ended:
        loaded = self._model.load(request.query)  # before the lock: the leak that the genuine server has
        if not loaded or self.faults.refuse_handshake:
            wire.drop(reset=False)
            return "refused"
        async with self._lock:
            dump.queued_ms = self._clock.monotonic_ms() - dump.connected_at_ms
            mind = mind_for(self._options, self._speech, dump)
            return await Session(wire, Parts(self._options, self._model, mind, dump, self._clock)).run()

    def _leave(self, dump: SessionDump) -> None:
        if self._options.dump_dir is None:
            return
        try:
            write(dump, self._options.dump_dir, str(self._port))
        except OSError as error:
            _log.error("the session's dump could not be written to %s: %s", self._options.dump_dir, error)


@asynccontextmanager
async def sidecars(
    options: SidecarOptions, count: int, *, clock: Clock | None = None, speech: Speech | None = None
) -> AsyncIterator[list[Sidecar]]:
    """Several doubles in this process, each with a lock, a model and faults of its own; a port of the options is the first one's."""
    chosen = clock or Clock()
    made = [
        Sidecar(
            replace(options, port=options.port + number if options.port else 0, faults=replace(options.faults)), clock=chosen, speech=speech
        )
        for number in range(count)
    ]
    try:
        for one in made:
            await one.start()
        yield made
    finally:
        for one in made:
            await one.stop()
