"""`nexus call` with WAVs that the repository does not hold: another pitch, pace, noise, loudness and wording book an appointment.

The voice is the product's own, made at test time, deeper by a ninth and with hiss; it is not another speaker. Nothing here is tuned to it.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from local.wav import read_wav, write_wav
from media_plane.audio import EAR_RATE_HZ
from media_plane.speech_models.piper import PiperVoice
from tests.e2e.product import BARBER, Product, shop_day
from tests.e2e.sound import read_sound, recalled, words_of

pytestmark = pytest.mark.speech
PITCH = 8 / 9
HISS_UNITS = 25.0
LINES = (
    "I need an appointment for a haircut, the day after tomorrow, at two in the afternoon.",
    "Please put it under Robert Miller.",
    "Yes, that's right.",
    "No, thank you. Goodbye.",
)


async def made(folder: Path) -> list[Path]:
    """The lines as WAV files at 22.05 kHz, deeper and slower, with noise."""
    voice = PiperVoice()
    noise = np.random.default_rng(11)
    onnxruntime.set_seed(7)  # the voice draws its own noise: the caller is the same in every run
    paths = []
    for at, line in enumerate(LINES):
        frames = [frame async for frame in voice.speak(line, voice_id="en_us_male_calm", speed=1.1)]
        slowed = int(frames[0].sample_rate_hz * PITCH)
        raw = folder / f"raw{at}.wav"
        write_wav(raw, (b"".join(frame.pcm for frame in frames),), slowed)
        clean = np.frombuffer(read_wav(raw, EAR_RATE_HZ).pcm, dtype="<i2") * 0.6
        edge = np.zeros(EAR_RATE_HZ // 4)
        loud = np.concatenate([edge, clean, edge])
        path = folder / f"line{at}.wav"
        write_wav(path, ((loud + noise.normal(0, HISS_UNITS, len(loud))).clip(-32768, 32767).astype("<i2").tobytes(),), EAR_RATE_HZ)
        paths.append(path)
    voice.close()
    return paths


async def test_a_voice_and_wording_of_its_own_books(running: Product, tmp_path: Path) -> None:
    wanted = f"slot/{shop_day(2)}T14:00"
    heard = tmp_path / "heard.wav"
    wavs = [str(path) for path in await made(tmp_path)]
    said = running.nexus("call", BARBER, "--wav", *wavs, "--phone", "+12125550188", "--out", str(heard))
    assert said.returncode == 0, said.stderr
    found = {stored.key: stored.value for stored in await running.calendar()}
    assert wanted in found, said.stdout
    assert found[wanted]["service"] == "haircut"
    assert "Miller" in found[wanted]["customer_name"]
    heard_words = " ".join(await words_of(read_sound(heard.read_bytes())))
    assert recalled("You are booked: haircut for Miller at 2 PM", heard_words) > 0.5, heard_words
    answers_s = [float(seconds) for seconds in re.findall(r"^line\d\.wav\s+([\d.]+) s", said.stdout, re.MULTILINE)]
    assert len(answers_s) == len(LINES) and sorted(answers_s)[len(LINES) // 2] < 3.0
