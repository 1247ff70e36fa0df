"""A running house whose engine is PersonaPlex: doubles stand for its server processes, ear and voice are made of nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from local.sidecar.options import Faults, SidecarOptions
from local.sidecar.server import Sidecar
from media_plane.audio import AudioFrame
from media_plane.engines.scripted import tone
from media_plane.ports.speech import SpeechToText, TextToSpeech, Transcription
from media_plane.slots import SlotPool
from media_plane.wiring import Instead
from nexus.clock import Clock
from tests.scenarios.house import House, house, speech

PACE_MS = 60.0


class QuickVoice:
    """A voice that needs no model: each word is 60 ms of a tone. ``said``: every sentence."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def warm_up(self) -> None: ...

    async def speak(self, text: str, *, voice_id: str, speed: float) -> AsyncIterator[AudioFrame]:
        self.said.append(text)
        yield tone(PACE_MS * max(1, len(text.split())), 24_000)


@dataclass
class QuickEar:
    """An ear that hears what was written down, one line an utterance; afterwards nothing."""

    lines: list[str] = field(default_factory=list)

    async def warm_up(self) -> None: ...

    async def transcribe(self, speech: AudioFrame, *, language: str, hint: str = "") -> Transcription:
        return Transcription(self.lines.pop(0), 0.9) if self.lines else Transcription("", 0.0)


@dataclass
class DuplexHouse:
    """A house and the doubles behind it, in the order of PERSONAPLEX_WS_URL."""

    house: House
    doubles: tuple[Sidecar, ...]
    pool: SlotPool

    def prompts(self) -> list[str]:
        """The prompt of every session that listened, in the order of the doubles."""
        return [dump.used_prompt for double in self.doubles for dump in double.sessions if dump.handshake_at_ms is not None]

    def most_open(self) -> int:
        """The most connections that any one process had at once."""
        return max(double.most_open for double in self.doubles)


@asynccontextmanager
async def doubles(count: int, clock: Clock, options: SidecarOptions | None = None) -> AsyncIterator[tuple[Sidecar, ...]]:
    """So many server processes' worth of doubles, each with faults of its own."""
    chosen = options or SidecarOptions(mode="echo", setup_s=0.1)
    async with AsyncExitStack() as stack:
        yield tuple([await stack.enter_async_context(Sidecar(replace(chosen, faults=Faults()), clock=clock)) for _ in range(count)])


@asynccontextmanager
async def duplex_house(
    folder: Path,
    *,
    processes: int = 2,
    double: SidecarOptions | None = None,
    speed: float = 1.0,
    ear: SpeechToText | None = None,
    voice: TextToSpeech | None = None,
    instead: Instead | None = None,
    running: Sequence[Sidecar] = (),
    **over: Any,
) -> AsyncIterator[DuplexHouse]:
    """The product with ENGINE=personaplex until the block is left.

    Args:
        processes: how many doubles are started; none when ``running`` names them.
        double: what each of them does.
        speed: of the house's and the doubles' clock.
        ear, voice: in the place of ``QuickEar`` and ``QuickVoice``.
        over: settings.
    """
    async with AsyncExitStack() as stack:
        started = tuple(running) or await stack.enter_async_context(doubles(processes, Clock(speed=speed), double))
        given = instead or Instead(speech=speech(None, ear or QuickEar(), voice or QuickVoice()))
        over = {"engine": "personaplex", "personaplex_ws_url": ",".join(one.url for one in started), **over}
        built = await stack.enter_async_context(house(folder, speed=speed, instead=given, **over))
        assert built.slots is not None
        yield DuplexHouse(built, started, built.slots)
