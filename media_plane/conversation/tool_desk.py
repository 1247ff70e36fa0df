"""The tools that run now: what the caller hears while they do, and how they go on record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from media_plane.conversation import events as ev
from media_plane.conversation.commands import Command, Note, RunTool, Say, SendToEngine, TellState, TellTool, ToolAnswer
from nexus.domain.session import ToolNoted, ToolUse
from nexus.domain.tenant import TenantConfig


@dataclass(slots=True)
class _Running:
    use: ToolUse
    filler_due_ms: float
    wanted: bool = True


class ToolDesk:
    """Runs side by side; a filler is said once for all of them."""

    def __init__(self, config: TenantConfig, filler_after_ms: float, filler_every_ms: float) -> None:
        self._phrases = config.phrases
        self._filler_after_ms = filler_after_ms
        self._filler_every_ms = filler_every_ms
        self._said = 0
        self._requests = 0
        self._running: dict[str, _Running] = {}

    @property
    def running(self) -> bool:
        """Whether an answer waits for a tool."""
        return any(running.wanted for running in self._running.values())

    def requested(self, at_ms: float, event: ev.ToolRequested, turn: int) -> list[Command]:
        """The dialogue wants a tool, for the caller's turn of this number."""
        self._requests += 1
        use = ToolUse(
            request_id=f"tool_{self._requests}",
            name=event.name,
            turn=turn,
            arguments=dict(event.arguments),
            started_ms=round(at_ms, 1),
        )
        self._running[event.request_id] = _Running(use, at_ms + self._filler_after_ms)
        note = Note(ToolNoted(use=use))
        return [note, TellTool(event.name, "running"), TellState("tool"), RunTool(event.request_id, event.name, event.arguments)]

    def finished(self, at_ms: float, event: ev.ToolFinished) -> list[Command]:
        """A tool has ended."""
        running = self._running.pop(event.request_id, None)
        if running is None:
            return []
        use = running.use.model_copy(
            update={
                "effect_id": event.effect_id,
                "output": event.output,
                "status": event.status,
                "attempts": event.attempts,
                "duration_ms": round(at_ms - running.use.started_ms, 1),
                "bytes": len(event.output.encode()),
                "error_code": event.error_code,
            }
        )
        failed = event.status in ("refused", "failed", "unknown")
        commands: list[Command] = [
            Note(ToolNoted(use=use)),
            TellTool(use.name, _told(event), use.duration_ms),
        ]
        if running.wanted:
            commands.append(SendToEngine(ToolAnswer(event.request_id, (event.spoken if failed else "") or event.output, failed)))
        return commands

    def fillers(self, at_ms: float) -> list[Command]:
        """What to say now so that a slow tool is no dead air."""
        due = [running for running in self._running.values() if running.wanted and at_ms >= running.filler_due_ms]
        if not due or not self._phrases.filler:
            return []
        for running in self._running.values():
            running.filler_due_ms = at_ms + self._filler_every_ms
        phrase = self._phrases.filler[self._said % len(self._phrases.filler)]
        self._said += 1
        return [SendToEngine(Say(phrase, remember=False))]

    def cancel_all(self, at_ms: float) -> list[Command]:
        """The engine that asked is gone: the tools run to their end for the record, nobody waits for them."""
        for running in self._running.values():
            running.wanted = False
        return []

    def close_all(self, at_ms: float) -> list[Command]:
        """The call is over and these never came back: their outcome is not known."""
        commands: list[Command] = [
            Note(
                ToolNoted(
                    use=running.use.model_copy(
                        update={
                            "status": "unknown",
                            "duration_ms": round(at_ms - running.use.started_ms, 1),
                            "error_code": "tool_outcome_unknown",
                        }
                    )
                )
            )
            for running in self._running.values()
        ]
        self._running.clear()
        return commands


def _told(event: ev.ToolFinished) -> Literal["done", "refused", "failed"]:
    if event.status == "refused":
        return "refused"
    return "failed" if event.status in ("failed", "unknown") else "done"
