"""A running house on doubles whose ears and voices speak in chords: every word of a call is known to the test, on both sides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.sidecar.dump import SessionDump
from local.sidecar.options import SidecarOptions
from local.sidecar.server import Sidecar, sidecars
from local.sidecar.speaking import Speech
from media_plane.slots import SlotPool
from nexus.clock import Clock
from tests.scenarios.duplex_house import DuplexHouse, duplex_house
from tests.scenarios.house import House
from tests.scenarios.tone_speech import ToneBook, ToneEar, ToneVoice


@dataclass
class ToneHouse:
    """The house, its doubles, and the book that all of them speak by. ``voice`` and ``ear`` are the platform's own."""

    built: DuplexHouse
    book: ToneBook
    ear: ToneEar
    voice: ToneVoice

    @property
    def house(self) -> House:
        return self.built.house

    @property
    def doubles(self) -> tuple[Sidecar, ...]:
        return self.built.doubles

    @property
    def pool(self) -> SlotPool:
        return self.built.pool

    def sessions(self) -> list[SessionDump]:
        """Every session of every double, in the order of their connections."""
        return sorted((dump for double in self.doubles for dump in double.sessions), key=lambda dump: dump.connected_at_ms)

    def states(self) -> list[str]:
        return sorted(row.state for row in self.pool.status())


@asynccontextmanager
async def tone_house(
    folder: Path, double: SidecarOptions, *, processes: int = 2, speed: float = 1.0, word_ms: float = 60.0, **over: Any
) -> AsyncIterator[ToneHouse]:
    """The product with ENGINE=personaplex until the block is left; every wait of product and doubles goes by one clock's speed."""
    book = ToneBook(word_ms=word_ms)
    ear, voice = ToneEar(book), ToneVoice(book)
    mind = Speech(ToneEar(book), ToneVoice(book, of_model=True))
    async with (
        sidecars(double, processes, clock=Clock(speed=speed), speech=mind) as running,
        duplex_house(folder, running=running, speed=speed, ear=ear, voice=voice, **over) as built,
    ):
        yield ToneHouse(built, book, ear, voice)
