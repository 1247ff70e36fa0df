"""A task of the scripted agent: a tool whose arguments are gathered, confirmed and then asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from media_plane.models.policy.filling import Setting, faults, fill, limit_broken, one_at_a_time
from media_plane.models.policy.phrasing import abilities, action, question_for, read_back
from media_plane.models.policy.slots import Slot, slots_of
from media_plane.models.policy.state import Reply, State
from media_plane.models.policy.steps import CARRIED, ended, lasting, past_day, wanted, without
from media_plane.ports.tools import ToolSpec


@dataclass(frozen=True, slots=True)
class Tasks:
    """What every task needs to know: the tools, what words are read against, and the number that is known without asking."""

    tools: tuple[ToolSpec, ...]
    setting: Setting
    caller_phone: str = ""

    def begin(self, state: State, tool: ToolSpec, text: str, *, carry: Mapping[str, Any]) -> Reply:
        """Take the task up with what the words, ``carry`` and the call so far give for it."""
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
        reply = self.advance(state)
        if limit := limit_broken(text, slots, asked="", setting=self.setting):
            return replace(reply, text=f"{limit} {reply.text}".strip())
        return replace(reply, text=f"One after the other, then. {reply.text}") if later and reply.text else reply

    def advance(self, state: State) -> Reply:
        """Ask for what is missing, have a change confirmed, or run the tool."""
        tool = self.tool(state.task)
        if tool is None:
            return Reply(ended(state, ""), abilities(self.tools))
        slots = slots_of(tool)
        if past := past_day(slots, state.values, self.setting.today):
            dropped = replace(state, values=without(state.values, past.name))
            return self.ask(dropped, past, "That day has already passed.")
        refused = faults(state.values, tool.parameters)
        state = replace(state, values={name: value for name, value in state.values.items() if name not in refused})
        missing = next((slot for slot in slots if slot.name not in state.values and wanted(slot, tool, state, refused)), None)
        if missing is not None:
            return self.ask(state, missing)
        if tool.effect == "read":
            return Reply(replace(state, asked="", slot=""), tool=tool.name, arguments=state.values)
        return Reply(replace(state, asked="confirm", slot=""), read_back(tool, slots, state.values, self.setting.today))

    def ask(self, state: State, slot: Slot, before: str = "") -> Reply:
        """Ask for one slot."""
        return Reply(replace(state, asked="slot", slot=slot.name), f"{before} {question_for(slot)}".strip())

    def noting(self, state: State, found: Mapping[str, Any]) -> State:
        """The state with these values; what lasts for the call is remembered."""
        return replace(state, values={**state.values, **found}, known={**state.known, **lasting(self.slots(state.task), found)})

    def default(self, state: State) -> dict[str, Any]:
        """What the tool takes when the caller does not care: said in the read-back, so that nothing is booked unheard."""
        return {
            slot.name: slot.schema["default"] for slot in self.slots(state.task) if slot.name == state.slot and "default" in slot.schema
        }

    def optional(self, state: State) -> bool:
        """Whether the slot asked for may stay empty."""
        return any(slot.name == state.slot and not slot.required for slot in self.slots(state.task))

    def tool(self, name: str) -> ToolSpec | None:
        """The tool of this name."""
        return next((tool for tool in self.tools if tool.name == name), None)

    def slots(self, name: str) -> tuple[Slot, ...]:
        """Its slots; none for an unknown one."""
        tool = self.tool(name)
        return slots_of(tool) if tool else ()

    def pending_question(self, state: State) -> str:
        """The question that still stands; empty when none does."""
        tool = self.tool(state.task)
        if state.asked == "slot":
            slot = next((slot for slot in self.slots(state.task) if slot.name == state.slot and slot.name not in state.values), None)
            return question_for(slot) if slot else ""
        if state.asked == "confirm" and tool is not None:
            return read_back(tool, slots_of(tool), state.values, self.setting.today)
        if state.asked == "change":
            return "What should I change?"
        offered = self.tool(state.offer)
        return f"Shall I {action(offered)}?" if state.asked == "offer" and offered else ""
