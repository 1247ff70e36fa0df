"""Folds a conversation's messages through the policy: the next reply follows from the messages alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from media_plane.dialogue.notes import Note, read_note
from media_plane.models.policy.beside import answered, corrected, passes, recalled, taken_up, truth_about
from media_plane.models.policy.policy import Policy
from media_plane.models.policy.state import Reply, State
from media_plane.ports.chat import AgentSaid, CallerSaid, ChatMessage, ToolReturned


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the fold stands after a message. ``voice_last``: what the voice beside said since the agent's own last words."""

    state: State
    reply: Reply
    last_said: str = ""
    voice_last: str = ""
    results: tuple[ToolReturned, ...] = ()


def next_reply(policy: Policy, messages: Sequence[ChatMessage], *, beside: bool = False) -> Reply:
    """What to answer now. A conversation that ends with the agent's own words gets an offer of help.

    ``beside``: a voice talks by itself, and words that the policy would not have said are the voice's. A reply without words, tool and
    end is a pass.
    """
    place = _Place(State(), Reply(State(), "How can I help you?"))
    for i, message in enumerate(messages):
        following = messages[i + 1] if i + 1 < len(messages) else None
        if isinstance(message, CallerSaid):
            note = read_note(message.text) if beside else None
            if note is not None:
                place = _noted(policy, place, note)
            else:
                place = _heard(policy, place, message.text, unanswered=isinstance(following, CallerSaid), beside=beside)
        elif isinstance(message, AgentSaid):
            place = _overheard(policy, place, message) if beside else _said(place, message)
        else:
            place = _returned(policy, place, message, last=not isinstance(following, ToolReturned))
    return place.reply


def _heard(policy: Policy, place: _Place, text: str, *, unanswered: bool, beside: bool) -> _Place:
    reply = policy.hear(place.state, text, last_said=place.last_said)
    if beside:
        reply = _unless_passed(policy, place, reply, text)
    state = reply.state
    if unanswered:  # the caller spoke on before hearing an answer: the values count, the question asked last is still the one heard last
        state = replace(state, asked=place.state.asked, slot=place.state.slot, offer=place.state.offer)
    return replace(place, state=state, reply=reply, voice_last="")


def _unless_passed(policy: Policy, place: _Place, reply: Reply, text: str) -> Reply:
    if passes(place.state, reply, text, voice_last=place.voice_last):
        state = place.state if reply.hang_up else reply.state
        return Reply(answered(state, place.voice_last, text))
    return recalled(policy.tasks, place.state, reply)


def _noted(policy: Policy, place: _Place, note: Note) -> _Place:
    """After a note from the platform there are always words."""
    if note.claim and not note.caller_text:
        reply = corrected(policy.tasks, place.state, note.claim)
    else:
        reply = recalled(policy.tasks, place.state, policy.hear(place.state, note.caller_text, last_said=place.last_said))
        truth = truth_about(note.claim) if note.claim else ""
        reply = replace(reply, text=f"{truth} {reply.text}".strip())
    return replace(place, state=reply.state, reply=reply, voice_last="")


def _said(place: _Place, message: AgentSaid) -> _Place:
    state = place.state
    if place.reply.tool and not message.calls:
        # The call that would follow here was made (or not) by another model, which left only its words: never make it again.
        state = replace(state, task="", values={}, asked="more", slot="", offer="")
    reply = Reply(state, "How can I help you?") if not message.calls else place.reply
    return replace(place, state=state, reply=reply, last_said=message.text or place.last_said)


def _overheard(policy: Policy, place: _Place, message: AgentSaid) -> _Place:
    """The agent's own words, or the voice's: those end no task."""
    ours = bool(message.calls) or (place.reply.text != "" and place.reply.text.startswith(message.text))
    if ours or place.reply.tool:
        return _said(place, message)
    state = taken_up(policy.tasks, place.state, message.text)
    voice_last = f"{place.voice_last} {message.text}".strip()
    return replace(place, state=state, reply=replace(place.reply, state=state), last_said=message.text, voice_last=voice_last)


def _returned(policy: Policy, place: _Place, message: ToolReturned, *, last: bool) -> _Place:
    results = (*place.results, message)
    if not last:
        return replace(place, results=results)
    reply = policy.returned(place.state, results)
    return replace(place, state=reply.state, reply=reply, results=())
