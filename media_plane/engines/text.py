"""The text engine: the text agent alone, without ear and voice; what a call falls back to in text-only mode."""

from __future__ import annotations

from collections.abc import AsyncIterator

from media_plane.conversation.commands import EngineInput
from media_plane.conversation.events import AgentItemEnded, AgentText, EngineEvent, HangUpRequested
from media_plane.engines.answering import Answering
from media_plane.engines.cascade import AgentFactory, answer_input
from media_plane.engines.outbox import Outbox
from media_plane.engines.supervision import Supervision
from media_plane.ports.engine import CallBrief, EngineTraits


class TextEngine:
    """Implements ``VoiceEngine`` without a voice: answers come as ``AgentText``, caller audio is ignored."""

    def __init__(self, agent_factory: AgentFactory) -> None:
        self._agent_factory = agent_factory
        self._outbox = Outbox()
        self._life = Supervision(self._outbox)
        self._answering: Answering | None = None

    @property
    def traits(self) -> EngineTraits:
        """See ``VoiceEngine.traits``."""
        return EngineTraits("text", voice=False, own_turns=False, output_rate_hz=0)

    async def start(self, brief: CallBrief) -> None:
        """Begin; never fails."""
        if self._answering is None:
            self._answering = Answering(self._agent_factory(brief), WrittenMouth(self._outbox), self._outbox, brief.item_prefix)
            self._life.begin(self._answering.run)

    async def send(self, value: EngineInput) -> None:
        """See ``VoiceEngine.send``."""
        if self._answering is not None:
            answer_input(self._answering, value)

    def events(self) -> AsyncIterator[EngineEvent]:
        """See ``VoiceEngine.events``."""
        return self._outbox.events()

    async def close(self) -> None:
        """See ``VoiceEngine.close``."""
        self._answering = None
        await self._life.stop()


class WrittenMouth:
    """Implements ``Mouth`` in writing: every sentence goes out as it is given."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def words(self, item_id: str, text: str) -> None:
        """Give the words."""
        await self._outbox.put(AgentText(item_id, text))

    async def end(self, item_id: str) -> None:
        """The item is complete."""
        await self._outbox.put(AgentItemEnded(item_id))

    async def hang_up(self) -> None:
        """Ask for the end of the call."""
        await self._outbox.put(HangUpRequested())

    def silence(self, item_id: str) -> None:
        """Give nothing more of the item."""
        self._outbox.silence(item_id)
