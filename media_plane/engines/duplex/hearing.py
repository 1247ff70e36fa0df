"""The caller's words in a duplex call: by our ear, or by the model's line where that tells them."""

from __future__ import annotations

from media_plane.audio import AudioFrame
from media_plane.conversation.events import CallerSpeech, CallerTranscript
from media_plane.engines.duplex.model_ear import ModelEar
from media_plane.engines.listening import Listener
from media_plane.engines.outbox import Outbox
from media_plane.engines.supervision import Job
from nexus.clock import Clock


class CallerHearing:
    """Gives one final ``CallerTranscript`` for each utterance of the caller.

    Args:
        listener: our ear; None where the line is known to tell the caller's words.
    """

    def __init__(self, listener: Listener | None, outbox: Outbox, clock: Clock) -> None:
        self._listener = listener
        self._outbox = outbox
        self._clock = clock
        self._model_ear = ModelEar()

    @property
    def jobs(self) -> tuple[Job, ...]:
        """What runs from start to close."""
        return (self._listener.run,) if self._listener is not None else ()

    def audio(self, frame: AudioFrame) -> None:
        """Take caller audio, 16 kHz."""
        if self._listener is not None:
            self._listener.audio(frame)

    async def speech(self, fact: CallerSpeech) -> None:
        """Take a fact about the caller's voice."""
        if self._listener is not None:
            self._listener.speech(fact)
        else:
            await self._write_down(self._model_ear.speech(self._clock.monotonic_ms(), fact))

    async def told(self, text: str) -> None:
        """The line tells what the caller said. From now on it is believed: who talks with them understands them best."""
        self._listener = None
        await self._write_down(self._model_ear.heard(self._clock.monotonic_ms(), text))

    async def tick(self) -> None:
        """Time has passed."""
        await self._write_down(self._model_ear.tick(self._clock.monotonic_ms()))

    async def _write_down(self, transcripts: list[CallerTranscript]) -> None:
        for transcript in transcripts:
            await self._outbox.put(transcript)
