"""The messages of one call as a model is shown them: what was said, what tools were asked and what they answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from media_plane.conversation.commands import ToolOutcome
from media_plane.ports.chat import AgentSaid, CallerSaid, ChatMessage, ToolCall, ToolReturned
from nexus.domain.session import Turn


def from_history(turns: Sequence[Turn], outcomes: Sequence[ToolOutcome] = ()) -> list[ChatMessage]:
    """The turns of an earlier engine: only what was really heard; and its tools, where they were asked for."""
    messages: list[ChatMessage] = []
    ended = deque(sorted(outcomes, key=lambda outcome: outcome.asked_ms))
    for turn in turns:
        while ended and ended[0].asked_ms < turn.start_ms:
            messages += tool_messages(_call(ended[0]), ended[0].output, failed=ended.popleft().failed)
        text = (turn.heard_text if turn.role == "agent" else turn.text).strip()
        if not text or turn.backchannel:
            continue
        messages.append(CallerSaid(text) if turn.role == "caller" else AgentSaid(text))
    for outcome in ended:
        messages += tool_messages(_call(outcome), outcome.output, failed=outcome.failed)
    return messages


def tool_messages(call: ToolCall, output: str, *, failed: bool) -> tuple[ChatMessage, ChatMessage]:
    """A tool that was asked for and has answered."""
    return AgentSaid("", (call,)), ToolReturned(call, output, failed)


def without_tool(messages: Sequence[ChatMessage], call_id: str) -> list[ChatMessage]:
    """The conversation without this call (which stands alone in its message) and its answer."""
    return [
        message
        for message in messages
        if not (isinstance(message, ToolReturned) and message.call.id == call_id)
        and not (isinstance(message, AgentSaid) and [call.id for call in message.calls] == [call_id])
    ]


def _call(outcome: ToolOutcome) -> ToolCall:
    return ToolCall(outcome.request_id, outcome.name, outcome.arguments)


def cut_to_heard(messages: Sequence[ChatMessage], heard_text: str) -> list[ChatMessage]:
    """Cut the agent's words since the caller's last message to what was heard of them.

    ``heard_text`` covers the last of these messages, or several of them joined. Tool calls and their outcomes stay, with the model's own
    form of the call; a message of words alone loses its own form, and one of which nothing was heard disappears.
    """
    start = max((i + 1 for i, message in enumerate(messages) if isinstance(message, CallerSaid)), default=0)
    spoken = [i for i in range(start, len(messages)) if isinstance(messages[i], AgentSaid)]
    heard = heard_text.split()
    texts = _heard_texts([_text(messages[i]) for i in spoken], heard)
    kept: list[ChatMessage] = list(messages[:start])
    for i in range(start, len(messages)):
        message = messages[i]
        kept.extend(_cut(message, texts[spoken.index(i)]) if isinstance(message, AgentSaid) else (message,))
    return kept


def without_calls(messages: Sequence[ChatMessage], *, unless_in: frozenset[str]) -> list[ChatMessage]:
    """Drop the calls of the last message that were never asked for (their answer was cancelled first)."""
    if not messages or not isinstance(messages[-1], AgentSaid):
        return list(messages)
    last = messages[-1]
    asked = tuple(call for call in last.calls if call.id in unless_in)
    if asked == last.calls:
        return list(messages)
    trimmed = AgentSaid(last.text, asked)
    return [*messages[:-1], *((trimmed,) if trimmed.text or trimmed.calls else ())]


def _text(message: ChatMessage) -> str:
    return message.text if isinstance(message, AgentSaid) else ""


def _cut(message: AgentSaid, heard: str) -> tuple[AgentSaid, ...]:
    if heard == message.text:
        return (message,)
    if message.calls:
        return (replace(message, text=heard),)
    return (AgentSaid(heard),) if heard else ()


def _heard_texts(texts: list[str], heard: list[str]) -> list[str]:
    """What was heard of each text: messages before the one that ``heard`` begins in were heard in full."""
    begin = next((i for i, text in enumerate(texts) if heard and _common(text.split(), heard)), len(texts) - 1 if heard else 0)
    given: list[str] = list(texts[:begin])
    for text in texts[begin:]:
        words = text.split()
        common = _common(words, heard)
        given.append(text if words and common == len(words) else " ".join(words[:common]))
        heard = heard[common:] if common == len(words) else []
    return given


def _common(words: list[str], heard: list[str]) -> int:
    """How many leading words agree; the last heard word may be a torn one."""
    count = 0
    for ours, theirs in zip(words, heard, strict=False):
        if ours != theirs:
            break
        count += 1
    return count
