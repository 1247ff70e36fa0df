"""Noises, voices and rooms for the ear, PCM16 scale at 16 kHz, made from seeds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from media_plane.audio import AudioFrame
from media_plane.speech.ear import Ear
from media_plane.speech.facts import BargeInDetected, CallerSpeech
from media_plane.speech.level import LevelWindow, rms_db
from tests.fakes.webm_bytes import speech

Signal = NDArray[np.float64]
RATE_HZ = 16_000
NAMES = ("hello_short", "book_tomorrow", "uh_huh", "wait_stop", "yes_please")


def at_level(signal: Signal, level_db: float) -> Signal:
    return signal / np.sqrt(np.mean(signal**2)) * 32_768 * 10 ** (level_db / 20)


def white(seconds: float, seed: int = 0) -> Signal:
    return np.random.default_rng(seed).normal(0, 1, int(seconds * RATE_HZ))


def pink(seconds: float) -> Signal:
    spectrum = np.fft.rfft(white(seconds))
    bins = np.arange(len(spectrum), dtype=np.float64)
    bins[0] = 1
    return np.fft.irfft(spectrum / np.sqrt(bins), int(seconds * RATE_HZ))


def keyboard(seconds: float) -> Signal:
    rng, out = np.random.default_rng(1), np.zeros(int(seconds * RATE_HZ))
    for at in np.cumsum(rng.exponential(0.18 * RATE_HZ, int(seconds * 8))).astype(int):
        length = min(int(rng.integers(200, 900)), max(0, len(out) - at))
        out[at : at + length] += rng.normal(0, rng.uniform(0.3, 1), length) * np.exp(-np.arange(length) / 120)
    return out


def voice(name: str) -> Signal:
    return np.frombuffer(speech(name), "<i2").astype(np.float64)


def babble(seconds: float, voices: int = 10) -> Signal:
    """A café: many voices at other speeds in a room that rings."""
    rng, source = np.random.default_rng(2), np.concatenate([voice(name) for name in NAMES])
    count = int(seconds * RATE_HZ)
    total = np.zeros(count)
    for _ in range(voices):
        places = (np.arange(count) * rng.uniform(0.85, 1.2) + rng.integers(0, len(source))) % (len(source) - 1)
        total += np.interp(places, np.arange(len(source)), source)
    return echo(total, 0, rng.normal(0, 1, 8_000) * np.exp(-np.arange(8_000) / 2_000))


def echo(signal: Signal, delay_ms: int, room: Signal) -> Signal:
    """The signal through a room, late."""
    delayed = np.concatenate([np.zeros(delay_ms * 16), signal])[: len(signal)]
    length = len(signal) + len(room)
    return np.fft.irfft(np.fft.rfft(delayed, length) * np.fft.rfft(room, length), length)[: len(signal)]


def leak(agent: Signal, loss_db: float) -> Signal:
    """The agent's voice as the microphone hears it, 120 ms late, with a short reverberation."""
    rng = np.random.default_rng(3)
    room = np.concatenate([[1.0], rng.normal(0, 0.05, 3_000) * np.exp(-np.arange(3_000) / 600)])
    heard = echo(agent, 120, room)
    return heard * np.sqrt(np.mean(agent**2) / np.mean(heard**2)) * 10 ** (loss_db / 20)


def frame_of(signal: Signal) -> AudioFrame:
    return AudioFrame(np.clip(np.rint(signal), -32_768, 32_767).astype("<i2").tobytes(), RATE_HZ)


def listen(ear: Ear, microphone: Signal, agent: Signal | None = None) -> list[tuple[float, CallerSpeech | BargeInDetected]]:
    """What the ear says of a microphone while the agent's audio goes out."""
    levels, facts = LevelWindow(320), []
    for start in range(0, len(microphone) - 319, 320):
        at_ms, audible = (start + 320) / 16, False
        if agent is not None and np.any(agent[start : start + 320]):
            audible = True
            levels.note(at_ms, rms_db(frame_of(agent[start : start + 320])))
        frame = frame_of(microphone[start : start + 320])
        heard = ear.hear(frame, at_ms, agent_audible=audible, agent_level_db=levels.loudest_db(at_ms))
        facts += [(at_ms, fact) for fact in heard]
    return facts
