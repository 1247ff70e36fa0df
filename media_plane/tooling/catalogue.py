"""Which of a tenant's tools a call may use, of ``tools.py`` and declared ones, and what is wrong with the rest. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from media_plane.ports.tools import ToolSpec
from media_plane.tooling.process import Loaded, LoadedTool
from nexus.domain.http_tool import HttpTool
from nexus.domain.tenant import TenantConfig
from nexus.domain.tool_arguments import full_schema


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The text that was loaded, the enabled tools in the configuration's order, and every fault, one line each. ``declared``: those among
    them that are requests to the tenant's server."""

    source: str = ""
    tools: Mapping[str, tuple[ToolSpec, LoadedTool]] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    declared: Mapping[str, HttpTool] = field(default_factory=dict)


def needs_source(config: TenantConfig) -> bool:
    """Whether an enabled tool is not declared, so that ``tools.py`` must have it."""
    return bool(set(config.enabled_tools) - {tool.name for tool in config.http_tools})


def catalogue_of(source: str, loaded: Loaded, config: TenantConfig) -> Catalogue:
    """Match what was loaded, and what is declared, with what the configuration enables. Declared tools go first."""
    faults = list(loaded.faults)
    declared = {tool.name: tool for tool in config.http_tools if tool.name in config.enabled_tools}
    by_name = {tool.name: tool for tool in loaded.tools} | {name: _as_loaded(tool) for name, tool in declared.items()}
    for name in sorted({tool.name for tool in loaded.tools} & declared.keys()):
        faults.append(f"{name!r} is declared in http_tools and a class in tools.py; the declared one is used, rename or remove one")
    tools: dict[str, tuple[ToolSpec, LoadedTool]] = {}
    for name in config.enabled_tools:
        tool = by_name.get(name)
        if tool is None:
            there = ", ".join(by_name) or "no tools"
            faults.append(f"enabled_tools names {name!r}, but tools.py has {there}; mend the name or add the class")
            continue
        try:
            tools[name] = (ToolSpec(name, tool.description, _schema_of(tool), tool.effect), tool)
        except ValueError as error:
            faults.append(f"tool {name}: {error}")
    return Catalogue(source, tools, tuple(faults), declared)


def _as_loaded(tool: HttpTool) -> LoadedTool:
    return LoadedTool(
        name=tool.name,
        description=tool.description,
        parameters=tool.parameters,
        effect=tool.effect,
        ends_call=tool.ends_call,
        timeout_s=tool.timeout_s,
        retries=tool.retries,
    )


def _schema_of(tool: LoadedTool) -> dict[str, Any]:
    schema = full_schema(tool.parameters)
    unknown = sorted(set(schema["properties"]) - set(tool.accepts)) if tool.accepts is not None else []
    if unknown:
        raise ValueError(f"execute() takes no argument {', '.join(unknown)}; add it, or take **arguments")
    return schema
