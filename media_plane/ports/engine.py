"""Voice engines: caller audio in, agent audio out, for one call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from media_plane.conversation.commands import EngineInput, ToolOutcome
from media_plane.conversation.events import EngineEvent
from media_plane.ports.tools import ToolSpec
from nexus.domain.session import Turn
from nexus.domain.tenant import TenantConfig


@dataclass(frozen=True, slots=True)
class CallBrief:
    """What an engine must know to take a call, also in the middle of it: ``history``, and the ``outcomes`` of tools that have ended, both
    in the order of time."""

    call_id: str
    config: TenantConfig
    tools: tuple[ToolSpec, ...]
    item_prefix: str
    """Begins every item id of this engine, so that ids stay unique when engines change."""
    caller_phone: str = ""
    history: tuple[Turn, ...] = ()
    outcomes: tuple[ToolOutcome, ...] = ()
    notes: tuple[str, ...] = ()
    """What the business has told the agent during the call."""


@dataclass(frozen=True, slots=True)
class EngineTraits:
    """``voice``: gives audio. ``own_turns``: decides itself when to answer. ``output_rate_hz``: of its audio (0 without)."""

    name: str
    voice: bool
    own_turns: bool
    output_rate_hz: int


class VoiceEngine(Protocol):
    """Turns caller audio into agent audio, for one call.

    Order: ``start`` once, then ``send`` and ``events`` side by side, ``close`` once (always, also after a failed start).
    """

    @property
    def traits(self) -> EngineTraits: ...

    async def start(self, brief: CallBrief) -> None:
        """Connect. Raises UpstreamError ``engine_unreachable``."""
        ...

    async def send(self, value: EngineInput) -> None:
        """Take one input, in order. Returns soon: long work goes on behind ``events``. What the engine has no use for is ignored."""
        ...

    def events(self) -> AsyncIterator[EngineEvent]:
        """What the engine says, until ``close`` or an ``EngineFailed``. Never raises but for cancellation."""
        ...

    async def close(self) -> None:
        """Let go of everything; again is silent."""
        ...
