"""Both sides of a call as the caller's ear has them: what was played when, what was said when. Pure; time comes as ``at_ms``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from media_plane.audio import BYTES_PER_SAMPLE, AudioFrame, bytes_for_ms

_VOICE_FLOOR = 0.02
"""Share of the loudest sample below which a recording counts as silent."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Agent audio that plays without a gap from ``start_ms``."""

    item_id: str
    start_ms: float
    pcm: bytes


class HeardAudio:
    """A loudspeaker: plays what arrives at once, one piece after the other, in real time; PCM16 mono."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._stretches: list[_Stretch] = []
        self._told: dict[str, float] = {}
        self.ends_ms = 0.0
        """When the last audio received will have been played."""

    def append(self, item_id: str, pcm: bytes, at_ms: float) -> None:
        """Audio has arrived: it plays when what came before it has been played."""
        start_ms = max(self.ends_ms, at_ms)
        self._stretches.append(_Stretch(item_id, start_ms, pcm))
        self.ends_ms = start_ms + self._length_ms(pcm)

    def clear(self, at_ms: float) -> None:
        """Forget what is not yet played."""
        kept = []
        for stretch in self._stretches:
            pcm = stretch.pcm[: max(0, bytes_for_ms(at_ms - stretch.start_ms, self._rate_hz))]
            if pcm and stretch.start_ms < at_ms:
                kept.append(_Stretch(stretch.item_id, stretch.start_ms, pcm))
        self._stretches = kept
        self.ends_ms = min(self.ends_ms, at_ms)

    def newly_played(self, at_ms: float) -> list[tuple[str, float]]:
        """For each item that has advanced since the last call: how much of it has been played, milliseconds."""
        played: dict[str, float] = {}
        for stretch in self._stretches:
            length_ms = min(self._length_ms(stretch.pcm), max(0.0, at_ms - stretch.start_ms))
            played[stretch.item_id] = played.get(stretch.item_id, 0.0) + length_ms
        news = [(item_id, ms) for item_id, ms in played.items() if item_id and ms > self._told.get(item_id, 0.0)]
        self._told.update(news)
        return news

    def delay_after(self, at_ms: float) -> float | None:
        """From ``at_ms`` to the first audio that plays after it; None when none did."""
        later = [stretch.start_ms for stretch in self._stretches if stretch.start_ms >= at_ms]
        return min(later) - at_ms if later else None

    @property
    def heard_ms(self) -> float:
        """How much agent audio there was in all."""
        return sum(self._length_ms(stretch.pcm) for stretch in self._stretches)

    def rendered(self) -> bytes:
        """The call's whole time line from its start, silence where nothing played."""
        return _rendered([(stretch.start_ms, stretch.pcm) for stretch in self._stretches], self._rate_hz)

    def _length_ms(self, pcm: bytes) -> float:
        return len(pcm) / BYTES_PER_SAMPLE * 1000.0 / self._rate_hz


@dataclass(frozen=True, slots=True)
class Said:
    """What the caller said, and when its voice (not the file) ended."""

    said: str
    voice_end_ms: float


class SpokenAudio:
    """A microphone that is given utterances and hands out frames."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._said = ""
        self._pcm = b""
        self._at = 0
        self._sent: list[tuple[float, bytes]] = []
        self.marks: list[Said] = []

    def say(self, said: str, speech: AudioFrame) -> None:
        """Speak next."""
        self._said, self._pcm, self._at = said, speech.pcm, 0

    @property
    def is_saying(self) -> bool:
        """Whether something is still to be handed out."""
        return self._at < len(self._pcm)

    def is_voiced(self, at_ms: float) -> bool:
        """Whether the voice of what is being said has not ended yet (the silence at a recording's end is no voice)."""
        return self.is_saying and (self._at == 0 or at_ms < self.marks[-1].voice_end_ms)

    def mark(self, said: str, at_ms: float) -> None:
        """Note something said without sound."""
        self.marks.append(Said(said, at_ms))

    def next_frame(self, size_bytes: int, at_ms: float) -> bytes:
        """The next frame, filled up with silence at the end; empty while there is nothing to say."""
        if not self.is_saying:
            return b""
        if self._at == 0:
            self.mark(self._said, at_ms + voice_end_ms(self._pcm, self._rate_hz))
        frame = self._pcm[self._at : self._at + size_bytes].ljust(size_bytes, b"\0")
        self._at += size_bytes
        self._sent.append((at_ms, frame))
        return frame

    def rendered(self) -> bytes:
        """The call's whole time line from its start, silence where nothing was said."""
        return _rendered(self._sent, self._rate_hz)


def voice_end_ms(pcm: bytes, sample_rate_hz: int) -> float:
    """Where the voice in a recording ends: the last sample that is not much fainter than the loudest."""
    samples = np.abs(np.frombuffer(pcm, dtype="<i2").astype(np.int32))
    loud = np.flatnonzero(samples > _VOICE_FLOOR * samples.max(initial=0))
    return (int(loud[-1]) + 1) * 1000.0 / sample_rate_hz if loud.size else 0.0


def _rendered(pieces: list[tuple[float, bytes]], sample_rate_hz: int) -> bytes:
    line = bytearray()
    for start_ms, pcm in pieces:
        at = max(len(line), bytes_for_ms(start_ms, sample_rate_hz))
        if at - len(line) > bytes_for_ms(1.0, sample_rate_hz):  # a smaller gap is only rounding
            line.extend(bytes(at - len(line)))
        line.extend(pcm)
    return bytes(line)
