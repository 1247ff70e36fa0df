"""The policy itself: from where the conversation stands and what the caller said to the next words or tool call."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from media_plane.models.policy.filling import Setting, fill, limit_broken
from media_plane.models.policy.intents import Intent, asks_for_facts, best_intent, is_question, undoing_without_tool
from media_plane.models.policy.knowledge import find_answer
from media_plane.models.policy.outcomes import MORE, returned
from media_plane.models.policy.phrasing import abilities, action
from media_plane.models.policy.slots import slots_of
from media_plane.models.policy.smalltalk import Aside, asks_again, find_aside, merely_answers, on_recording
from media_plane.models.policy.state import Reply, State
from media_plane.models.policy.steps import (
    changes,
    corrected_time,
    ended,
    fills_when,
    named_slot,
    overheard,
    without,
)
from media_plane.models.policy.tasks import Tasks
from media_plane.models.policy.words import normalise, says_no, says_yes
from media_plane.ports.chat import ToolReturned
from media_plane.ports.tools import ToolSpec

INVITATION = "What can I do for you?"
_UNKNOWN = "I'm afraid I don't have that information."


_NO_MATTER = re.compile(r"\bwhatever\b|\bdon't (?:care|mind)\b|\byou choose\b|\bno preference\b|\beither\b")
_HOW_LONG_OR_MUCH = re.compile(r"\bhow (?:long|much)\b|\b(?:cost|price)\b")


@dataclass(frozen=True, slots=True)
class Policy:
    """One tenant's scripted agent: pure, and without memory of its own."""

    tools: tuple[ToolSpec, ...]
    knowledge: JsonValue
    setting: Setting
    caller_phone: str = ""
    goodbye: str = "Thank you for calling. Goodbye!"
    invitation: str = INVITATION

    @property
    def tasks(self) -> Tasks:
        """Its tasks."""
        return Tasks(self.tools, self.setting, self.caller_phone)

    def hear(self, state: State, text: str, *, last_said: str = "") -> Reply:
        """Answer the caller's words; ``last_said`` is what the agent said before them."""
        if not text.strip():
            return Reply(state, "Sorry, I didn't hear anything. Could you say that again?")
        if consent := self._on_recording(state, normalise(text), last_said):
            return consent
        aside = find_aside(text)
        if aside is not None and (reply := self._aside(state, aside, text, last_said)):
            return reply
        if not state.task and (booked := state.known.get("done")) and isinstance(booked, str) and asks_again(normalise(text)):
            return Reply(state, booked, duty=True)
        answer = {
            "confirm": self._confirmed,
            "change": self._changed,
            "offer": self._offered,
            "more": self._more,
            "leave": self._leaving,
        }.get(state.asked)
        if answer is not None and (reply := answer(state, text)):
            return reply
        return self._in_task(state, text) if state.task and state.asked != "offer" else self._open_floor(state, text, last_said)

    def returned(self, state: State, results: Sequence[ToolReturned]) -> Reply:
        """Say what the tools answered, and go on from there."""
        return returned(self.tasks, state, results)

    # --- consent ---------------------------------------------------------------------------------------------------------------

    def _on_recording(self, state: State, normal: str, last_said: str) -> Reply | None:
        """Words on the recording alone answer no question of ours: that one stands, and without one there is an invitation."""
        told = on_recording(normal)
        if told == "refused" and (pending := self.tasks.pending_question(state)):
            return Reply(state, pending)
        if not told or state.task or state.offer or (told == "granted" and (state.asked or best_intent(normal, self.tools))):
            return None
        return Reply(state, MORE) if state.asked == "more" else self._invited(state, last_said)

    def _invited(self, state: State, last_said: str) -> Reply:
        """What a caller is told whose yes or no answers nothing that was asked here; each time in other words."""
        state = replace(state, asked="")
        if self.invitation == last_said or last_said == f"All right. {self.invitation}":
            return Reply(state, f"{abilities(self.tools)} What would you like?")
        heard_of_recording = "record" in last_said.lower()  # "All right, this call is not recorded." is not to be agreed with again
        return Reply(state, self.invitation if heard_of_recording else f"All right. {self.invitation}")

    # --- asides ----------------------------------------------------------------------------------------------------------------

    def _aside(self, state: State, aside: Aside, text: str, last_said: str) -> Reply | None:
        if aside == "goodbye":
            return self._parting(state)
        if aside == "cancel":
            if state.asked == "leave" or not (state.task or state.offer):
                return None
            return Reply(ended(state, "more"), f"All right, I'll leave that. {MORE}")
        if aside == "thanks" and (state.asked in ("confirm", "slot", "change") or says_no(text) or says_yes(text)):
            return None
        if aside == "greeting" and state.task:
            return Reply(state, self.tasks.pending_question(state))
        texts: dict[Aside, str] = {
            "wait": "Of course, take your time.",
            "repeat": last_said or "How can I help you?",
            "robot": "I'm the automated assistant here, and happy to help.",
            "human": "I'm the automated assistant, and I can't put you through from here. Let me help you as far as I can.",
            "thanks": f"You're welcome. {MORE}",
            "greeting": "Hello! How can I help you?",
            "help": abilities(self.tools),
            "foreign": "I'm sorry, I only speak English at the moment. How can I help you?",
        }
        pending = self.tasks.pending_question(state) if aside in ("robot", "human", "foreign", "help") else ""
        following = replace(state, asked="more") if aside == "thanks" else state
        return Reply(following, f"{texts[aside]} {pending}".strip())

    def _parting(self, state: State) -> Reply:
        tool = self.tasks.tool(state.task)
        if tool is None or tool.effect == "read" or state.asked == "leave":
            return Reply(ended(state, ""), self.goodbye, hang_up=True)
        return Reply(
            replace(state, asked="leave"), f"Before you go: I haven't gone through with it yet. Shall I {action(tool)} first, or leave it?"
        )

    def _leaving(self, state: State, text: str) -> Reply | None:
        if "leave" in text.lower() or (says_no(text) and not fill(text, self.tasks.slots(state.task), asked="", setting=self.setting)):
            return Reply(ended(state, ""), self.goodbye, hang_up=True)
        return self.tasks.advance(replace(state, asked="")) if says_yes(text) else None

    # --- answers to questions --------------------------------------------------------------------------------------------------

    def _confirmed(self, state: State, text: str) -> Reply | None:
        changed = changes(self.tasks.slots(state.task), state.values, text, self.setting)
        if changed:
            return self.tasks.advance(replace(state, values={**state.values, **changed}, misses=0))
        if says_no(text):
            named = named_slot(self.tasks.slots(state.task), text)
            if named is not None:
                return self.tasks.ask(replace(state, values=without(state.values, named.name)), named)
            return Reply(replace(state, asked="change"), "All right. What should I change?")
        if says_yes(text):
            return Reply(replace(state, asked=""), tool=state.task, arguments=state.values)
        return None

    def _changed(self, state: State, text: str) -> Reply | None:
        changed = changes(self.tasks.slots(state.task), state.values, text, self.setting)
        if changed:
            return self.tasks.advance(replace(state, values={**state.values, **changed}, misses=0))
        named = named_slot(self.tasks.slots(state.task), text)
        if named is not None:
            return self.tasks.ask(replace(state, values=without(state.values, named.name)), named)
        if says_no(text):
            return Reply(ended(state, "more"), f"All right, I'll leave that. {MORE}")
        return None

    def _offered(self, state: State, text: str) -> Reply | None:
        tool = self.tasks.tool(state.offer)
        if tool is None:
            return None
        if asks_for_facts(normalise(text)) and (answer := find_answer(text, self.knowledge)):
            return Reply(state, answer)
        found = fill(text, slots_of(tool), asked=state.slot, setting=self.setting)
        before = self.tasks.tool(state.task)
        if (
            before is not None
            and (is_question(normalise(text)) or "?" in text)
            and (again := fill(text, slots_of(before), asked="", setting=self.setting))
        ):
            return self.tasks.advance(replace(state, asked="", offer="", values={**state.values, **again}))
        if says_yes(text) or found:
            return self.tasks.begin(replace(state, asked="", offer="", slot=""), tool, text, carry={**state.values, **found})
        if says_no(text):
            return Reply(ended(state, "more"), f"All right. {MORE}")
        return None

    def _more(self, state: State, text: str) -> Reply | None:
        rest = replace(state, asked="")
        if best_intent(normalise(text), self.tools) or len(text.split()) > 5:
            return None
        if says_no(text):
            return Reply(rest, self.goodbye, hang_up=True)
        return Reply(rest, f"Of course. {abilities(self.tools)} What would you like?") if says_yes(text) else None

    # --- tasks -----------------------------------------------------------------------------------------------------------------

    def _in_task(self, state: State, text: str) -> Reply:
        slots = self.tasks.slots(state.task)
        found = fill(text, slots, asked=state.slot if state.asked == "slot" else "", setting=self.setting)
        question = is_question(normalise(text)) or "?" in text
        if question and (switched := self._switched(state, text)):
            return switched
        if question and (answer := find_answer(text, self.knowledge) or self._about_choice(state, text)):
            reply = self.tasks.advance(self.tasks.noting(state, found))
            return replace(reply, text=f"{answer} {reply.text}".strip())
        if limit := limit_broken(text, slots, asked=state.slot if state.asked == "slot" else "", setting=self.setting):
            reply = self.tasks.advance(self.tasks.noting(state, found))
            return replace(reply, text=f"{limit} {reply.text}".strip())
        asked_text = found.keys() == {state.slot} and state.slot in {slot.name for slot in slots if slot.kind in ("text", "code")}
        if (not found or asked_text) and (switched := self._switched(state, text)):
            return switched
        if found:
            return self.tasks.advance(replace(self.tasks.noting(state, found), misses=0))
        if corrected := corrected_time(self.tasks.slots(state.task), state.values, text, self.setting):
            return self.tasks.advance(self.tasks.noting(state, corrected))
        return self._missed(state, text)

    def _switched(self, state: State, text: str) -> Reply | None:
        intent = best_intent(normalise(text), self.tools)
        if intent is None or intent.tool.name == state.task or intent.score < 1.5:
            return None
        return self.tasks.begin(state, intent.tool, text, carry=state.values)

    def _missed(self, state: State, text: str) -> Reply:
        if state.asked == "":  # the question about this task was never heard
            return self.tasks.advance(state)
        if state.asked == "slot" and self.tasks.optional(state) and (says_no(text) or state.misses or _NO_MATTER.search(text.lower())):
            return self.tasks.advance(
                replace(state, values={**state.values, **self.tasks.default(state)}, known={**state.known, "skipped": state.slot}, misses=0)
            )
        if says_no(text) and state.asked == "slot":
            return Reply(ended(state, "more"), f"All right, I'll leave that. {MORE}")
        if is_question(normalise(text)) or "?" in text:
            return Reply(state, f"{_UNKNOWN} {self.tasks.pending_question(state)}")
        state = replace(state, misses=state.misses + 1)
        if state.misses >= 3:
            return Reply(ended(state, "more"), f"I'm sorry, I can't make that out. Let's leave it for now. {MORE}")
        return Reply(state, f"Sorry, I didn't get that. {self.tasks.pending_question(state)}")

    def _open_floor(self, state: State, text: str, last_said: str) -> Reply:
        state = replace(state, asked="", known={**state.known, **overheard(text, self.setting)})
        normal = normalise(text)
        if verb := undoing_without_tool(normal, self.tools):
            return Reply(state, f"I'm sorry, I can't {verb} that from here. {abilities(self.tools)}", duty=True)
        intent = best_intent(normal, self.tools) or self._by_moment(normal, text)
        answer = find_answer(text, self.knowledge) if is_question(normal) or asks_for_facts(normal) or intent is None else ""
        if answer and (
            intent is None or asks_for_facts(normal) or (intent.score < 2.0 and not fills_when(intent.tool, text, self.setting))
        ):
            return Reply(replace(state, misses=0), answer)
        if intent is not None:
            return self.tasks.begin(replace(state, misses=0), intent.tool, text, carry={})
        if says_no(text) and state.known.get("done"):
            return Reply(state, self.goodbye, hang_up=True)
        if merely_answers(normal):
            return self._invited(state, last_said)
        if overheard(text, self.setting):
            return Reply(state, "Thank you. How can I help you?")
        return self._lost(state, normal)

    def _lost(self, state: State, normal: str) -> Reply:
        """Say so, each time in other words."""
        following = replace(state, misses=state.misses + 1)
        if is_question(normal) or asks_for_facts(normal) or "?" in normal:
            return Reply(following, f"{_UNKNOWN} {abilities(self.tools)}")
        if state.misses == 0:
            return Reply(following, f"I'm not sure about that. {abilities(self.tools)}")
        if state.misses == 1:
            return Reply(following, "Sorry, I still don't follow. Could you put it in other words?")
        return Reply(following, f"I'm sorry, I can't make that out. {abilities(self.tools)} What would you like?")

    def _by_moment(self, normal: str, text: str) -> Intent | None:
        """The look-up (else the change) that a bare day and time must be meant for: "can I come in on Tuesday at ten"."""
        if asks_for_facts(normal) or is_question(normal):
            return None
        reads_first = sorted(self.tools, key=lambda tool: tool.effect != "read")
        tool = next((tool for tool in reads_first if fills_when(tool, text, self.setting)), None)
        return Intent(tool, 2.0) if tool else None

    def _about_choice(self, state: State, text: str) -> str:
        """What the knowledge says on the thing chosen, when "how long does it take" names none."""
        chosen = " ".join(
            str(state.values[slot.name]) for slot in self.tasks.slots(state.task) if slot.kind == "enum" and slot.name in state.values
        )
        return find_answer(chosen, self.knowledge) if chosen and _HOW_LONG_OR_MUCH.search(text.lower()) else ""
