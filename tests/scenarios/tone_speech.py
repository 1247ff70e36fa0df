"""Speech without speech models: each sentence is a chord of two tones, which an ear of the same book reads back, also after Opus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np

from local.sidecar.options import FRAME_MS
from local.sidecar.pieces import pieces
from media_plane.audio import AudioFrame
from media_plane.ports.speech import Transcription
from tests.scenarios.house import QUIET, Caller

_LOW_HZ = range(400, 1_200, 50)
_HIGH_HZ = range(1_500, 3_000, 50)
_CHORDS = [(low, high) for high in _HIGH_HZ for low in _LOW_HZ]
_EDGE_MS = 5
_WINDOW_MS = 40
_LOUD = 0.02
_MIC_HZ = 16_000
Chord = tuple[int, int]


def chord_pcm(chord: Chord, duration_ms: float, rate_hz: int) -> bytes:
    """Two sines with soft edges, PCM16."""
    at = np.arange(int(rate_hz * duration_ms / 1000)) / rate_hz
    wave = sum(np.sin(2 * np.pi * hz * at) for hz in chord) * 0.2
    edge = int(rate_hz * _EDGE_MS / 1000)
    ramp = np.minimum(1.0, np.minimum(np.arange(len(at)), np.arange(len(at))[::-1]) / edge)
    return bytes((wave * ramp * 32_767).astype("<i2").tobytes())


def chord_of(samples: np.ndarray, rate_hz: int) -> Chord | None:
    """The two strongest tones of a piece; None when nothing sounds."""
    if len(samples) == 0 or float(np.sqrt(np.mean(samples**2))) < _LOUD:
        return None
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), rate_hz))[: _HIGH_HZ[-1] + 50]
    found = [max(row, key=lambda hz: float(power[hz - 8 : hz + 9].max())) for row in (_LOW_HZ, _HIGH_HZ)]
    return found[0], found[1]


def chords_in(pcm: bytes, rate_hz: int) -> list[Chord]:
    """Every chord that sounds for at least two windows in a row, in order; the same again counts when a pause lies between."""
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float64) / 32_768
    step = rate_hz * _WINDOW_MS // 1000
    seen = [chord_of(samples[at : at + step], rate_hz) for at in range(0, len(samples) - step + 1, step)]
    found: list[Chord] = []
    present: Chord | None = None
    for one, following in zip(seen, [*seen[1:], None], strict=False):
        if one is None and following is None:
            present = None
        elif one is not None and one == following and one != present:
            present = one
            found.append(one)
    return found


@dataclass
class ToneBook:
    """Which sentence has which chord; a sentence that nobody has said yet gets the next."""

    chords: dict[str, Chord] = field(default_factory=dict)
    word_ms: float = 60.0

    def chord(self, text: str) -> Chord:
        return self.chords.setdefault(text, _CHORDS[len(self.chords) * 7 % len(_CHORDS)])

    def sound(self, text: str, rate_hz: int = _MIC_HZ, least_ms: float = 400.0) -> bytes:
        return chord_pcm(self.chord(text), max(least_ms, self.word_ms * len(text.split())), rate_hz)

    def text(self, chord: Chord) -> str:
        return next((text for text, own in self.chords.items() if own == chord), f"?{chord}")

    def heard_in(self, pcm: bytes, rate_hz: int) -> list[str]:
        """The sentences in a recording."""
        return [self.text(chord) for chord in chords_in(pcm, rate_hz)]


@dataclass
class ToneVoice:
    """Implements ``TextToSpeech``. ``said``: every sentence. ``of_model``: long enough that each text piece has a frame of its own."""

    book: ToneBook
    of_model: bool = False
    said: list[str] = field(default_factory=list)

    async def warm_up(self) -> None: ...

    async def speak(self, text: str, *, voice_id: str, speed: float) -> AsyncIterator[AudioFrame]:
        self.said.append(text)
        least_ms = (len(pieces(text)) + 1) * FRAME_MS if self.of_model else 400.0
        yield AudioFrame(self.book.sound(text, 24_000, least_ms), 24_000)


@dataclass
class ToneEar:
    """Implements ``SpeechToText``. ``heard``: every utterance that had words."""

    book: ToneBook
    heard: list[str] = field(default_factory=list)

    async def warm_up(self) -> None: ...

    async def transcribe(self, speech: AudioFrame, *, language: str, hint: str = "") -> Transcription:
        texts = list(dict.fromkeys(self.book.heard_in(speech.pcm, speech.sample_rate_hz)))
        self.heard += texts
        return Transcription(" ".join(texts), 0.9 if texts else 0.0)


@dataclass
class Mic:
    """An open microphone: silence, and what is said in between. ``saying``: whether something is still on its way."""

    caller: Caller
    book: ToneBook
    row: bytearray = field(default_factory=bytearray)
    said: list[tuple[float, str]] = field(default_factory=list)
    """The time at which each sentence's first sample is sent, clock ms."""
    chunk_ms: int = 20

    @property
    def saying(self) -> bool:
        return bool(self.row)

    async def say(self, text: str, least_ms: float = 400.0) -> None:
        """Say a sentence; returns when its last sample was sent."""
        self.said.append((self.caller.clock.monotonic_ms(), text))
        self.row += self.book.sound(text, least_ms=least_ms)
        while self.row and not self.caller.closed.is_set():
            await self.caller.clock.sleep_ms(self.chunk_ms)

    async def run(self) -> None:
        clock, chunk = self.caller.clock, len(QUIET) * self.chunk_ms // 20
        due_ms = clock.monotonic_ms()
        while not self.caller.closed.is_set():
            piece, self.row[:chunk] = bytes(self.row[:chunk]).ljust(chunk, b"\0"), b""
            await self.caller.connection.send(piece)
            due_ms += self.chunk_ms
            await clock.sleep_ms(due_ms - clock.monotonic_ms())


@asynccontextmanager
async def microphone(caller: Caller, book: ToneBook, chunk_ms: int = 20) -> AsyncIterator[Mic]:
    """The caller's microphone is open until the block is left or the call is over."""
    mic = Mic(caller, book, chunk_ms=chunk_ms)
    sending = asyncio.create_task(mic.run())
    try:
        yield mic
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


def heard_pcm(caller: Caller) -> bytes:
    """Everything the caller was sent to play, PCM16 at the rate of ``heard_rate_hz``."""
    return b"".join(message for _, message in caller.got if isinstance(message, bytes))


def heard_rate_hz(caller: Caller) -> int:
    """The rate the server said it plays at."""
    return int(caller.messages("session.started")[0]["output"]["sample_rate"])


def heard_by(caller: Caller, book: ToneBook) -> list[str]:
    """The sentences in what the caller was sent to play."""
    return book.heard_in(heard_pcm(caller), heard_rate_hz(caller))
