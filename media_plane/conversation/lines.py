"""Lines that somebody outside the call has for it: spoken by the agent, or known by it; each is noted and carried out once."""

from __future__ import annotations

from media_plane.conversation.commands import Command, Inform, Note, Say, SendToEngine, StopPlayout
from media_plane.conversation.events import LineOrdered
from nexus.domain.journal import LineNoted
from nexus.domain.redaction import redact
from nexus.domain.session import LineTaken

_MOST_KNOWN = 20


class LineDesk:
    """Holds lines while no engine can take them."""

    def __init__(self) -> None:
        self._waiting: list[LineOrdered] = []
        self._known: list[str] = []
        self.deaf = True
        """Whether no engine is there just now: what it is sent would be lost."""

    @property
    def known(self) -> tuple[str, ...]:
        """What the agent was told so far, for an engine that takes over."""
        return tuple(self._known)

    def ordered(self, at_ms: float, event: LineOrdered, *, agent_speaking: bool) -> list[Command]:
        """Take a line."""
        if self.deaf:
            self._waiting.append(event)
            return []
        order = event.order
        taken = LineTaken(order_id=order.order_id, kind=order.kind, mode=order.mode, text=order.text, at_ms=round(at_ms, 1))
        noted: list[Command] = [Note(LineNoted(line=taken))]
        if order.kind == "inject":
            self._known = [*self._known, order.text][-_MOST_KNOWN:]
            return [*noted, SendToEngine(Inform(order.text))]
        stop: list[Command] = [StopPlayout()] if order.mode == "now" and agent_speaking else []
        return [*noted, *stop, SendToEngine(Say(order.text))]

    def engine_ready(self, at_ms: float) -> list[Command]:
        """An engine is there: what waited goes to it, after what the machine itself has to say."""
        self.deaf = False
        waiting, self._waiting = self._waiting, []
        return [command for event in waiting for command in self.ordered(at_ms, event, agent_speaking=False)]


def redacted(line: LineTaken) -> LineTaken:
    """The line as the record may show it."""
    return line.model_copy(update={"text": redact(line.text)[0]})
