"""The listening side of the cascade: caller speech to final transcripts, begun in advance while the caller pauses."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from media_plane.audio import AudioFrame
from media_plane.conversation.events import CallerSpeech, CallerTranscript, EngineNotice
from media_plane.engines.outbox import Outbox
from media_plane.engines.utterance import UtteranceBuffer
from media_plane.ports.speech import SpeechToText, Transcription
from nexus.errors import NexusError

Heard = asyncio.Task[Transcription]
_NOTHING = Transcription("", 0.0)
_MOST_PIECES = 40


@dataclass(frozen=True, slots=True)
class ListeningLimits:
    """``preroll_ms`` before a detected start, ``longest_ms`` of a piece, ``patience_s`` for the transcription of one."""

    preroll_ms: float = 300.0
    longest_ms: float = 25_000.0
    patience_s: float = 20.0


class Listener:
    """Turns ``CallerAudio`` and ``CallerSpeech`` into one final ``CallerTranscript`` per utterance, in order."""

    def __init__(self, ear: SpeechToText, outbox: Outbox, language: str, limits: ListeningLimits) -> None:
        self._ear = ear
        self._outbox = outbox
        self._language = language
        self._patience_s = limits.patience_s
        self._buffer = UtteranceBuffer(preroll_ms=limits.preroll_ms, longest_ms=limits.longest_ms)
        self._pieces: list[Heard] = []
        self._early: Heard | None = None
        self._group: asyncio.TaskGroup | None = None
        self._order = asyncio.Lock()

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Take the group that owns the transcriptions."""
        self._group = group

    def audio(self, frame: AudioFrame) -> None:
        """Take caller audio, 16 kHz. Beyond 40 pieces (a quarter of an hour without a pause) the audio is not transcribed."""
        piece = self._buffer.append(frame)
        if piece is not None and len(self._pieces) < _MOST_PIECES:
            self._forget_early()
            self._pieces.append(self._transcribe(piece))

    def speech(self, fact: CallerSpeech) -> None:
        """Take a fact about the caller's voice."""
        match fact.kind:
            case "started":
                self._buffer.begin()
            case "paused":
                self._forget_early()
                self._early = self._transcribe(self._buffer.snapshot())
            case "resumed":
                self._forget_early()
            case "ended":
                self._ended(fact)

    def _ended(self, fact: CallerSpeech) -> None:
        audio = self._buffer.end()
        last, self._early = self._early or self._transcribe(audio), None
        pieces, self._pieces = [*self._pieces, last], []
        if self._group is not None:
            self._group.create_task(self._conclude(fact, pieces))

    def _forget_early(self) -> None:
        if self._early is not None:
            self._early.cancel()
            self._early = None

    def _transcribe(self, audio: AudioFrame) -> Heard:
        if self._group is None:
            raise RuntimeError("Listener.run comes first")
        return self._group.create_task(self._hear(audio))

    async def _hear(self, audio: AudioFrame) -> Transcription:
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._ear.transcribe(audio, language=self._language)
        except TimeoutError:
            await self._outbox.put(EngineNotice("speech_failed", "stt", f"An utterance was not transcribed within {self._patience_s} s"))
        except NexusError as error:
            await self._outbox.put(EngineNotice(error.code, "stt", error.public_message))
        return _NOTHING

    async def _conclude(self, fact: CallerSpeech, pieces: list[Heard]) -> None:
        async with self._order:
            found = [await piece for piece in pieces]
        texts = [one for one in found if one.text]
        confidence = min((one.confidence for one in texts), default=None)
        await self._outbox.put(
            CallerTranscript(
                text=" ".join(one.text for one in texts),
                final=True,
                voice_start_ms=fact.voice_start_ms,
                voice_end_ms=fact.voice_end_ms,
                confidence=confidence,
            )
        )
