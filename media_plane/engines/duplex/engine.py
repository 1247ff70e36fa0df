"""The duplex engine: a speech model leads the talk; our ear transcribes, an agent beside does the tasks, our voice speaks for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from media_plane.conversation.commands import EngineInput
from media_plane.conversation.events import EngineEvent
from media_plane.engines.duplex.call import DuplexCall
from media_plane.engines.duplex.call import DuplexLimits as DuplexLimits
from media_plane.engines.duplex.call import DuplexParts as DuplexParts
from media_plane.engines.duplex.line import ModelLine
from media_plane.engines.outbox import Outbox
from media_plane.engines.supervision import Supervision
from media_plane.ports.engine import CallBrief, EngineTraits
from nexus.clock import Clock
from nexus.errors import NexusError, UpstreamError

_OUTPUT_RATE_HZ = 24_000
_log = logging.getLogger("nexus.duplex")


class DuplexEngine:
    """Implements ``VoiceEngine`` for one call.

    Args:
        name: of the engine on record (``personaplex``, ``pcm_sidecar``).
        line: to the speech model; of this call alone, closed with the engine.
        parts: ear and voice, shared by all calls, and what makes this call's agent.
        clock: every wait goes by it.
    """

    def __init__(self, name: str, line: ModelLine, parts: DuplexParts, clock: Clock, limits: DuplexLimits | None = None) -> None:
        self._name = name
        self._line = line
        self._parts = parts
        self._clock = clock
        self._limits = limits or DuplexLimits()
        self._outbox = Outbox()
        self._life = Supervision(self._outbox)
        self._call: DuplexCall | None = None
        self._starting = asyncio.Lock()

    @property
    def traits(self) -> EngineTraits:
        """See ``VoiceEngine.traits``."""
        return EngineTraits(self._name, voice=True, own_turns=True, output_rate_hz=_OUTPUT_RATE_HZ)

    async def start(self, brief: CallBrief) -> None:
        """Load ear and voice where that has not happened yet and open the line; again is silent, also while the first is under way.

        Raises:
            UpstreamError: ``engine_unreachable``.
            QuotaExceeded: ``no_engine_slot``.
        """
        async with self._starting:
            if self._call is not None:
                return
            await self._warm_up()
            call = DuplexCall(brief, self._line, self._parts, self._clock, self._limits, self._outbox)
            await self._line.open(call.model_brief)
            self._call = call
            self._life.begin(*call.jobs)
            await asyncio.sleep(0)  # the listener takes its group before the first input

    async def send(self, value: EngineInput) -> None:
        """See ``VoiceEngine.send``."""
        if self._call is not None:
            await self._call.take(value)

    def events(self) -> AsyncIterator[EngineEvent]:
        """See ``VoiceEngine.events``. The model is heard from the first look on; what it said before is dropped."""
        return self._call.events() if self._call is not None else self._outbox.events()

    async def close(self) -> None:
        """See ``VoiceEngine.close``."""
        self._call = None
        await self._life.stop()
        try:
            async with asyncio.timeout(self._limits.close_s):
                await self._line.close()
        except (NexusError, OSError, TimeoutError) as error:
            _log.warning("the line did not close cleanly: %s", error)

    async def _warm_up(self) -> None:
        try:
            async with asyncio.timeout(self._limits.warm_up_s):
                if self._parts.ear is not None:
                    await self._parts.ear.warm_up()
                await self._parts.voice.warm_up()
        except (NexusError, TimeoutError) as error:
            why = error.public_message if isinstance(error, NexusError) else "loading took too long"
            raise UpstreamError("engine_unreachable", f"The embedded speech models are not usable: {why}") from error
