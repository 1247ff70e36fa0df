"""What a double saw and did in one session, for tests and for the disk."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from local.sidecar.options import SAMPLE_RATE_HZ
from local.wav import write_wav

Samples = NDArray[np.float32]
Ended = Literal["open", "closed", "refused", "failed", "deaf", "dropped", "stopped"]
"""``closed``: by the client. ``failed``: the model raised. ``deaf``: the client's Ogg stream broke. ``stopped``: the double ended."""


@dataclass(slots=True)
class SessionDump:
    """One connection, from its upgrade on. ``heard`` and ``said``: PCM16 mono 24 kHz, from the beginning, bounded by ``keep_s``.

    ``asked_*`` is what the connection wanted, ``used_*`` what the model really ran with (empty before the handshake); both prompts are
    without the system tags. Times are in milliseconds of the double's clock.
    """

    number: int
    asked_prompt: str = ""
    asked_voice: str = ""
    used_prompt: str = ""
    used_voice: str = ""
    connected_at_ms: float = 0.0
    queued_ms: float = 0.0
    """How long it waited for the lock."""
    handshake_at_ms: float | None = None
    ended_at_ms: float | None = None
    ended: Ended = "open"
    frames_in: int = 0
    frames_out: int = 0
    ignored: list[int] = field(default_factory=list)
    """Kinds of the messages that were no audio, at most 1000; -1 for a text frame or an empty message."""
    transcripts: list[str] = field(default_factory=list)
    """What the double's own ear understood (mode ``converse``)."""
    text: str = ""
    """The text pieces sent, joined."""
    heard: bytearray = field(default_factory=bytearray)
    said: bytearray = field(default_factory=bytearray)

    @property
    def leaked(self) -> bool:
        """Whether the session ran with another connection's prompt or voice."""
        return self.handshake_at_ms is not None and (self.asked_prompt, self.asked_voice) != (self.used_prompt, self.used_voice)


def keep(track: bytearray, samples: Samples, limit_s: float) -> None:
    """Add sound in -1..1 to a track, up to the limit."""
    room = int(limit_s * SAMPLE_RATE_HZ) * 2 - len(track)
    if room > 0:
        track += (np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()[:room]


def write(dump: SessionDump, folder: Path, server: str) -> None:
    """Leave ``SERVER-NUMBER.json`` and, where there was sound, ``SERVER-NUMBER.wav`` (caller left, model right)."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{server}-{dump.number:04d}"
    fields = {name: getattr(dump, name) for name in SessionDump.__slots__ if name not in ("heard", "said")}
    stem.with_suffix(".json").write_text(json.dumps({**fields, "leaked": dump.leaked}, indent=2) + "\n", encoding="utf-8")
    if dump.heard or dump.said:
        write_wav(stem.with_suffix(".wav"), (bytes(dump.heard), bytes(dump.said)), SAMPLE_RATE_HZ)
