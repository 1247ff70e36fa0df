"""Ears and voices: speech to text, text to speech."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from media_plane.audio import AudioFrame


@dataclass(frozen=True, slots=True)
class Transcription:
    """``text`` is empty when there were no words. ``confidence`` 0..1."""

    text: str
    confidence: float


class SpeechToText(Protocol):
    async def warm_up(self) -> None:
        """Load; afterwards ``transcribe`` is at full speed. Raises ConfigurationError ``missing_package`` or ``model_mismatch``."""
        ...

    async def transcribe(self, speech: AudioFrame, *, language: str, hint: str = "") -> Transcription:
        """One utterance, 16 kHz. ``hint``: words likely to come. Raises UpstreamError ``speech_failed``."""
        ...


class TextToSpeech(Protocol):
    async def warm_up(self) -> None:
        """Like ``SpeechToText.warm_up``."""
        ...

    def speak(self, text: str, *, voice_id: str, speed: float) -> AsyncIterator[AudioFrame]:
        """Audio of one sentence as it is made, any rate, faster than real time. Raises UpstreamError ``speech_failed``."""
        ...
