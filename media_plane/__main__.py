"""Container entry: ``python -m media_plane`` serves callers' sockets until SIGTERM, then drains."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from media_plane.server.draining import DrainTerms
from media_plane.server.sockets import SocketDoor
from media_plane.stores import MediaStores
from media_plane.wiring import MediaPlane, chosen_stores, identity, media_plane
from nexus.clock import Clock
from nexus.errors import NexusError
from nexus.logs import set_up_logging
from nexus.settings.values import Settings, load_settings

_log = logging.getLogger("nexus.media")
_FAREWELL_S = 20.0
_LINGER_S = 2.0


async def serve(settings: Settings, stores: MediaStores, clock: Clock) -> None:
    """Serve until SIGTERM or SIGINT, then drain; further signals change nothing. Raises NexusError, OSError (the port is taken)."""
    who = await identity(settings, stores)
    async with media_plane(settings, stores, clock, who=who) as plane:
        door = SocketDoor(plane.doorkeeper, plane.calls, plane.health, plane.news)
        server = await door.listen(settings.host, settings.port)
        forgetting = asyncio.create_task(door.forget_refused())
        host, port = server.sockets[0].getsockname()[:2]
        _log.info("serving calls on ws://%s:%s with engine %s, %s slots", host, port, settings.engine.value, settings.engine_slots)
        stop = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        await stop.wait()
        await _drain(plane, settings.drain_within_s)
        forgetting.cancel()
        server.close()
        await server.wait_closed()


async def _drain(plane: MediaPlane, within_s: float) -> None:
    """Not ready and no new lease from now on; who lives here, is relayed through here or holds a slot here is served to the end."""
    _log.info("draining: %s sockets live, %s s at most", plane.calls.active, within_s)
    farewell_s = min(_FAREWELL_S, within_s * 2 / 3)
    plane.doorkeeper.opens_to = "leases"
    closing = asyncio.get_running_loop().call_later(within_s - farewell_s, _close_door, plane)
    await plane.calls.empty(DrainTerms(within_s, farewell_s, leases=True, linger_s=min(_LINGER_S, within_s)))
    closing.cancel()
    _close_door(plane)
    _log.info("drained")


def _close_door(plane: MediaPlane) -> None:
    plane.doorkeeper.opens_to = "nobody"


def main(clock: Clock | None = None) -> int:
    """0 after a clean drain, 1 when it cannot start. ``clock``: by which calls live (tests)."""
    try:
        settings = load_settings()
        set_up_logging(settings.log_level.value, settings.log_format.value)
        with chosen_stores(settings) as stores:
            asyncio.run(serve(settings, stores, clock or Clock()))
    except NexusError as error:
        sys.stderr.write(f"{error.public_message}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"The socket cannot be opened: {error}. Choose another PORT.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
