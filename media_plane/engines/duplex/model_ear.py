"""Pairs the model's own transcripts of the caller with the utterances that our voice detector found; pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from media_plane.conversation.events import CallerSpeech, CallerTranscript

_MOST_TEXTS = 64
_MOST_WAITING = 16


@dataclass(frozen=True, slots=True)
class _Ended:
    """An utterance that is over and has no words yet."""

    fact: CallerSpeech
    at_ms: float


class ModelEar:
    """Stands in for an ear of our own where the model tells what the caller said.

    Gives one final transcript for each utterance, with its times: at its end where words have come by then, else with the first words
    within ``patience_ms``, else empty. Words without an utterance (our detector heard none) are dated by the moment they came.
    """

    def __init__(self, patience_ms: float = 1_500.0) -> None:
        self._patience_ms = patience_ms
        self._texts: deque[str] = deque(maxlen=_MOST_TEXTS)
        self._waiting: deque[_Ended] = deque(maxlen=_MOST_WAITING)
        self._speaking = False
        self._call_ahead_ms = 0.0

    def speech(self, at_ms: float, fact: CallerSpeech) -> list[CallerTranscript]:
        """Take a fact about the caller's voice."""
        self._speaking = fact.kind != "ended"
        self._call_ahead_ms = max(fact.voice_start_ms, fact.voice_end_ms) - at_ms
        if self._speaking:
            return []
        if not self._texts:
            self._waiting.append(_Ended(fact, at_ms))
            return []
        text = " ".join(self._texts)
        self._texts.clear()
        return [_transcript(text, fact)]

    def heard(self, at_ms: float, text: str) -> list[CallerTranscript]:
        """Take an utterance as the model heard it; an empty one says only that such will come."""
        if not text:
            return []
        if self._waiting:
            return [_transcript(text, self._waiting.popleft().fact)]
        if self._speaking:
            self._texts.append(text)
            return []
        moment_ms = max(0.0, at_ms + self._call_ahead_ms)
        return [CallerTranscript(text, final=True, voice_start_ms=moment_ms, voice_end_ms=moment_ms)]

    def tick(self, at_ms: float) -> list[CallerTranscript]:
        """Time passes: utterances without words are given up."""
        given: list[CallerTranscript] = []
        while self._waiting and at_ms - self._waiting[0].at_ms >= self._patience_ms:
            given.append(_transcript("", self._waiting.popleft().fact))
        return given


def _transcript(text: str, fact: CallerSpeech) -> CallerTranscript:
    return CallerTranscript(text, final=True, voice_start_ms=fact.voice_start_ms, voice_end_ms=fact.voice_end_ms)
