"""A speech model by hand: frames of 80 ms that are speech or silence, words, and a clock that counts them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from media_plane.audio import AudioFrame
from media_plane.conversation.events import AgentAudio, AgentItemEnded, AgentText, EngineFlush
from media_plane.engines.duplex.claims import Claim
from media_plane.engines.duplex.floor import Floor
from media_plane.engines.duplex.model_voice import Claimed, ModelVoice, Out

RATE_HZ = 24_000
FRAME_MS = 80


def frame(*, speech: bool, level_db: float = -22.0, noise_db: float = -70.0, duration_ms: int = FRAME_MS) -> AudioFrame:
    """Speech is a hum at ``level_db`` RMS, silence is noise at ``noise_db``."""
    count = RATE_HZ * duration_ms // 1000
    amplitude = 32_768 * 10 ** ((level_db if speech else noise_db) / 20)
    if speech:
        wave = amplitude * np.sqrt(2) * np.sin(2 * np.pi * 200 * np.arange(count) / RATE_HZ)
    else:
        wave = amplitude * np.random.default_rng(count).standard_normal(count)
    return AudioFrame(np.clip(wave, -32_768, 32_767).astype("<i2").tobytes(), RATE_HZ)


SPEECH = frame(speech=True)
SILENCE = frame(speech=False)


@dataclass(slots=True)
class Suspicious:
    """Implements ``Watch``: each text with "booked" in it is a claim, and one with "reserved" once it is complete."""

    asked: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)

    def begins(self, before: str = "") -> None:
        self.begun.append(before)

    def heard(self, text_so_far: str, *, final: bool = False) -> Claim | None:
        self.asked.append(text_so_far)
        claims = "booked" in text_so_far or (final and "reserved" in text_so_far)
        return Claim(text_so_far, "create") if claims else None


@dataclass(slots=True)
class Stage:
    """A model voice on a floor, with time; ``outs`` is all it gave."""

    beside: bool = True
    now_ms: float = 0.0
    outs: list[Out] = field(default_factory=list)
    floor: Floor = field(init=False)
    watch: Suspicious = field(init=False)
    model: ModelVoice = field(init=False)

    def __post_init__(self) -> None:
        self.floor = Floor(beside=self.beside)
        self.floor.attend()
        self.watch = Suspicious()
        self.model = ModelVoice("m", self.floor, self.watch)

    def take(self, outs: list[Out]) -> list[Out]:
        self.outs += outs
        return outs

    def talk(self, duration_ms: int, *words: str) -> list[Out]:
        """Speech, each word at the beginning of an equal share of it."""
        frames = duration_ms // FRAME_MS
        due: dict[int, list[str]] = {index * frames // len(words): [] for index in range(len(words))} if words else {}
        for index, word in enumerate(words):
            due[index * frames // len(words)].append(f" {word}")
        outs: list[Out] = []
        for index in range(frames):
            for text in due.get(index, []):
                outs += self.take(self.model.text(self.now_ms, text))
            outs += self._frame(SPEECH)
        return outs

    def quiet(self, duration_ms: int) -> list[Out]:
        """Silence."""
        outs: list[Out] = []
        for _ in range(duration_ms // FRAME_MS):
            outs += self._frame(SILENCE)
        return outs

    def _frame(self, sound: AudioFrame) -> list[Out]:
        self.now_ms += FRAME_MS
        return self.take(self.model.audio(self.now_ms, sound))


def text_of(outs: list[Out]) -> str:
    return " ".join(out.text for out in outs if isinstance(out, AgentText))


def audio_ms(outs: list[Out]) -> float:
    return sum(out.frame.duration_ms for out in outs if isinstance(out, AgentAudio))


def items_of(outs: list[Out]) -> list[str]:
    """The items with audio, in order of their beginning."""
    return [*dict.fromkeys(out.item_id for out in outs if isinstance(out, AgentAudio))]


def ends_of(outs: list[Out]) -> list[str]:
    return [out.item_id for out in outs if isinstance(out, AgentItemEnded)]


def flushes(outs: list[Out]) -> int:
    return sum(isinstance(out, EngineFlush) for out in outs)


def claims_of(outs: list[Out]) -> list[Claimed]:
    return [out for out in outs if isinstance(out, Claimed)]


def led() -> Stage:
    """A stage on which the model has been quiet for a while."""
    stage = Stage()
    stage.quiet(800)
    return stage
