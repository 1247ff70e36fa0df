"""Contract of TextToSpeech on the embedded voice: intelligible, level, early, and silent where nothing can be said."""

from __future__ import annotations

import math

import numpy as np
import pytest

from media_plane.audio import AudioFrame
from media_plane.speech_models.piper import PiperVoice
from media_plane.speech_models.whisper import WhisperEar
from tests.contracts.speech_audio import at_ear_rate, bare, word_errors

pytestmark = pytest.mark.speech
SENTENCES = (
    "Hello, this is Joe's Barbershop. How can I help you today?",
    "A haircut is $25 and a beard trim costs $15.50.",
    "Our number is 415-555-2671.",
    "Let me check that for you.",
    "I have 10:30 AM or 2:00 PM. Which would you like?",
    "What is your name, please?",
    "Thank you for calling. Goodbye!",
    "Your order number is 48213.",
    "We have a 15% discount on Tuesdays & Wednesdays.",
    "The appointment takes about 20-30 minutes.",
    "We are at 123 Main St. near the park.",
    "Would you like anything else with your large pepperoni pizza?",
    "Is tomorrow at two o'clock good for you?",
)


async def spoken_audio(voice: PiperVoice, text: str, speed: float = 1.0) -> AudioFrame:
    frames = [frame async for frame in voice.speak(text, voice_id="joe", speed=speed)]
    return AudioFrame(b"".join(frame.pcm for frame in frames), 22_050)


async def test_receptionist_sentences_come_back_through_the_ear() -> None:
    voice, ear = PiperVoice(), WhisperEar()
    errors = words = 0
    misheard = []
    for text in SENTENCES:
        audio = await spoken_audio(voice, text)
        heard = (await ear.transcribe(at_ear_rate(audio), language="en-US")).text
        wrong = word_errors(text, heard)
        errors, words = errors + wrong, words + len(bare(text))
        misheard += [(text, heard)] if wrong else []
        samples = np.frombuffer(audio.pcm, dtype="<i2") / 32768.0
        assert -27 < 20 * math.log10(math.sqrt(float(np.mean(samples**2)))) < -17
        assert np.abs(samples).max() < 0.95
    # The voice draws noise for each sentence, so single runs lie between 2 and 6 %; the limit leaves room for a bad draw.
    assert errors / words <= 0.08, misheard
    voice.close()
    ear.close()


async def test_speed_shortens_and_nothing_sayable_is_no_audio() -> None:
    voice = PiperVoice()
    slow, fast = [await spoken_audio(voice, "Let me check that for you.", speed) for speed in (0.8, 1.6)]
    assert fast.duration_ms < slow.duration_ms * 0.8  # half, but for the pauses and the voice's own variation of lengths
    for nothing in ("", "...", "?!", "😀", " \n"):
        assert (await spoken_audio(voice, nothing)).pcm == b""
    assert (await spoken_audio(voice, "Zażółć 北京 שלום ok")).pcm
    voice.close()
