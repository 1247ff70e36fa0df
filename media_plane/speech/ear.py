"""One caller's ear: frames in, facts about the caller's voice out, the agent's own echo left aside."""

from __future__ import annotations

from dataclasses import dataclass, field

from media_plane.audio import EAR_RATE_HZ, FRAME_MS, AudioFrame
from media_plane.framer import Framer
from media_plane.speech.barge_in import BargeInDetector, Sensitivity
from media_plane.speech.endpointing import Endpointer, EndpointSettings
from media_plane.speech.facts import BargeInDetected, CallerSpeech
from media_plane.speech.vad import VoiceDetector


@dataclass(frozen=True, slots=True)
class EarSettings:
    """How patient the ear is and how easily the caller interrupts."""

    endpoint: EndpointSettings = field(default_factory=EndpointSettings)
    sensitivity: Sensitivity = "medium"


class Ear:
    """The ear of one call."""

    def __init__(self, detector: VoiceDetector, settings: EarSettings | None = None) -> None:
        chosen = settings or EarSettings()
        self._detector = detector
        self._framer = Framer(EAR_RATE_HZ)
        self._endpointer = Endpointer(chosen.endpoint)
        self._barge_in = BargeInDetector(chosen.sensitivity)
        self._agent_was_audible = False

    def hear(
        self, frame: AudioFrame, at_ms: float, *, agent_audible: bool, agent_level_db: float | None
    ) -> tuple[CallerSpeech | BargeInDetected, ...]:
        """Take caller audio, PCM16 mono 16 kHz of any length, that ends at ``at_ms``.

        While the agent is heard, or may still echo (``agent_level_db`` is not None), an utterance starts only when it is louder than
        the echo for as long as a barge-in takes; ``BargeInDetected`` is given only while the agent is heard.
        """
        if agent_audible and not self._agent_was_audible:
            self._barge_in.agent_began()
        self._agent_was_audible = agent_audible
        frames = self._framer.feed(frame)
        first_end_ms = at_ms - (len(frames) - 1) * FRAME_MS
        facts: list[CallerSpeech | BargeInDetected] = []
        for number, each in enumerate(frames):
            facts += self._frame(each, first_end_ms + number * FRAME_MS, agent_audible, agent_level_db)
        return tuple(facts)

    def _frame(
        self, frame: AudioFrame, at_ms: float, agent_audible: bool, agent_level_db: float | None
    ) -> list[CallerSpeech | BargeInDetected]:
        facts: list[CallerSpeech | BargeInDetected] = []
        probability = self._detector.probability(frame)
        is_caller = self._barge_in.is_caller(frame, agent_level_db, is_open=self._endpointer.speaking)
        taken = self._barge_in.count(probability, at_ms, is_caller=is_caller)
        if taken is not None and agent_audible:
            facts.append(taken)
        alone = not agent_audible and agent_level_db is None
        speech = self._endpointer.hear(probability if is_caller else 0.0, at_ms, may_start=alone or taken is not None)
        if speech is not None:
            facts.append(speech)
        return facts
