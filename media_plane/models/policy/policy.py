"""The policy itself: from where the conversation stands and what the caller said to the next words or tool call."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import JsonValue

from media_plane.models.policy.filling import Setting, faults, fill, limit_broken, one_at_a_time
from media_plane.models.policy.intents import Intent, asks_for_facts, best_intent, is_question, undoing_without_tool
from media_plane.models.policy.knowledge import find_answer
from media_plane.models.policy.phrasing import abilities, action, is_refusal, question_for, read_back, spoken_outcome
from media_plane.models.policy.slots import Slot, slots_of
from media_plane.models.policy.smalltalk import Aside, asks_again, find_aside
from media_plane.models.policy.state import Asked, Reply, State
from media_plane.models.policy.steps import (
    CARRIED,
    changes,
    corrected_time,
    ended,
    fills_when,
    follow_up,
    lasting,
    named_slot,
    overheard,
    past_day,
    suspected_slot,
    wanted,
    without,
)
from media_plane.models.policy.words import normalise, says_no, says_yes
from media_plane.ports import ToolReturned, ToolSpec

_UNKNOWN = "I'm afraid I don't have that information."
_MORE = "Is there anything else I can do for you?"


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

    def hear(self, state: State, text: str, *, last_said: str = "") -> Reply:
        """Answer the caller's words; ``last_said`` is what the agent said before them."""
        if not text.strip():
            return Reply(state, "Sorry, I didn't hear anything. Could you say that again?")
        aside = find_aside(text)
        if aside is not None and (reply := self._aside(state, aside, text, last_said)):
            return reply
        if not state.task and (booked := state.known.get("done")) and isinstance(booked, str) and asks_again(normalise(text)):
            return Reply(state, booked)
        answer = {
            "confirm": self._confirmed,
            "change": self._changed,
            "offer": self._offered,
            "more": self._more,
            "leave": self._leaving,
        }.get(state.asked)
        if answer is not None and (reply := answer(state, text)):
            return reply
        return self._in_task(state, text) if state.task and state.asked != "offer" else self._open_floor(state, text)

    def returned(self, state: State, results: Sequence[ToolReturned]) -> Reply:
        """Say what the tools answered, and go on from there."""
        last = results[-1]
        tool = self._tool(last.call.name)
        said = " ".join(spoken_outcome(result.output) for result in results)
        refused = last.failed or is_refusal(last.output)
        if tool is None:
            return Reply(ended(state, "more"), f"{said} {_MORE}")
        state = replace(state, task=tool.name, values=dict(last.call.arguments))
        if refused:
            return self._refused(state, tool, said, last)
        if tool.effect == "write":
            return self._done(state, tool, said)
        return self._looked_up(state, tool, said)

    def _done(self, state: State, tool: ToolSpec, said: str) -> Reply:
        """A change is made: go on with what the caller wanted besides, else ask for more."""
        after = ended(replace(state, known={**state.known, **lasting(slots_of(tool), state.values), "done": said}), "more")
        if later := state.known.get("later"):
            reply = self._begin(after, tool, str(later), carry=state.values)
            return replace(reply, text=f"{said} {reply.text}".strip())
        return Reply(after, f"{said} {_MORE}")

    # --- asides ----------------------------------------------------------------------------------------------------------------

    def _aside(self, state: State, aside: Aside, text: str, last_said: str) -> Reply | None:
        if aside == "goodbye":
            return self._parting(state)
        if aside == "cancel":
            if state.asked == "leave" or not (state.task or state.offer):
                return None
            return Reply(ended(state, "more"), f"All right, I'll leave that. {_MORE}")
        if aside == "thanks" and (state.asked in ("confirm", "slot", "change") or says_no(text) or says_yes(text)):
            return None
        if aside == "greeting" and state.task:
            return Reply(state, self._pending_question(state))
        texts: dict[Aside, str] = {
            "wait": "Of course, take your time.",
            "repeat": last_said or "How can I help you?",
            "robot": "I'm the automated assistant here, and happy to help.",
            "human": "I'm the automated assistant, and I can't put you through from here. Let me help you as far as I can.",
            "thanks": f"You're welcome. {_MORE}",
            "greeting": "Hello! How can I help you?",
            "help": abilities(self.tools),
            "foreign": "I'm sorry, I only speak English at the moment. How can I help you?",
        }
        pending = self._pending_question(state) if aside in ("robot", "human", "foreign", "help") else ""
        following = replace(state, asked="more") if aside == "thanks" else state
        return Reply(following, f"{texts[aside]} {pending}".strip())

    def _parting(self, state: State) -> Reply:
        tool = self._tool(state.task)
        if tool is None or tool.effect == "read" or state.asked == "leave":
            return Reply(ended(state, ""), self.goodbye, hang_up=True)
        return Reply(
            replace(state, asked="leave"), f"Before you go: I haven't gone through with it yet. Shall I {action(tool)} first, or leave it?"
        )

    def _leaving(self, state: State, text: str) -> Reply | None:
        if "leave" in text.lower() or (says_no(text) and not fill(text, self._slots(state.task), asked="", setting=self.setting)):
            return Reply(ended(state, ""), self.goodbye, hang_up=True)
        return self._advance(replace(state, asked="")) if says_yes(text) else None

    # --- answers to questions --------------------------------------------------------------------------------------------------

    def _confirmed(self, state: State, text: str) -> Reply | None:
        changed = changes(self._slots(state.task), state.values, text, self.setting)
        if changed:
            return self._advance(replace(state, values={**state.values, **changed}, misses=0))
        if says_no(text):
            named = named_slot(self._slots(state.task), text)
            if named is not None:
                return self._ask(replace(state, values=without(state.values, named.name)), named)
            return Reply(replace(state, asked="change"), "All right. What should I change?")
        if says_yes(text):
            return Reply(replace(state, asked=""), tool=state.task, arguments=state.values)
        return None

    def _changed(self, state: State, text: str) -> Reply | None:
        changed = changes(self._slots(state.task), state.values, text, self.setting)
        if changed:
            return self._advance(replace(state, values={**state.values, **changed}, misses=0))
        named = named_slot(self._slots(state.task), text)
        if named is not None:
            return self._ask(replace(state, values=without(state.values, named.name)), named)
        if says_no(text):
            return Reply(ended(state, "more"), f"All right, I'll leave that. {_MORE}")
        return None

    def _offered(self, state: State, text: str) -> Reply | None:
        tool = self._tool(state.offer)
        if tool is None:
            return None
        if asks_for_facts(normalise(text)) and (answer := find_answer(text, self.knowledge)):
            return Reply(state, answer)
        found = fill(text, slots_of(tool), asked=state.slot, setting=self.setting)
        before = self._tool(state.task)
        if (
            before is not None
            and (is_question(normalise(text)) or "?" in text)
            and (again := fill(text, slots_of(before), asked="", setting=self.setting))
        ):
            return self._advance(replace(state, asked="", offer="", values={**state.values, **again}))
        if says_yes(text) or found:
            return self._begin(replace(state, asked="", offer="", slot=""), tool, text, carry={**state.values, **found})
        if says_no(text):
            return Reply(ended(state, "more"), f"All right. {_MORE}")
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
        slots = self._slots(state.task)
        found = fill(text, slots, asked=state.slot if state.asked == "slot" else "", setting=self.setting)
        question = is_question(normalise(text)) or "?" in text
        if question and (switched := self._switched(state, text)):
            return switched
        if question and (answer := find_answer(text, self.knowledge) or self._about_choice(state, text)):
            reply = self._advance(self._noting(state, found))
            return replace(reply, text=f"{answer} {reply.text}".strip())
        if limit := limit_broken(text, slots, asked=state.slot if state.asked == "slot" else "", setting=self.setting):
            reply = self._advance(self._noting(state, found))
            return replace(reply, text=f"{limit} {reply.text}".strip())
        asked_text = found.keys() == {state.slot} and state.slot in {slot.name for slot in slots if slot.kind in ("text", "code")}
        if (not found or asked_text) and (switched := self._switched(state, text)):
            return switched
        if found:
            return self._advance(replace(self._noting(state, found), misses=0))
        if corrected := corrected_time(self._slots(state.task), state.values, text, self.setting):
            return self._advance(self._noting(state, corrected))
        return self._missed(state, text)

    def _noting(self, state: State, found: Mapping[str, Any]) -> State:
        return replace(state, values={**state.values, **found}, known={**state.known, **lasting(self._slots(state.task), found)})

    def _switched(self, state: State, text: str) -> Reply | None:
        intent = best_intent(normalise(text), self.tools)
        if intent is None or intent.tool.name == state.task or intent.score < 1.5:
            return None
        return self._begin(state, intent.tool, text, carry=state.values)

    def _missed(self, state: State, text: str) -> Reply:
        if state.asked == "":  # the question about this task was never heard
            return self._advance(state)
        if state.asked == "slot" and self._optional(state) and (says_no(text) or state.misses or _NO_MATTER.search(text.lower())):
            return self._advance(
                replace(state, values={**state.values, **self._default(state)}, known={**state.known, "skipped": state.slot}, misses=0)
            )
        if says_no(text) and state.asked == "slot":
            return Reply(ended(state, "more"), f"All right, I'll leave that. {_MORE}")
        if is_question(normalise(text)) or "?" in text:
            return Reply(state, f"{_UNKNOWN} {self._pending_question(state)}")
        state = replace(state, misses=state.misses + 1)
        if state.misses >= 3:
            return Reply(ended(state, "more"), f"I'm sorry, I can't make that out. Let's leave it for now. {_MORE}")
        return Reply(state, f"Sorry, I didn't get that. {self._pending_question(state)}")

    def _open_floor(self, state: State, text: str) -> Reply:
        state = replace(state, asked="", known={**state.known, **overheard(text, self.setting)})
        normal = normalise(text)
        if verb := undoing_without_tool(normal, self.tools):
            return Reply(state, f"I'm sorry, I can't {verb} that from here. {abilities(self.tools)}")
        intent = best_intent(normal, self.tools) or self._by_moment(normal, text)
        answer = find_answer(text, self.knowledge) if is_question(normal) or asks_for_facts(normal) or intent is None else ""
        if answer and (
            intent is None or asks_for_facts(normal) or (intent.score < 2.0 and not fills_when(intent.tool, text, self.setting))
        ):
            return Reply(replace(state, misses=0), answer)
        if intent is not None:
            return self._begin(replace(state, misses=0), intent.tool, text, carry={})
        if says_no(text) and state.known.get("done"):
            return Reply(state, self.goodbye, hang_up=True)
        if overheard(text, self.setting):
            return Reply(state, "Thank you. How can I help you?")
        return self._lost(state, normal)

    def _default(self, state: State) -> dict[str, Any]:
        """What the tool takes when the caller does not care: said in the read-back, so that nothing is booked unheard."""
        return {
            slot.name: slot.schema["default"] for slot in self._slots(state.task) if slot.name == state.slot and "default" in slot.schema
        }

    def _optional(self, state: State) -> bool:
        return any(slot.name == state.slot and not slot.required for slot in self._slots(state.task))

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

    def _begin(self, state: State, tool: ToolSpec, text: str, *, carry: Mapping[str, Any]) -> Reply:
        slots = slots_of(tool)
        known: dict[str, Any] = {**state.known, **lasting(slots, carry)}
        values = {slot.name: carry[slot.name] for slot in slots if slot.name in carry}
        first, later = one_at_a_time(text, slots) if tool.effect == "write" else (text, "")
        known = {**known, "later": later}
        shared = [slot for slot in slots if slot.kind not in ("enum", "integer")]
        found = {**fill(text, shared, asked="", setting=self.setting), **fill(first, slots, asked="", setting=self.setting)}
        for slot in slots:
            if slot.name not in values and slot.kind in known and slot.kind in CARRIED:
                values[slot.name] = known[slot.kind]
            if slot.kind == "phone" and slot.name not in {**values, **found} and self.caller_phone:
                values[slot.name] = self.caller_phone
        state = replace(state, task=tool.name, values={**values, **found}, known={**known, **lasting(slots, found)}, offer="", misses=0)
        reply = self._advance(state)
        if limit := limit_broken(text, slots, asked="", setting=self.setting):
            return replace(reply, text=f"{limit} {reply.text}".strip())
        return replace(reply, text=f"One after the other, then. {reply.text}") if later and reply.text else reply

    def _advance(self, state: State) -> Reply:
        """Ask for what is missing, have a change confirmed, or run the tool."""
        tool = self._tool(state.task)
        if tool is None:
            return Reply(ended(state, ""), abilities(self.tools))
        slots = slots_of(tool)
        if past := past_day(slots, state.values, self.setting.today):
            dropped = replace(state, values=without(state.values, past.name))
            return self._ask(dropped, past, "That day has already passed.")
        refused = faults(state.values, tool.parameters)
        state = replace(state, values={name: value for name, value in state.values.items() if name not in refused})
        missing = next((slot for slot in slots if slot.name not in state.values and wanted(slot, tool, state, refused)), None)
        if missing is not None:
            return self._ask(state, missing)
        if tool.effect == "read":
            return Reply(replace(state, asked="", slot=""), tool=tool.name, arguments=state.values)
        return Reply(replace(state, asked="confirm", slot=""), read_back(tool, slots, state.values, self.setting.today))

    def _ask(self, state: State, slot: Slot, before: str = "") -> Reply:
        return Reply(replace(state, asked="slot", slot=slot.name), f"{before} {question_for(slot)}".strip())

    # --- outcomes --------------------------------------------------------------------------------------------------------------

    def _refused(self, state: State, tool: ToolSpec, said: str, result: ToolReturned) -> Reply:
        suspect = suspected_slot(tool, said, state.values)
        if suspect is None:
            return Reply(ended(state, "more"), f"{said} {_MORE}")
        thing = "day" if suspect.kind == "date" else suspect.label
        offer = follow_up(tool, self.tools) if tool.effect == "read" and not result.failed else None
        if offer is not None:
            return Reply(
                replace(
                    state,
                    asked="offer",
                    offer=offer.name,
                    slot=suspect.name,
                    known=without(state.known, suspect.kind),
                    values=without(state.values, suspect.name),
                ),
                f"{said} Which {thing} would you like instead?",
            )
        state = replace(state, values=without(state.values, suspect.name), known=without(state.known, suspect.kind))
        again = f"Would another {thing} suit you?" if suspect.kind in ("date", "time", "datetime") else question_for(suspect)
        return Reply(replace(state, asked="slot", slot=suspect.name), f"{said} {again}")

    def _looked_up(self, state: State, tool: ToolSpec, said: str) -> Reply:
        known = {
            **state.known,
            **{slot.kind: state.values[slot.name] for slot in slots_of(tool) if slot.kind in CARRIED and slot.name in state.values},
        }
        offer = follow_up(tool, self.tools)
        if offer is None:
            return Reply(replace(ended(state, "more"), known=known), f"{said} {_MORE}")
        asked: Asked = "offer"
        bare = said.rstrip().endswith("?") or not any(slot.kind in ("date", "time", "datetime") for slot in slots_of(tool))
        text = said if bare else f"{said} Shall I {action(offer)}?"
        return Reply(replace(state, asked=asked, offer=offer.name, known=known), text)

    # --- small readings --------------------------------------------------------------------------------------------------------

    def _tool(self, name: str) -> ToolSpec | None:
        return next((tool for tool in self.tools if tool.name == name), None)

    def _slots(self, name: str) -> tuple[Slot, ...]:
        tool = self._tool(name)
        return slots_of(tool) if tool else ()

    def _about_choice(self, state: State, text: str) -> str:
        """What the knowledge says on the thing chosen, when "how long does it take" names none."""
        chosen = " ".join(
            str(state.values[slot.name]) for slot in self._slots(state.task) if slot.kind == "enum" and slot.name in state.values
        )
        return find_answer(chosen, self.knowledge) if chosen and _HOW_LONG_OR_MUCH.search(text.lower()) else ""

    def _pending_question(self, state: State) -> str:
        tool = self._tool(state.task)
        if state.asked == "slot":
            slot = next((slot for slot in self._slots(state.task) if slot.name == state.slot and slot.name not in state.values), None)
            return question_for(slot) if slot else ""
        if state.asked == "confirm" and tool is not None:
            return read_back(tool, slots_of(tool), state.values, self.setting.today)
        if state.asked == "change":
            return "What should I change?"
        offered = self._tool(state.offer)
        return f"Shall I {action(offered)}?" if state.asked == "offer" and offered else ""
