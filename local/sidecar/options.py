"""What a double does: how it talks, how long its set-up takes, which faults it shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

SAMPLE_RATE_HZ = 24_000
FRAME_SAMPLES = 1920
"""One step of the model: 80 ms at 24 kHz, in and out."""
FRAME_MS = 80
VOICES = frozenset(f"{kind}{number}.pt" for kind, count in (("NATF", 4), ("NATM", 4), ("VARF", 5), ("VARM", 5)) for number in range(count))
"""The voice prompts that NVIDIA ships."""

Mode = Literal["echo", "say", "converse", "silent"]


@dataclass(slots=True)
class Faults:
    """Faults that can be set before the start and while a session runs. Frame counts are of one session; 0 means at the next frame."""

    fail_after_frames: int | None = None
    """The model raises: the server closes with 1000, unasked, and takes the next session."""
    hang_after_frames: int | None = None
    """The model never finishes a step: no more output, the socket stays open and is read."""
    drop_after_frames: int | None = None
    """The process dies as seen by the client: a TCP reset."""
    half_open_after_frames: int | None = None
    """The server stops reading its socket: no output, no pong, no answer to a close."""
    corrupt_page: int | None = None
    """The page of this frame (1 is the first) carries a flipped byte, so that its checksum is wrong."""
    mute: bool = False
    """Steps run, but nothing is sent."""
    slow_ms: float = 0.0
    """How long each step takes; beyond 80 the model falls behind for good."""
    refuse_handshake: bool = False
    """The upgrade is answered, then the connection is dropped (close code 1006)."""
    never_handshake: bool = False
    """The set-up never ends."""


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence that the model says once this many frames were heard."""

    text: str
    at_frame: int = 0


@dataclass(frozen=True, slots=True)
class SidecarOptions:
    """``port`` 0 takes a free one. ``faults`` is the very object that the double reads: keep it to change it later."""

    mode: Mode = "converse"
    port: int = 0
    setup_s: float = 0.5
    """Time from the lock to the handshake (a GPU needs 2 to 9 s)."""
    script: tuple[Line, ...] = ()
    """Mode ``say``: what is said, whatever the caller does. Mode ``converse``: said too, until the caller talks."""
    claims: tuple[str, ...] = ()
    """Modes ``say`` and ``converse``: false confirmations, each said once, after a caller turn that sounds like a booking."""
    echo_pieces: tuple[str, ...] = ()
    """Mode ``echo``: the text pieces, one with every third frame; empty: a sentence of its own."""
    keep_s: float = 120.0
    """How much of both sides' sound each session keeps."""
    dump_dir: Path | None = None
    """Where each session leaves a JSON and a WAV file (caller left, model right)."""
    faults: Faults = field(default_factory=Faults)
