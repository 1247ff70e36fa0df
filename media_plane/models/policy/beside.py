"""The policy beside a voice that talks by itself: when it passes, what it takes from the voice's questions, how it corrects it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from media_plane.models.policy.filling import fill
from media_plane.models.policy.intents import best_intent
from media_plane.models.policy.phrasing import abilities
from media_plane.models.policy.slots import Slot, slots_of
from media_plane.models.policy.smalltalk import find_aside
from media_plane.models.policy.state import Reply, State
from media_plane.models.policy.tasks import Tasks
from media_plane.models.policy.words import normalise, words_of
from media_plane.ports.tools import ToolSpec

_MOST_ANSWERS = 8
_QUESTION_WORDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("email", re.compile(r"\be-?mail\b")),
    ("name", re.compile(r"\b(?:your|full|first|last|what|which|the|a) (?:\w+ )?name\b|\bwho (?:is this|is it|am i)\b")),
    ("phone", re.compile(r"\b(?:phone|telephone|mobile|cell|number)\b|\breach you\b")),
    ("address", re.compile(r"\baddress\b|\bdeliver(?:ed)? (?:it )?to\b")),
    ("time", re.compile(r"\bwhat time\b|\bwhich time\b|\bwhat hour\b|\btime (?:of day|works|suits|would)\b")),
    ("date", re.compile(r"\b(?:what|which) (?:day|date)\b|\bwhen\b")),
    ("integer", re.compile(r"\bhow many\b|\bparty\b")),
)
_OFFER = re.compile(r"\b(?:would you like|do you want|want me|shall (?:i|we)|should i|can i (?:book|make|get|put)|are you looking)\b")
_ASKING = re.compile(r"(?:(?:and|so|okay|sure|great),? )*(?:what|which|when|how|who|may i|can i|could you|would you)\b")
_ANYTHING_ELSE = re.compile(r"\b(?:anything|something|what) else\b|\bhelp you with\b|\bthat (?:all|everything|it)\b")
_PLAIN_VERBS = {"cancelled": "cancel", "canceled": "cancel", "sent": "send", "made": "make", "written": "note", "told": "message"}
_TRUTHS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bcancel|\bremoved\b|\bdeleted\b|\boff\b"), "nothing has been cancelled yet"),
    (re.compile(r"\bresched|\bmoved?\b|\bchanged?\b|\bswitch|\bpushed\b|\bupdated\b"), "nothing has been changed yet"),
    (re.compile(r"\bsent\b|\btext|\be-?mail|\bforward"), "nothing has been sent yet"),
    (re.compile(r"\border|\bpizza"), "nothing has been ordered yet"),
    (re.compile(r"\bnot(?:ed|e)\b|\bwr(?:ote|itten)\b|\bmessage\b"), "I have not written anything down yet"),
    (re.compile(r"\bbook|\breserv|\bschedul|\bappointment|\btable\b|\bconfirm|\bdown\b|\bcalendar\b|\bsee you\b"), "nothing is booked yet"),
)


def passes(before: State, reply: Reply, text: str, *, voice_last: str) -> bool:
    """Whether the turn is the voice's: no task before or after it, nothing that only the agent can do.

    Args:
        text: the caller's words.
        voice_last: what the voice said before them; empty when it was the agent who spoke. A "no" to the voice ends no call.
    """
    if before.task or reply.state.task or reply.tool or reply.duty:
        return False
    answers_voice = bool(voice_last) and not _ANYTHING_ELSE.search(voice_last.lower())
    return not reply.hang_up or (answers_voice and find_aside(text) != "goodbye")


def taken_up(tasks: Tasks, state: State, said: str) -> State:
    """The state once the voice has said this: the caller's next words answer its question."""
    question = _question(said)
    if not question:
        return state
    if state.task:
        slot = _asked_slot(tasks.slots(state.task), question)
        return replace(state, asked="slot", slot=slot.name) if slot and slot.name not in state.values else state
    if _OFFER.search(question) and (intent := best_intent(normalise(question), tasks.tools)):
        return replace(state, asked="offer", offer=intent.tool.name, slot="")
    return state


def answered(state: State, question: str, text: str) -> State:
    """The state that remembers what the caller answered the voice, for the task that may want it."""
    asked = _question(question)
    if not asked:
        return state
    earlier: Sequence[Any] = state.known.get("answers", ())
    return replace(state, known={**state.known, "answers": (*earlier, (asked, text))[-_MOST_ANSWERS:]})


def recalled(tasks: Tasks, before: State, reply: Reply) -> Reply:
    """A task that has just begun, with what the caller told the voice before."""
    tool = tasks.tool(reply.state.task)
    answers = before.known.get("answers", ())
    if tool is None or tool.name == before.task or not answers or (reply.tool and tool.effect == "read"):
        return reply
    slots = slots_of(tool)
    found: dict[str, Any] = {}
    for question, text in answers:
        slot = _asked_slot(slots, question)
        if slot is not None:
            found |= fill(text, [slot], asked=slot.name, setting=tasks.setting)
    if not found.keys() - reply.state.values.keys():
        return reply
    return tasks.advance(replace(reply.state, values={**found, **reply.state.values}, asked="", slot=""))


def corrected(tasks: Tasks, state: State, claim: str) -> Reply:
    """The truth about what the voice claimed, and what is missing to make it so."""
    tool = _claimed_tool(tasks, claim)
    done = state.known.get("done")
    if isinstance(done, str) and not state.task and (tool is None or tool.name == state.known.get("done_tool")):
        return Reply(state, f"I'm sorry, I said that wrong. This is what stands: {done}", duty=True)
    if state.task:
        pending = tasks.pending_question(state)
        following = Reply(state, pending) if pending else tasks.advance(state)
    elif tool is not None:
        following = recalled(tasks, state, tasks.begin(state, tool, "", carry={}))
    else:
        following = Reply(state, abilities(tasks.tools), duty=True)
    return replace(following, text=f"{truth_about(claim)} {following.text}".strip())


def truth_about(claim: str) -> str:
    """One sentence that takes the claim back."""
    truth = next((truth for pattern, truth in _TRUTHS if pattern.search(claim.lower())), "that has not been done yet")
    return f"I'm sorry, {truth}."


def _claimed_tool(tasks: Tasks, claim: str) -> ToolSpec | None:
    """The change that a claim speaks of: the one whose words it has, else the only one there is."""
    writes = [tool for tool in tasks.tools if tool.effect == "write"]
    plain = " ".join(_PLAIN_VERBS.get(word, word) for word in words_of(claim))
    intent = best_intent(normalise(plain), writes)
    if intent is not None:
        return intent.tool
    return writes[0] if len(writes) == 1 else None


def _question(said: str) -> str:
    """The last sentence when it asks something; empty when it does not."""
    sentences = [part for part in re.split(r"(?<=[.!?])\s+", said.strip()) if part]
    last = sentences[-1].lower() if sentences else ""
    asks = last.endswith("?") or _ASKING.match(last)
    return last if asks else ""


def _asked_slot(slots: Sequence[Slot], question: str) -> Slot | None:
    """The slot that a question asks for: by the words for its kind, its own label, or its choices."""
    kinds = [kind for kind, pattern in _QUESTION_WORDS if pattern.search(question)]
    by_kind = next((slot for kind in kinds for slot in slots if slot.kind == kind), None)
    if by_kind is not None:
        return by_kind
    asked = set(words_of(question))
    named = next((slot for slot in slots if set(words_of(slot.label)) & asked - {"name", "number"}), None)
    return named or next((slot for slot in slots if any(set(words_of(choice)) <= asked for choice in slot.choices)), None)
