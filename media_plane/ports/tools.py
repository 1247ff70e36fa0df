"""One tenant's tools, for one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from media_plane.conversation.commands import RunTool
from media_plane.conversation.events import ToolFinished
from nexus.tools import JsonSchema


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model sees it. ``parameters`` is a full JSON Schema object."""

    name: str
    description: str
    parameters: JsonSchema
    effect: Literal["read", "write"] = "write"


class ToolRunner(Protocol):
    """Runs one tenant's tools for one call: validates, limits, runs once."""

    async def tools(self) -> tuple[ToolSpec, ...]:
        """The enabled tools that could be loaded. A broken ``tools.py`` gives none and is logged with its faults."""
        ...

    async def run(self, order: RunTool) -> ToolFinished:
        """Run one tool. Never raises for what a tool does: a failure is an outcome with a sentence the agent can say."""
        ...
