"""Text models: the conversation as they read it, and what they answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from media_plane.ports.tools import ToolSpec
from nexus.domain.tenant import TenantConfig


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to run a tool."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CallerSaid:
    text: str


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """The agent's words and tool calls of one model answer. ``verbatim`` is the model adapter's own form of the answer, given back to it
    unchanged (None once the text was cut to what was heard, or when another model made it)."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    verbatim: Any = None


@dataclass(frozen=True, slots=True)
class ToolReturned:
    call: ToolCall
    output: str
    failed: bool = False


ChatMessage = CallerSaid | AgentSaid | ToolReturned


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Everything a model needs for its next answer: nothing is kept between calls."""

    system: str
    messages: tuple[ChatMessage, ...]
    tools: tuple[ToolSpec, ...]
    now: datetime
    """The tenant's wall time, with its timezone."""
    config: TenantConfig
    caller_phone: str = ""
    beside: bool = False
    """The model works beside a voice that talks by itself: it gives words only where a tool is, or will be, needed, otherwise none."""
    notes: tuple[str, ...] = ()
    """What the business has told the agent during the call; ``system`` holds it too."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class AnswerDone:
    """The last item of a stream. ``hang_up``: the call should end once this answer is heard. ``retries``: malformed answers met before."""

    calls: tuple[ToolCall, ...] = ()
    verbatim: Any = None
    hang_up: bool = False
    retries: int = 0
    usage: Mapping[str, int] = field(default_factory=dict)


class ChatModel(Protocol):
    """A model that turns a conversation into the agent's next words and tool calls."""

    @property
    def name(self) -> str:
        """For the record: ``gemini:gemini-3.8-flash``, ``scripted``."""
        ...

    def stream(self, request: ChatRequest) -> AsyncIterator[TextDelta | AnswerDone]:
        """Text as it comes, then one ``AnswerDone``. Cancelling stops the request.

        Raises:
            UpstreamError: ``model_failed``, or ``model_malformed_call`` after one retry.
        """
        ...
