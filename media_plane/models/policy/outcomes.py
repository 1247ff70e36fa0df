"""What the scripted agent says to what its tools answered, and how it goes on from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from media_plane.models.policy.phrasing import action, is_refusal, question_for, spoken_outcome
from media_plane.models.policy.slots import slots_of
from media_plane.models.policy.state import Asked, Reply, State
from media_plane.models.policy.steps import CARRIED, ended, follow_up, lasting, suspected_slot, without
from media_plane.models.policy.tasks import Tasks
from media_plane.ports.chat import ToolReturned
from media_plane.ports.tools import ToolSpec

MORE = "Is there anything else I can do for you?"


def returned(tasks: Tasks, state: State, results: Sequence[ToolReturned]) -> Reply:
    """Say what the tools answered, and go on from there."""
    last = results[-1]
    tool = tasks.tool(last.call.name)
    said = " ".join(spoken_outcome(result.output) for result in results)
    refused = last.failed or is_refusal(last.output)
    if tool is None:
        return Reply(ended(state, "more"), f"{said} {MORE}")
    state = replace(state, task=tool.name, values=dict(last.call.arguments))
    if refused:
        return _refused(tasks, state, tool, said, last)
    if tool.effect == "write":
        return _done(tasks, state, tool, said)
    return _looked_up(tasks, state, tool, said)


def _done(tasks: Tasks, state: State, tool: ToolSpec, said: str) -> Reply:
    """A change is made: go on with what the caller wanted besides, else ask for more."""
    known = {**state.known, **lasting(slots_of(tool), state.values), "done": said, "done_tool": tool.name}
    after = ended(replace(state, known=known), "more")
    if later := state.known.get("later"):
        reply = tasks.begin(after, tool, str(later), carry=state.values)
        return replace(reply, text=f"{said} {reply.text}".strip())
    return Reply(after, f"{said} {MORE}")


def _refused(tasks: Tasks, state: State, tool: ToolSpec, said: str, result: ToolReturned) -> Reply:
    suspect = suspected_slot(tool, said, state.values)
    if suspect is None:
        return Reply(ended(state, "more"), f"{said} {MORE}")
    thing = "day" if suspect.kind == "date" else suspect.label
    offer = follow_up(tool, tasks.tools) if tool.effect == "read" and not result.failed else None
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


def _looked_up(tasks: Tasks, state: State, tool: ToolSpec, said: str) -> Reply:
    known = {
        **state.known,
        **{slot.kind: state.values[slot.name] for slot in slots_of(tool) if slot.kind in CARRIED and slot.name in state.values},
    }
    offer = follow_up(tool, tasks.tools)
    if offer is None:
        return Reply(replace(ended(state, "more"), known=known), f"{said} {MORE}")
    asked: Asked = "offer"
    bare = said.rstrip().endswith("?") or not any(slot.kind in ("date", "time", "datetime") for slot in slots_of(tool))
    text = said if bare else f"{said} Shall I {action(offer)}?"
    return Reply(replace(state, asked=asked, offer=offer.name, known=known), text)
