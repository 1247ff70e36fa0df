"""Plays events into a conversation and keeps every command: calls as timelines, in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from media_plane.audio import AudioFrame, silence
from media_plane.conversation import commands as do
from media_plane.conversation import events as ev
from media_plane.conversation.machine import CallLimits, Conversation
from nexus.domain.journal import JournalEntry
from nexus.domain.tenant import TenantConfig

Found = TypeVar("Found")
VOICE = ev.EngineReady(engine="cascade", voice=True, own_turns=False)
TEXT = ev.EngineReady(engine="text", voice=False, own_turns=False, reason="engine_lost")


def tenant(**changes: Any) -> TenantConfig:
    """A small configuration."""
    return TenantConfig.model_validate({"tenant_id": "shop", "system_prompt": "Be kind.", "greeting": "Hello there.", **changes})


class Timeline:
    """One conversation under test."""

    def __init__(self, config: TenantConfig | None = None, *, max_duration_ms: float = 600_000.0) -> None:
        self.machine = Conversation(config or tenant(), CallLimits(max_duration_ms=max_duration_ms))
        self.commands: list[do.Command] = []
        self.entries: list[JournalEntry] = []

    def at(self, at_ms: float, *events: ev.Event) -> list[do.Command]:
        """Give events at one moment; the commands they led to."""
        new = [command for event in events for command in self.machine.handle(at_ms, event)]
        self._keep(new)
        return new

    def finish(self, at_ms: float) -> list[do.Command]:
        new = self.machine.finish(at_ms)
        self._keep(new)
        return new

    def _keep(self, new: Sequence[do.Command]) -> None:
        self.commands += new
        self.entries += [command.entry for command in new if isinstance(command, do.Note)]

    def all(self, kind: type[Found]) -> list[Found]:
        """Every command of a kind so far."""
        return [command for command in self.commands if isinstance(command, kind)]

    def sent(self) -> list[do.EngineInput]:
        """Everything sent to the engine so far."""
        return [command.value for command in self.all(do.SendToEngine)]

    def agent_says(self, at_ms: float, item_id: str, *sentences: tuple[str, float], end: bool = True) -> None:
        """The engine gives text and audio at once, and playout begins."""
        for text, duration_ms in sentences:
            self.at(at_ms, ev.AgentText(item_id, text), ev.AgentAudio(item_id, tone(duration_ms)))
        if end:
            self.at(at_ms, ev.AgentItemEnded(item_id))
        self.at(at_ms, ev.PlayoutStarted(item_id))

    def caller_says(self, from_ms: float, to_ms: float, text: str, *, endpoint_ms: float = 550.0) -> None:
        """Speech facts, the endpoint and the transcript."""
        self.at(from_ms, ev.CallerSpeech("started", from_ms))
        self.at(to_ms + endpoint_ms, ev.CallerSpeech("ended", from_ms, to_ms))
        self.at(to_ms + endpoint_ms + 50, ev.CallerTranscript(text, True, from_ms, to_ms, 0.9))


def tone(duration_ms: float) -> AudioFrame:
    """Audio of a length; what is in it does not matter here."""
    return silence(duration_ms, 16_000)
