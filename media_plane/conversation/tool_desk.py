"""The tools that run now: what the caller hears while they do, and how they go on record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from media_plane.conversation import events as ev
from media_plane.conversation.commands import Command, Note, RunTool, Say, SendToEngine, TellState, TellTool, ToolAnswer, ToolOutcome
from nexus.domain.http_tool import SpokenLines
from nexus.domain.journal import ToolNoted
from nexus.domain.session import ToolUse
from nexus.domain.tenant import TenantConfig

_NO_LINES = SpokenLines()


@dataclass(slots=True)
class _Running:
    """``asked_as``: the id that the engine knows it by; empty once that engine is gone. ``lines``: its own, said before any filler."""

    use: ToolUse
    asked_as: str
    filler_due_ms: float
    lines: SpokenLines = _NO_LINES
    begun: bool = False


class ToolDesk:
    """Runs side by side; a filler is said once for all of them. A tool outlives the engine that asked for it: its outcome goes to the next.

    An outcome is owed to the caller until the agent has said something after it.
    """

    def __init__(self, config: TenantConfig, filler_after_ms: float, filler_every_ms: float) -> None:
        self._phrases = config.phrases
        self._lines = {tool.name: tool.spoken for tool in config.http_tools}
        self._filler_after_ms = filler_after_ms
        self._filler_every_ms = filler_every_ms
        self._said = 0
        self._requests = 0
        self._running: dict[str, _Running] = {}
        self._outcomes: list[ToolOutcome] = []
        self._owed: dict[str, int] = {}

    @property
    def running(self) -> bool:
        """Whether an answer waits for a tool."""
        return bool(self._running)

    @property
    def outcomes(self) -> tuple[ToolOutcome, ...]:
        """Every tool that has ended, in that order."""
        return tuple(self._outcomes)

    def answers(self, turn: int) -> bool:
        """Whether a running tool, or an outcome still owed, is the answer to the caller's turn of this number."""
        return turn in self._owed.values() or any(running.use.turn == turn for running in self._running.values())

    def agent_spoke(self, text: str) -> None:
        """The agent says something: what had ended before is no longer owed. A line said on order (a filler) tells of no outcome."""
        own = (line for lines in self._lines.values() for line in (lines.start, lines.delay))
        ordered = (*self._phrases.filler, self._phrases.engine_changed, *own)
        if not any(text.strip() in line for line in ordered):
            self._owed.clear()

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
        # an engine numbers its requests for itself: one that took over may use the number of a tool that is still running
        run_id = event.request_id if event.request_id not in self._running else f"{event.request_id}/{use.request_id}"
        lines = self._lines.get(event.name, _NO_LINES)
        wait_ms = 0.0 if lines.start else self._filler_after_ms
        self._running[run_id] = _Running(use, event.request_id, at_ms + wait_ms, lines, begun=not lines.start)
        note = Note(ToolNoted(use=use))
        return [note, TellTool(event.name, "running"), TellState("tool"), RunTool(run_id, event.name, event.arguments)]

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
        output = (event.spoken if failed else "") or event.output
        outcome = ToolOutcome(use.request_id, use.name, dict(running.use.arguments), output, failed, use.started_ms)
        self._outcomes.append(outcome)
        self._owed[use.request_id] = use.turn
        answer = ToolAnswer(running.asked_as, output, failed) if running.asked_as else _inherited(outcome, owed=True)
        return [Note(ToolNoted(use=use)), TellTool(use.name, _told(event), use.duration_ms), SendToEngine(answer)]

    def taken_over(self, known: int) -> list[Command]:
        """Another engine carries the call: it learns what has ended since its brief (which held ``known`` outcomes) and whatever the
        caller has not been told; what still runs is its own from now on."""
        for running in self._running.values():
            running.asked_as = ""
        news = [one for i, one in enumerate(self._outcomes) if i >= known or one.request_id in self._owed]
        return [SendToEngine(_inherited(one, owed=one.request_id in self._owed)) for one in news]

    def fillers(self, at_ms: float) -> list[Command]:
        """What to say now so that a slow tool is no dead air."""
        due = [running for running in self._running.values() if at_ms >= running.filler_due_ms]
        phrase = self._phrase(due[0]) if due else ""
        if not phrase:
            return []
        wait_ms = self._filler_every_ms if due[0].begun else self._filler_after_ms
        due[0].begun = True
        for running in self._running.values():
            running.filler_due_ms = at_ms + wait_ms
        return [SendToEngine(Say(phrase, remember=False))]

    def _phrase(self, running: _Running) -> str:
        """The tool's own line, else the platform's next one."""
        own = running.lines.delay if running.begun else running.lines.start
        if own or not self._phrases.filler:
            return own
        self._said += 1
        return self._phrases.filler[(self._said - 1) % len(self._phrases.filler)]

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


def _inherited(outcome: ToolOutcome, *, owed: bool) -> ToolAnswer:
    """The outcome for an engine that did not ask for it."""
    return ToolAnswer(outcome.request_id, outcome.output, outcome.failed, outcome.name, outcome.arguments, owed)
