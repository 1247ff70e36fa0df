"""Contract of SpeechToText on the embedded ear: callers' words come back, noise gives none, cancelling is safe."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest

from media_plane.audio import AudioFrame, silence
from media_plane.ports.speech import Transcription
from media_plane.speech_models.whisper import WhisperEar
from tests.contracts.speech_audio import word_errors

pytestmark = pytest.mark.speech
SPEECH = Path(__file__).parents[1] / "golden" / "speech"
CALLERS = {
    "caller_book_haircut.wav": "Hi, I would like to book a haircut for tomorrow at ten thirty.",
    "caller_name.wav": "My name is Dana Smith.",
    "caller_yes.wav": "Yes, please.",
    "caller_goodbye.wav": "No, that is all. Goodbye.",
}


def recording(name: str) -> AudioFrame:
    with wave.open(str(SPEECH / name)) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
        return AudioFrame(file.readframes(file.getnframes()), 16_000)


def noise(level: float, seconds: float) -> AudioFrame:
    samples = np.random.default_rng(1).normal(0, level, int(16_000 * seconds))
    return AudioFrame((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes(), 16_000)


async def test_callers_are_understood() -> None:
    ear = WhisperEar()
    for name, said in CALLERS.items():
        heard = await ear.transcribe(recording(name), language="en-US")
        assert word_errors(said, heard.text) == 0, (said, heard)
        assert 0.5 < heard.confidence <= 1
    ear.close()


async def test_noise_and_silence_are_no_words() -> None:
    ear = WhisperEar()
    for frame in (silence(2000, 16_000), silence(0, 16_000), noise(0.005, 3), noise(0.05, 5), noise(0.2, 2), noise(0.1, 0.05)):
        assert await ear.transcribe(frame, language="en") == Transcription("", 0.0)
    ear.close()


async def test_cancelling_leaves_the_ear_usable() -> None:
    ear = WhisperEar()
    await ear.warm_up()
    waiting = [asyncio.ensure_future(ear.transcribe(recording("caller_yes.wav"), language="en")) for _ in range(4)]
    await asyncio.sleep(0)
    for task in waiting[:3]:
        task.cancel()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes] == [True, True, True, False]
    ear.close()
