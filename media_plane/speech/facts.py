"""The facts that the ear finds in caller audio; they are events of the conversation too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class CallerSpeech:
    """A fact about the caller's voice, found in decoded audio.

    ``started``: speech has begun. ``paused``: a silence long enough to begin transcribing in advance. ``resumed``: the pause was not
    the end. ``ended``: the utterance is over (endpointing decided). ``voice_end_ms`` is when the voice itself fell silent (``paused`` and
    ``ended``), ``voice_start_ms`` when it began.
    """

    kind: Literal["started", "paused", "resumed", "ended"]
    voice_start_ms: float
    voice_end_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class BargeInDetected:
    """The caller takes the floor while the agent is heard; ``onset_ms`` is when the caller's voice began."""

    onset_ms: float
