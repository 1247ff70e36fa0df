"""A PersonaPlex line for a test, with brief deadlines."""

from __future__ import annotations

import asyncio

from media_plane.engines.personaplex.line import LineSettings, PersonaPlexLine
from nexus.clock import Clock

FAST = Clock(speed=8)
SETTINGS = LineSettings(close_wait_s=0.3)


def line_to(address: str, *, settings: LineSettings = SETTINGS, clock: Clock = FAST) -> PersonaPlexLine:
    return PersonaPlexLine(address, settings, clock)


async def soon(event: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await event.wait()
