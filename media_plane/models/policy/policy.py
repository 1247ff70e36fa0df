"""The policy itself: from where the conversation stands and what the caller said to the next words or tool call."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from pydantic import JsonValue

from media_plane.models.policy.filling import Setting, faults, fill, limit_broken, one_at_a_time
from media_plane.models.policy.intents import Intent, asks_for_facts, best_intent, is_question, undoing_without_tool
from media_plane.models.policy.knowledge import find_answer
from media_plane.models.policy.phrasing import abilities, action, is_refusal, question_for, read_back, spoken_outcome
from media_plane.models.policy.slots import Slot, slots_of
from media_plane.models.policy.smalltalk import Aside, asks_again, find_aside
from media_plane.models.policy.state import Asked, Reply, State
from media_plane.models.policy.words import normalise, says_no, says_yes
from media_plane.ports import ToolReturned, ToolSpec

_LASTING = frozenset({"name", "phone", "email", "address"})
"""Kinds that stay true for the whole call; what else the caller said is forgotten once a task is done."""
_CARRIED = _LASTING | {"date", "time"}
_UNKNOWN = "I'm afraid I don't have that information."
_MORE = "Is there anything else I can do for you?"


_INSTEAD = re.compile(r"\b(?:then|instead|rather|make (?:it|that)|i meant?|better)\b")
_HOW_LONG_OR_MUCH = re.compile(r"\bhow (?:long|much)\b|\b(?:cost|price)\b")
_CLOSED_DAY = re.compile(r"\bclosed on\b|\bnothing free on\b|\bfully booked on\b")


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
            return Reply(_ended(state, "more"), f"{said} {_MORE}")
        state = replace(state, task=tool.name, values=dict(last.call.arguments))
        if refused:
            return self._refused(state, tool, said, last)
        if tool.effect == "write":
            return self._done(state, tool, said)
        return self._looked_up(state, tool, said)

    def _done(self, state: State, tool: ToolSpec, said: str) -> Reply:
        """A change is made: go on with what the caller wanted besides, else ask for more."""
        after = _ended(replace(state, known={**state.known, **_lasting(slots_of(tool), state.values), "done": said}), "more")
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
            return Reply(_ended(state, "more"), f"All right, I'll leave that. {_MORE}")
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
            return Reply(_ended(state, ""), self.goodbye, hang_up=True)
        return Reply(
            replace(state, asked="leave"), f"Before you go: I haven't gone through with it yet. Shall I {action(tool)} first, or leave it?"
        )

    def _leaving(self, state: State, text: str) -> Reply | None:
        if "leave" in text.lower() or (says_no(text) and not fill(text, self._slots(state.task), asked="", setting=self.setting)):
            return Reply(_ended(state, ""), self.goodbye, hang_up=True)
        return self._advance(replace(state, asked="")) if says_yes(text) else None

    # --- answers to questions --------------------------------------------------------------------------------------------------

    def _confirmed(self, state: State, text: str) -> Reply | None:
        changes = self._changes(state, text)
        if changes:
            return self._advance(replace(state, values={**state.values, **changes}, misses=0))
        if says_no(text):
            named = self._named_slot(state.task, text)
            if named is not None:
                return self._ask(replace(state, values=_without(state.values, named.name)), named)
            return Reply(replace(state, asked="change"), "All right. What should I change?")
        if says_yes(text):
            return Reply(replace(state, asked=""), tool=state.task, arguments=state.values)
        return None

    def _changed(self, state: State, text: str) -> Reply | None:
        changes = self._changes(state, text)
        if changes:
            return self._advance(replace(state, values={**state.values, **changes}, misses=0))
        named = self._named_slot(state.task, text)
        if named is not None:
            return self._ask(replace(state, values=_without(state.values, named.name)), named)
        if says_no(text):
            return Reply(_ended(state, "more"), f"All right, I'll leave that. {_MORE}")
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
            return Reply(_ended(state, "more"), f"All right. {_MORE}")
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
        if corrected := self._corrected_time(state, text):
            return self._advance(self._noting(state, corrected))
        return self._missed(state, text)

    def _noting(self, state: State, found: Mapping[str, Any]) -> State:
        return replace(state, values={**state.values, **found}, known={**state.known, **_lasting(self._slots(state.task), found)})

    def _switched(self, state: State, text: str) -> Reply | None:
        intent = best_intent(normalise(text), self.tools)
        if intent is None or intent.tool.name == state.task or intent.score < 1.5:
            return None
        return self._begin(state, intent.tool, text, carry=state.values)

    def _missed(self, state: State, text: str) -> Reply:
        if state.asked == "":  # the question about this task was never heard
            return self._advance(state)
        if state.asked == "slot" and self._optional(state) and (says_no(text) or state.misses):
            return self._advance(replace(state, values={**state.values}, known={**state.known, "skipped": state.slot}, misses=0))
        if says_no(text) and state.asked == "slot":
            return Reply(_ended(state, "more"), f"All right, I'll leave that. {_MORE}")
        if is_question(normalise(text)) or "?" in text:
            return Reply(state, f"{_UNKNOWN} {self._pending_question(state)}")
        state = replace(state, misses=state.misses + 1)
        if state.misses >= 3:
            return Reply(_ended(state, "more"), f"I'm sorry, I can't make that out. Let's leave it for now. {_MORE}")
        return Reply(state, f"Sorry, I didn't get that. {self._pending_question(state)}")

    def _open_floor(self, state: State, text: str) -> Reply:
        state = replace(state, asked="", known={**state.known, **self._overheard(text)})
        normal = normalise(text)
        if verb := undoing_without_tool(normal, self.tools):
            return Reply(state, f"I'm sorry, I can't {verb} that from here. {abilities(self.tools)}")
        intent = best_intent(normal, self.tools) or self._by_moment(normal, text)
        answer = find_answer(text, self.knowledge) if is_question(normal) or asks_for_facts(normal) or intent is None else ""
        if answer and (intent is None or asks_for_facts(normal) or (intent.score < 2.0 and not self._fills_when(intent.tool, text))):
            return Reply(replace(state, misses=0), answer)
        if intent is not None:
            return self._begin(replace(state, misses=0), intent.tool, text, carry={})
        if says_no(text) and state.known.get("done"):
            return Reply(state, self.goodbye, hang_up=True)
        if self._overheard(text):
            return Reply(state, "Thank you. How can I help you?")
        return self._lost(state, normal)

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
        tool = next((tool for tool in reads_first if self._fills_when(tool, text)), None)
        return Intent(tool, 2.0) if tool else None

    def _begin(self, state: State, tool: ToolSpec, text: str, *, carry: Mapping[str, Any]) -> Reply:
        slots = slots_of(tool)
        known: dict[str, Any] = {**state.known, **_lasting(slots, carry)}
        values = {slot.name: carry[slot.name] for slot in slots if slot.name in carry}
        first, later = one_at_a_time(text, slots) if tool.effect == "write" else (text, "")
        known = {**known, "later": later}
        shared = [slot for slot in slots if slot.kind not in ("enum", "integer")]
        found = {**fill(text, shared, asked="", setting=self.setting), **fill(first, slots, asked="", setting=self.setting)}
        for slot in slots:
            if slot.name not in values and slot.kind in known and slot.kind in _CARRIED:
                values[slot.name] = known[slot.kind]
            if slot.kind == "phone" and slot.name not in {**values, **found} and self.caller_phone:
                values[slot.name] = self.caller_phone
        state = replace(state, task=tool.name, values={**values, **found}, known={**known, **_lasting(slots, found)}, offer="", misses=0)
        reply = self._advance(state)
        if limit := limit_broken(text, slots, asked="", setting=self.setting):
            return replace(reply, text=f"{limit} {reply.text}".strip())
        return replace(reply, text=f"One after the other, then. {reply.text}") if later and reply.text else reply

    def _advance(self, state: State) -> Reply:
        """Ask for what is missing, have a change confirmed, or run the tool."""
        tool = self._tool(state.task)
        if tool is None:
            return Reply(_ended(state, ""), abilities(self.tools))
        slots = slots_of(tool)
        if past := _past_day(slots, state.values, self.setting.today):
            dropped = replace(state, values=_without(state.values, past.name))
            return self._ask(dropped, past, "That day has already passed.")
        refused = faults(state.values, tool.parameters)
        state = replace(state, values={name: value for name, value in state.values.items() if name not in refused})
        missing = next((slot for slot in slots if slot.name not in state.values and _wanted(slot, tool, state, refused)), None)
        if missing is not None:
            return self._ask(state, missing)
        if tool.effect == "read":
            return Reply(replace(state, asked="", slot=""), tool=tool.name, arguments=state.values)
        return Reply(replace(state, asked="confirm", slot=""), read_back(tool, slots, state.values, self.setting.today))

    def _ask(self, state: State, slot: Slot, before: str = "") -> Reply:
        return Reply(replace(state, asked="slot", slot=slot.name), f"{before} {question_for(slot)}".strip())

    # --- outcomes --------------------------------------------------------------------------------------------------------------

    def _refused(self, state: State, tool: ToolSpec, said: str, result: ToolReturned) -> Reply:
        suspect = self._suspect(tool, said, state.values)
        if suspect is None:
            return Reply(_ended(state, "more"), f"{said} {_MORE}")
        thing = "day" if suspect.kind == "date" else suspect.label
        offer = self._follow_up(tool) if tool.effect == "read" and not result.failed else None
        if offer is not None:
            return Reply(
                replace(
                    state,
                    asked="offer",
                    offer=offer.name,
                    slot=suspect.name,
                    known=_without(state.known, suspect.kind),
                    values=_without(state.values, suspect.name),
                ),
                f"{said} Which {thing} would you like instead?",
            )
        state = replace(state, values=_without(state.values, suspect.name), known=_without(state.known, suspect.kind))
        again = f"Would another {thing} suit you?" if suspect.kind in ("date", "time", "datetime") else question_for(suspect)
        return Reply(replace(state, asked="slot", slot=suspect.name), f"{said} {again}")

    def _suspect(self, tool: ToolSpec, said: str, values: Mapping[str, Any]) -> Slot | None:
        """The slot whose value most likely brought the refusal: one that the answer names by its label or value, else time, else date."""
        slots = slots_of(tool)
        lower = said.lower()
        if closed := next((slot for slot in slots if slot.kind == "date" and _CLOSED_DAY.search(lower)), None):
            return closed
        choice = next((slot for slot in slots if slot.kind == "enum" and str(values.get(slot.name, "|")).lower() in lower), None)
        named = next((slot for slot in slots if slot.kind not in ("name", "phone") and slot.label in lower), None)
        when = [slot for slot in slots if slot.kind in ("time", "date", "datetime")]
        if choice and not (named or when):
            return choice
        return named or next((slot for kind in ("time", "datetime", "date", "code") for slot in slots if slot.kind == kind), None)

    def _looked_up(self, state: State, tool: ToolSpec, said: str) -> Reply:
        known = {
            **state.known,
            **{slot.kind: state.values[slot.name] for slot in slots_of(tool) if slot.kind in _CARRIED and slot.name in state.values},
        }
        offer = self._follow_up(tool)
        if offer is None:
            return Reply(replace(_ended(state, "more"), known=known), f"{said} {_MORE}")
        asked: Asked = "offer"
        bare = said.rstrip().endswith("?") or not any(slot.kind in ("date", "time", "datetime") for slot in slots_of(tool))
        text = said if bare else f"{said} Shall I {action(offer)}?"
        return Reply(replace(state, asked=asked, offer=offer.name, known=known), text)

    def _follow_up(self, tool: ToolSpec) -> ToolSpec | None:
        """The change that a look-up most likely prepares: the one sharing most parameters with it."""
        ours = {slot.name for slot in slots_of(tool)}
        shared = [(len(ours & {slot.name for slot in slots_of(other)}), other) for other in self.tools if other.effect == "write"]
        best = max(shared, key=lambda pair: pair[0], default=None)
        return best[1] if best is not None and best[0] else None

    # --- small readings --------------------------------------------------------------------------------------------------------

    def _tool(self, name: str) -> ToolSpec | None:
        return next((tool for tool in self.tools if tool.name == name), None)

    def _slots(self, name: str) -> tuple[Slot, ...]:
        tool = self._tool(name)
        return slots_of(tool) if tool else ()

    def _fills_when(self, tool: ToolSpec, text: str) -> bool:
        when = [slot for slot in slots_of(tool) if slot.kind in ("date", "time", "datetime")]
        return bool(fill(text, when, asked="", setting=self.setting))

    def _changes(self, state: State, text: str) -> dict[str, Any]:
        found = fill(text, self._slots(state.task), asked="", setting=self.setting)
        if not found and len(normalise(text).split()) <= 6:  # "no, eleven": a bare hour counts here
            found = {
                name: value
                for slot in self._slots(state.task)
                if slot.kind == "time"
                for name, value in fill(text, [slot], asked=slot.name, setting=self.setting).items()
            }
        return {name: value for name, value in found.items() if state.values.get(name) != value}

    def _about_choice(self, state: State, text: str) -> str:
        """What the knowledge says on the thing chosen, when "how long does it take" names none."""
        chosen = " ".join(
            str(state.values[slot.name]) for slot in self._slots(state.task) if slot.kind == "enum" and slot.name in state.values
        )
        return find_answer(chosen, self.knowledge) if chosen and _HOW_LONG_OR_MUCH.search(text.lower()) else ""

    def _corrected_time(self, state: State, text: str) -> dict[str, Any]:
        """A bare hour in "eleven then" while something else was asked, when a time was given before."""
        if _INSTEAD.search(text.lower()) is None:
            return {}
        times = [slot for slot in self._slots(state.task) if slot.kind == "time" and slot.name in state.values]
        return fill(text, times, asked=times[0].name, setting=self.setting) if times else {}

    def _named_slot(self, task: str, text: str) -> Slot | None:
        lower = text.lower()
        return next((slot for slot in self._slots(task) if slot.label in lower or slot.label.split()[-1] in lower.split()), None)

    def _overheard(self, text: str) -> dict[str, Any]:
        lasting = [Slot(kind, kind, required=False) for kind in ("name", "phone", "email")]
        return fill(text, lasting, asked="", setting=self.setting)

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


def _wanted(slot: Slot, tool: ToolSpec, state: State, refused: Sequence[str]) -> bool:
    """Whether a missing slot is asked for: what is required, and once what a change's tenant wrote a question for."""
    optional = tool.effect == "write" and bool(slot.ask) and state.known.get("skipped") != slot.name
    return slot.required or optional or (slot.name == state.slot and bool(refused))


def _past_day(slots: Sequence[Slot], values: Mapping[str, Any], today: date) -> Slot | None:
    """The first day that lies behind us, of those that mean an appointment and not a birthday."""
    days = (slot for slot in slots if slot.kind == "date" and "birth" not in slot.name and slot.name in values)
    return next((slot for slot in days if str(values[slot.name]) < today.isoformat()), None)


def _without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


def _lasting(slots: Sequence[Slot], values: Mapping[str, Any]) -> dict[str, Any]:
    return {slot.kind: values[slot.name] for slot in slots if slot.kind in _LASTING and slot.name in values}


def _ended(state: State, asked: Asked) -> State:
    """No task any more; what lasts for the call is kept."""
    return State(
        asked=asked,
        known={**{kind: value for kind, value in state.known.items() if kind in _LASTING}, "done": state.known.get("done", True)},
    )
