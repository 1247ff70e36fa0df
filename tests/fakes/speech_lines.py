"""Server processes of a speech model by hand: each does what a test wrote down, and notices a second connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from media_plane.audio import AudioFrame
from media_plane.conversation.commands import CallerAudio
from media_plane.ports.speech_line import LineEvent, LineLost, ModelAudio, ModelBrief, ModelText
from nexus.clock import Clock
from nexus.errors import UpstreamError

FRAME = AudioFrame(bytes(3840), 24_000)
FRAME_MS = 80.0


@dataclass
class Process:
    """One server process. It takes one connection; ``most_open`` tells whether anybody made a second.

    ``setup_ms`` until it listens, ``refuses`` so many openings, ``hangs`` in set-up, ``deaf``: gives no audio, ``confirms`` a close,
    ``close_ms`` until it does.
    """

    address: str
    clock: Clock
    setup_ms: float = 0.0
    refuses: int = 0
    hangs: bool = False
    deaf: bool = False
    confirms: bool = True
    close_ms: float = 0.0
    open_now: int = 0
    most_open: int = 0
    lines: list[WrittenLine] = field(default_factory=list)

    def line(self) -> WrittenLine:
        made = WrittenLine(self)
        self.lines.append(made)
        return made


class WrittenLine:
    """Implements ``SpeechLine``: gives a frame of audio for every 80 ms that it is given."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.brief: ModelBrief | None = None
        self.given: list[CallerAudio] = []
        self.given_at_ms: list[float] = []
        self.listens_at_ms: float | None = None
        self.closed = False
        self._connected = False
        self._owed_ms = 0.0
        self._out: asyncio.Queue[LineEvent | None] = asyncio.Queue()

    async def open(self, brief: ModelBrief) -> None:
        process = self.process
        self.brief = brief
        self._connected = True
        process.open_now += 1
        process.most_open = max(process.most_open, process.open_now)
        await process.clock.sleep_ms(process.setup_ms)
        if process.hangs:
            await asyncio.Event().wait()
        if process.refuses:
            process.refuses -= 1
            raise UpstreamError("engine_unreachable", f"{process.address} refused.")
        self.listens_at_ms = process.clock.monotonic_ms()

    def send(self, audio: CallerAudio) -> None:
        assert self.listens_at_ms is not None, "audio before the handshake"
        if self.closed:
            return
        self.given.append(audio)
        self.given_at_ms.append(self.process.clock.monotonic_ms())
        self._owed_ms += audio.frame.duration_ms
        while self._owed_ms >= FRAME_MS and not self.process.deaf:
            self._owed_ms -= FRAME_MS
            self.say(ModelAudio(FRAME))

    def say(self, event: LineEvent) -> None:
        """The model gives this, whatever it hears."""
        self._out.put_nowait(event)

    def lose(self, code: str = "engine_lost") -> None:
        self.say(LineLost(code, "by hand"))

    async def events(self) -> AsyncIterator[LineEvent]:
        while (event := await self._out.get()) is not None:
            yield event
            if isinstance(event, LineLost):
                return

    async def close(self) -> bool:
        self.closed = True
        self._out.put_nowait(None)
        try:
            await self.process.clock.sleep_ms(self.process.close_ms)
        finally:
            if self._connected:
                self._connected = False
                self.process.open_now -= 1
        return self.process.confirms

    @property
    def heard(self) -> list[CallerAudio]:
        """What was no silence."""
        return [audio for audio in self.given if any(audio.frame.pcm)]


def word(text: str) -> ModelText:
    return ModelText(text)
