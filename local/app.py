"""Both planes in one process on one port: REST, console and callers' sockets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

import control_plane
from control_plane import embedded_wiring
from control_plane import wiring as control
from control_plane.api.app import build_app
from control_plane.api.services import Check
from local.after_calls import Bells, deliver_events, finish_calls
from local.conversations import TextConversations
from local.recordings import recordings_route
from media_plane.server.asgi import AsgiDoor
from media_plane.wiring import Instead, MediaPlane, media_plane, tools_for
from nexus.adapters.embedded import embedded_stores
from nexus.adapters.files.recordings import PATH as RECORDINGS_PATH
from nexus.adapters.outbound import OutboundRules
from nexus.clock import Clock
from nexus.domain.session import PrivateTranscript, SessionRecord
from nexus.errors import NexusError
from nexus.ports.sessions import Recordings, SessionArchive
from nexus.settings.values import Settings

_log = logging.getLogger("nexus.local")
_CONSOLE = Path(control_plane.__file__).parent / "console"
_EXPIRY_EVERY_S = 3600.0
_JOBS_EVERY_S = 2.0


class TellingArchive:
    """The archive, telling after each new record which call it was: on one machine this stands for the event of the object store."""

    def __init__(self, archive: SessionArchive, archived: asyncio.Queue[tuple[str, str]]) -> None:
        self._archive = archive
        self._archived = archived
        self.get = archive.get
        self.get_private = archive.get_private
        self.list_calls = archive.list_calls
        self.delete_expired = archive.delete_expired

    async def put(self, record: SessionRecord, private: PrivateTranscript) -> None:
        """See ``SessionArchive.put``."""
        await self._archive.put(record, private)
        await self._archived.put((record.tenant_id, record.id))


@dataclass(frozen=True, slots=True)
class LocalApp:
    """One port: ``websocket`` scopes go to the media plane, everything else to the API and the console."""

    http: ASGIApp
    sockets: AsgiDoor
    media: MediaPlane

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.sockets(scope, receive, send)
        elif scope["type"] == "http":
            await self.http(scope, receive, send)


@asynccontextmanager
async def local_app(settings: Settings, clock: Clock | None = None, *, instead: Instead | None = None) -> AsyncIterator[LocalApp]:
    """The whole product until the block is left. ``instead``: see ``media_plane``. Raises NexusError when it cannot start."""
    chosen = clock or Clock()
    bells = Bells()
    plain = embedded_stores(settings)
    stores = replace(plain, archive=TellingArchive(plain.archive, bells.archived))
    secrets = embedded_wiring.local_secrets(settings)
    async with media_plane(settings, stores, chosen, instead=instead) as media:
        conversations = TextConversations(media.chat, partial(tools_for, media.tools), stores.ids, chosen)
        after = control.AfterOutside(
            embedded_wiring.analytics_sink(settings),
            control.webhook_sender(settings),
            bells.wake,
            bells.due.set,
            traces=control.trace_sink(settings),
        )
        outbound = (instead.outbound if instead else None) or OutboundRules()
        outside = control.Outside(conversations, control.lead_model(settings), partial(_ready, settings, media), after, outbound)
        plane = control.build(settings, embedded_wiring.stores_of(stores), secrets, outside, chosen)
        app = build_app(plane.services)
        app.router.routes.append(recordings_route(plain.recordings, chosen, RECORDINGS_PATH))
        app.mount("/", StaticFiles(directory=_CONSOLE, html=True))
        works = [
            asyncio.create_task(finish_calls(plane.after_call, bells, chosen)),
            asyncio.create_task(deliver_events(plane.courier, plain.tenants, bells, chosen)),
            asyncio.create_task(_expire(plain.archive, plain.recordings, chosen)),
            asyncio.create_task(_jobs(plane)),
        ]
        try:
            yield LocalApp(app, AsgiDoor(media.doorkeeper, media.calls, media.news), media)
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)


async def _jobs(plane: control.ControlPlane) -> None:
    """Carry on what outlives requests, also what an earlier run began."""
    while True:
        try:
            await plane.jobs.run_open()
        except NexusError as error:
            _log.error("jobs could not be carried on: %s", error)
        await asyncio.sleep(_JOBS_EVERY_S)


async def _expire(archive: SessionArchive, recordings: Recordings, clock: Clock) -> None:
    while True:
        try:
            transcripts = await archive.delete_expired(clock.now())
            sounds = await recordings.delete_expired(clock.now())
            if transcripts or sounds:
                _log.info("%s private transcripts and %s recordings expired", transcripts, sounds)
        except NexusError as error:
            _log.error("what has expired could not be deleted: %s", error)
        await asyncio.sleep(_EXPIRY_EVERY_S)


async def _ready(settings: Settings, media: MediaPlane) -> Mapping[str, Check]:
    return {
        **{name: Check(found.ok, found.detail) for name, found in media.health.checks().items()},
        "tenants": Check(settings.tenants_dir.is_dir(), "" if settings.tenants_dir.is_dir() else "TENANTS_DIR is no folder"),
    }
