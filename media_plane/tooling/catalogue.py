"""Which of a tenant's tools a call may use, and what is wrong with the rest. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from media_plane.ports import ToolSpec
from media_plane.tooling.process import Loaded, LoadedTool
from nexus.domain.tool_arguments import full_schema


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The text that was loaded, the enabled tools in the configuration's order, and every fault, one line each."""

    source: str = ""
    tools: Mapping[str, tuple[ToolSpec, LoadedTool]] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


def catalogue_of(source: str, loaded: Loaded, enabled: tuple[str, ...]) -> Catalogue:
    """Match what was loaded with what the configuration enables."""
    faults = list(loaded.faults)
    by_name = {tool.name: tool for tool in loaded.tools}
    tools: dict[str, tuple[ToolSpec, LoadedTool]] = {}
    for name in enabled:
        tool = by_name.get(name)
        if tool is None:
            there = ", ".join(by_name) or "no tools"
            faults.append(f"enabled_tools names {name!r}, but tools.py has {there}; mend the name or add the class")
            continue
        try:
            tools[name] = (ToolSpec(name, tool.description, _schema_of(tool), tool.effect), tool)
        except ValueError as error:
            faults.append(f"tool {name}: {error}")
    return Catalogue(source, tools, tuple(faults))


def _schema_of(tool: LoadedTool) -> dict[str, Any]:
    schema = full_schema(tool.parameters)
    unknown = sorted(set(schema["properties"]) - set(tool.accepts)) if tool.accepts is not None else []
    if unknown:
        raise ValueError(f"execute() takes no argument {', '.join(unknown)}; add it, or take **arguments")
    return schema
