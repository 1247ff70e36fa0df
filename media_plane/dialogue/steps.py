"""What a text agent wants while it answers: the values that leave it."""

from __future__ import annotations

from dataclasses import dataclass

from media_plane.ports.chat import ToolCall


@dataclass(frozen=True, slots=True)
class SentenceReady:
    """Speak this now; the pieces of one answer joined by blanks are the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolWanted:
    """Run this tool and give the outcome to ``TextAgent.tool_result`` with ``call.id``."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call once everything said so far has been heard."""


@dataclass(frozen=True, slots=True)
class Passed:
    """The agent beside a voice leaves this turn to it: nothing to say and nothing to do. No words and no tools come with it."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A fault that was survived; it belongs on record. ``code`` stands in ``nexus.errors``."""

    code: str
    message: str


AgentStep = SentenceReady | ToolWanted | HangUp | Passed | Notice
