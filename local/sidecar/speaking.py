"""The minds with a voice: one that says its lines whatever happens, one that listens, answers and stops when the caller talks."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass

import numpy as np
import sphn

from local.sidecar.dump import Samples, SessionDump
from local.sidecar.mind import Step, silence
from local.sidecar.options import FRAME_SAMPLES, SAMPLE_RATE_HZ, SidecarOptions
from local.sidecar.pieces import pieces
from local.sidecar.small_talk import SmallTalk
from local.sidecar.turns import Turns
from media_plane.audio import EAR_RATE_HZ, AudioFrame
from media_plane.ports.speech import SpeechToText, TextToSpeech
from nexus.errors import ConfigurationError, UpstreamError

_TURNS_WAITING = 4
_VOICE_ID = "joe"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Speech:
    """The ear and the voice that the doubles of a process share."""

    ear: SpeechToText
    voice: TextToSpeech


class SpeakingMind:
    """``Mind`` of the modes ``say`` and ``converse``.

    What it says goes into a row of frames, one of which leaves with each step. The caller's talk empties the row in mode ``converse``.
    A turn that comes while four wait pushes out the oldest.
    """

    def __init__(self, options: SidecarOptions, speech: Speech, dump: SessionDump) -> None:
        self._speech = speech
        self._dump = dump
        self._lines = sorted(options.script, key=lambda line: line.at_frame)
        self._prepared: deque[tuple[int, list[Step]]] = deque()
        self._yields = options.mode == "converse"
        self._talk = SmallTalk(options.claims, answers=options.mode == "converse")
        self._listens = self._yields or bool(options.claims)
        self._turns = Turns()
        self._row: deque[Step] = deque()
        self._waiting: deque[Samples] = deque(maxlen=_TURNS_WAITING)
        self._turn_came = asyncio.Event()
        self._frames = 0

    async def prepare(self) -> None:
        """Make the script's sound, so that it is said at its frames exactly."""
        for line in self._lines:
            self._prepared.append((line.at_frame, await self._said(line.text)))

    async def live(self) -> None:
        """Understand and answer one turn after the other."""
        while True:
            await self._turn_came.wait()
            self._turn_came.clear()
            while self._waiting:
                await self._answer(self._waiting.popleft())

    def step(self, frame: Samples) -> Step:
        """See ``Mind.step``."""
        while self._prepared and self._prepared[0][0] <= self._frames:
            self._row.extend(self._prepared.popleft()[1])
        self._frames += 1
        heard = self._turns.hear(frame)
        if heard.began and self._yields:
            self._row.clear()
        if heard.turn is not None and self._listens:
            self._waiting.append(heard.turn)
            self._turn_came.set()
        return self._row.popleft() if self._row else Step(silence())

    async def _answer(self, turn: Samples) -> None:
        steps = await self._said(self._talk.reply(await self._understood(turn)))
        if not (self._yields and self._turns.talking):
            self._row.extend(steps)

    async def _understood(self, turn: Samples) -> str:
        pcm = (np.clip(_resampled(turn, SAMPLE_RATE_HZ, EAR_RATE_HZ), -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
        try:
            text = (await self._speech.ear.transcribe(AudioFrame(pcm, EAR_RATE_HZ), language="en")).text
        except (UpstreamError, ConfigurationError) as error:
            _log.error("the double did not understand a turn: %s", error)
            return ""
        self._dump.transcripts.append(text)
        return text

    async def _said(self, text: str) -> list[Step]:
        if not text:
            return []
        try:
            frames = [frame async for frame in self._speech.voice.speak(text, voice_id=_VOICE_ID, speed=1.0)]
        except (UpstreamError, ConfigurationError) as error:
            _log.error("the double could not say a sentence: %s", error)
            return []
        sound = [_resampled(_samples(frame), frame.sample_rate_hz, SAMPLE_RATE_HZ) for frame in _joined(frames)]
        return steps(sound[0] if sound else silence()[:0], pieces(text))


def steps(sound: Samples, texts: list[str]) -> list[Step]:
    """Sound of any length as whole frames, the text pieces spread over them evenly, one a frame at most."""
    count = max(-(-len(sound) // FRAME_SAMPLES), len(texts))
    whole = np.zeros(count * FRAME_SAMPLES, dtype=np.float32)
    whole[: len(sound)] = sound
    at = {number * count // len(texts): piece for number, piece in enumerate(texts)}
    return [Step(whole[number * FRAME_SAMPLES : (number + 1) * FRAME_SAMPLES], at.get(number, "")) for number in range(count)]


def _joined(frames: list[AudioFrame]) -> list[AudioFrame]:
    """One frame of them all (none of none): a voice keeps to one rate."""
    return [AudioFrame(b"".join(frame.pcm for frame in frames), frames[0].sample_rate_hz)] if frames else []


def _samples(frame: AudioFrame) -> Samples:
    return (np.frombuffer(frame.pcm, dtype="<i2") / 32768.0).astype(np.float32)


def _resampled(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    if from_hz == to_hz or not len(samples):
        return samples
    result: Samples = np.ascontiguousarray(sphn.resample(samples, from_hz, to_hz), dtype=np.float32)
    return result
