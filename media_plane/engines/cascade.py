"""The cascade engine: speech-to-text, a text agent with tools, text-to-speech, streaming sentence by sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from media_plane.conversation.commands import CallerAudio, CallerTurn, EngineInput, Inform, Interrupted, Say, ToolAnswer
from media_plane.conversation.events import CallerSpeech, EngineEvent
from media_plane.engines.answering import Agent, Answering
from media_plane.engines.listening import Listener, ListeningLimits
from media_plane.engines.outbox import Outbox
from media_plane.engines.speaking import Speaker, SpeakingLimits
from media_plane.engines.supervision import Supervision
from media_plane.ports.engine import CallBrief, EngineTraits
from media_plane.ports.speech import SpeechToText, TextToSpeech
from nexus.clock import Clock
from nexus.errors import NexusError, UpstreamError

AgentFactory = Callable[[CallBrief], Agent]


@dataclass(frozen=True, slots=True)
class CascadeLimits:
    """``warm_up_s``: how long loading the models may take at ``start``. ``output_rate_hz``: what the voice gives."""

    listening: ListeningLimits = field(default_factory=ListeningLimits)
    speaking: SpeakingLimits = field(default_factory=SpeakingLimits)
    warm_up_s: float = 60.0
    output_rate_hz: int = 22_050


class CascadeEngine:
    """Implements ``VoiceEngine`` for one call. Ear and voice are shared by all calls; the agent is made for this one.

    Args:
        ear: shared speech-to-text.
        voice: shared text-to-speech.
        agent_factory: makes the call's text agent from its brief.
        clock: paces the look-ahead of synthesis.
    """

    def __init__(
        self, ear: SpeechToText, voice: TextToSpeech, agent_factory: AgentFactory, clock: Clock, limits: CascadeLimits | None = None
    ) -> None:
        self._ear = ear
        self._voice = voice
        self._agent_factory = agent_factory
        self._clock = clock
        self._limits = limits or CascadeLimits()
        self._outbox = Outbox()
        self._life = Supervision(self._outbox)
        self._sides: tuple[Listener, Answering] | None = None

    @property
    def traits(self) -> EngineTraits:
        """See ``VoiceEngine.traits``."""
        return EngineTraits("cascade", voice=True, own_turns=False, output_rate_hz=self._limits.output_rate_hz)

    async def start(self, brief: CallBrief) -> None:
        """Load the models where that has not happened yet, and begin.

        Raises:
            UpstreamError: ``engine_unreachable`` when a model cannot be loaded.
        """
        if self._sides is not None:
            return
        try:
            async with asyncio.timeout(self._limits.warm_up_s):
                await self._ear.warm_up()
                await self._voice.warm_up()
        except (NexusError, TimeoutError) as error:
            why = error.public_message if isinstance(error, NexusError) else "loading took too long"
            raise UpstreamError("engine_unreachable", f"The embedded speech models are not usable: {why}") from error
        settings = brief.config.voice_settings
        listener = Listener(self._ear, self._outbox, settings.language, self._limits.listening)
        speaker = Speaker(self._voice, self._outbox, self._clock, settings, self._limits.speaking)
        answering = Answering(self._agent_factory(brief), speaker, self._outbox, brief.item_prefix)
        self._sides = (listener, answering)
        self._life.begin(listener.run, speaker.run, answering.run)
        await asyncio.sleep(0)  # the listener takes its group before the first input

    async def send(self, value: EngineInput) -> None:
        """See ``VoiceEngine.send``."""
        if self._sides is None:
            return
        listener, answering = self._sides
        match value:
            case CallerAudio(frame):
                listener.audio(frame)
            case CallerSpeech():
                listener.speech(value)
            case _:
                answer_input(answering, value)

    def events(self) -> AsyncIterator[EngineEvent]:
        """See ``VoiceEngine.events``."""
        return self._outbox.events()

    async def close(self) -> None:
        """See ``VoiceEngine.close``."""
        self._sides = None
        await self._life.stop()


def answer_input(answering: Answering, value: EngineInput) -> None:
    """Give a text input to the answering side; audio is none of its business."""
    match value:
        case CallerTurn(text):
            answering.turn(text)
        case Say():
            answering.say(value)
        case Inform(text):
            answering.inform(text)
        case ToolAnswer():
            answering.tool_answer(value)
        case Interrupted(item_id, heard_text):
            answering.interrupted(item_id, heard_text)
        case _:
            return
