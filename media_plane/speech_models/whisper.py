"""The embedded ear: Whisper tiny.en on CTranslate2, with guards against words that nobody said."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media_plane.audio import EAR_RATE_HZ, AudioFrame
from media_plane.ports.speech import Transcription
from media_plane.speech_models.hearsay import Heard, believable, with_clock_times
from media_plane.speech_models.pins import WHISPER_TINY_EN, load_package, own_files, packaged_folder, verify
from media_plane.speech_models.worker import Worker
from nexus.errors import UpstreamError

NOTHING = Transcription(text="", confidence=0.0)
_log = logging.getLogger(__name__)
_SHORTEST_MS = 80.0
_LONGEST_S = 30
_QUIETEST_DBFS = -60.0
_HINT_CHARS = 200


@dataclass(frozen=True, slots=True)
class EarSettings:
    """``model_dir``: a CTranslate2 Whisper folder of your own instead of the packaged one. ``threads``: of one transcription."""

    model_dir: Path | None = None
    threads: int = 2


class WhisperEar:
    """Implements ``SpeechToText``. One for the whole process: utterances of all calls wait in one queue for one worker thread."""

    def __init__(self, settings: EarSettings | None = None) -> None:
        self._settings = settings or EarSettings()
        self._worker = Worker("ear")
        self._model: Any = None
        self._languages_noted: set[str] = set()

    async def warm_up(self) -> None:
        """Verify, load and run once (about 1 s); again is silent. Raises ConfigurationError."""
        await self._worker.run(self._load)

    async def transcribe(self, speech: AudioFrame, *, language: str, hint: str = "") -> Transcription:
        """See ``SpeechToText.transcribe``. Audio beyond 30 s is not heard: the caller of this method cuts it.

        Raises:
            UpstreamError: ``speech_failed``.
        """
        self._note_language(language)
        samples = _samples(speech)
        if speech.duration_ms < _SHORTEST_MS or level_dbfs(samples) < _QUIETEST_DBFS:
            return NOTHING
        return await self._worker.run(self._transcribe, samples, hint[:_HINT_CHARS])

    def close(self) -> None:
        """Let the worker thread go."""
        self._worker.close()

    def _load(self) -> None:
        if self._model is not None:
            return
        whisper = load_package("faster_whisper")
        folder = self._settings.model_dir
        if folder is None:
            folder = packaged_folder(WHISPER_TINY_EN)
            verify(WHISPER_TINY_EN, folder)
        else:
            own_files("STT_MODEL_DIR", folder / "model.bin")
        model = whisper.WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=self._settings.threads, local_files_only=True
        )
        self._model = model
        self._transcribe(np.zeros(EAR_RATE_HZ, dtype=np.float32), "")

    def _transcribe(self, samples: NDArray[np.float32], hint: str) -> Transcription:
        if self._model is None:
            self._load()
        try:
            segments, _ = self._model.transcribe(
                samples,
                language="en",
                beam_size=1,
                temperature=0.0,
                without_timestamps=True,
                condition_on_previous_text=False,
                initial_prompt=hint or None,
            )
            found = tuple(_heard(segment) for segment in segments)
        except (RuntimeError, ValueError) as error:
            raise UpstreamError("speech_failed", "The speech-to-text model failed on an utterance") from error
        return _verdict(found, seconds=len(samples) / EAR_RATE_HZ)

    def _note_language(self, language: str) -> None:
        if language.lower().startswith("en") or language in self._languages_noted:
            return
        self._languages_noted.add(language)
        _log.warning("the embedded ear knows English only; a call asks for %s and is transcribed as English", language)


def _heard(segment: Any) -> Heard:
    return Heard(
        text=segment.text.strip(),
        avg_logprob=segment.avg_logprob,
        no_speech_prob=segment.no_speech_prob,
        compression_ratio=segment.compression_ratio,
    )


def _verdict(found: Sequence[Heard], *, seconds: float) -> Transcription:
    kept = [one for one in found if believable(one, seconds=seconds)]
    text = with_clock_times(" ".join(one.text for one in kept).strip())
    if not text:
        return NOTHING
    mean = sum(one.avg_logprob for one in kept) / len(kept)
    return Transcription(text=text, confidence=round(min(1.0, math.exp(mean)), 3))


def _samples(speech: AudioFrame) -> NDArray[np.float32]:
    if speech.sample_rate_hz != EAR_RATE_HZ:
        raise UpstreamError("speech_failed", f"The ear takes {EAR_RATE_HZ} Hz, not {speech.sample_rate_hz}", retryable=False)
    pcm = np.frombuffer(speech.pcm[: EAR_RATE_HZ * 2 * _LONGEST_S], dtype="<i2")
    return (pcm / 32768.0).astype(np.float32)


def level_dbfs(samples: NDArray[np.float32]) -> float:
    """RMS level of samples in -1..1; -120 for nothing at all."""
    if not len(samples):
        return -120.0
    rms = math.sqrt(float(np.mean(np.square(samples, dtype=np.float64))))
    return 20.0 * math.log10(rms) if rms > 1e-6 else -120.0
