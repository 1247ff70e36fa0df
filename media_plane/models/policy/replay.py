"""Folds a conversation's messages through the policy: the next reply follows from the messages alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from media_plane.models.policy.policy import Policy
from media_plane.models.policy.state import Reply, State
from media_plane.ports import AgentSaid, CallerSaid, ChatMessage, ToolReturned


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the fold stands after a message."""

    state: State
    reply: Reply
    last_said: str = ""
    results: tuple[ToolReturned, ...] = ()


def next_reply(policy: Policy, messages: Sequence[ChatMessage]) -> Reply:
    """What to answer now. A conversation that ends with the agent's own words gets an offer of help."""
    place = _Place(State(), Reply(State(), "How can I help you?"))
    for i, message in enumerate(messages):
        following = messages[i + 1] if i + 1 < len(messages) else None
        if isinstance(message, CallerSaid):
            place = _heard(policy, place, message.text, unanswered=isinstance(following, CallerSaid))
        elif isinstance(message, AgentSaid):
            place = _said(place, message)
        else:
            place = _returned(policy, place, message, last=not isinstance(following, ToolReturned))
    return place.reply


def _heard(policy: Policy, place: _Place, text: str, *, unanswered: bool) -> _Place:
    reply = policy.hear(place.state, text, last_said=place.last_said)
    state = reply.state
    if unanswered:  # the caller spoke on before hearing an answer: the values count, the question asked last is still the one heard last
        state = replace(state, asked=place.state.asked, slot=place.state.slot, offer=place.state.offer)
    return replace(place, state=state, reply=reply)


def _said(place: _Place, message: AgentSaid) -> _Place:
    state = place.state
    if place.reply.tool and not message.calls:
        # The call that would follow here was made (or not) by another model, which left only its words: never make it again.
        state = replace(state, task="", values={}, asked="more", slot="", offer="")
    reply = Reply(state, "How can I help you?") if not message.calls else place.reply
    return replace(place, state=state, reply=reply, last_said=message.text or place.last_said)


def _returned(policy: Policy, place: _Place, message: ToolReturned, *, last: bool) -> _Place:
    results = (*place.results, message)
    if not last:
        return replace(place, results=results)
    reply = policy.returned(place.state, results)
    return replace(place, state=reply.state, reply=reply, results=())
