"""Tries out a tool that a tenant declares, as a call would run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from control_plane.services.configs import ConfigDesk
from control_plane.services.drafts import DraftDesk
from nexus.domain.http_tool import HttpOutcome, HttpTool, request_of
from nexus.domain.outbound import OutboundRequest
from nexus.domain.tenant import Limits
from nexus.domain.tool_arguments import check_arguments, full_schema
from nexus.errors import NotFound, RequestRejected
from nexus.ports.ids import Ids
from nexus.ports.tools import HttpTools

ConfigKind = Literal["active", "draft"]


@dataclass(frozen=True, slots=True)
class Trial:
    """What was sent, with references in the place of secrets, and what came of it."""

    request: OutboundRequest
    outcome: HttpOutcome


class DeclaredToolDesk:
    """Runs tools for whoever writes them.

    Args:
        configs: where they are declared, once published.
        drafts: where they are declared before that.
        http: sends them.
        ids: each trial is an effect of its own.
    """

    def __init__(self, configs: ConfigDesk, drafts: DraftDesk, http: HttpTools, ids: Ids) -> None:
        self._configs = configs
        self._drafts = drafts
        self._http = http
        self._ids = ids

    async def test(self, tenant_id: str, name: str, arguments: Mapping[str, Any], where: ConfigKind) -> Trial:
        """Send the request once, for real.

        Raises:
            NotFound: ``tool_not_found``; ``tenant_not_found``, ``draft_not_found``.
            RequestRejected: ``tool_arguments_invalid``; ``invalid_config``: the draft's declaration has faults.
            ConfigurationError: ``config_not_published``.
        """
        tool, limits = await self._found(tenant_id, name, where)
        checked = check_arguments(full_schema(tool.parameters), arguments)
        key = self._ids.new("test")
        if checked.problem:
            raise RequestRejected("tool_arguments_invalid", f"The arguments do not fit the tool: {checked.problem}")
        try:
            shown = request_of(tool, checked.values, key)
        except ValueError as error:
            raise RequestRejected("tool_arguments_invalid", f"The arguments do not fit the tool: {error}") from error
        once = tool.model_copy(update={"retries": 0})
        timeout_s = tool.timeout_s or limits.tool_timeout_s
        return Trial(shown, await self._http.run(tenant_id, once, checked.values, key=key, timeout_s=timeout_s))

    async def _found(self, tenant_id: str, name: str, where: ConfigKind) -> tuple[HttpTool, Limits]:
        if where == "active":
            config = (await self._configs.active(tenant_id)).config
            found = next((tool for tool in config.http_tools if tool.name == name), None)
            limits = config.limits
        else:
            declared = (await self._drafts.get(tenant_id)).body.get("http_tools")
            rows = declared if isinstance(declared, list) else []
            found = next((_parsed(row) for row in rows if isinstance(row, dict) and row.get("name") == name), None)
            limits = Limits()
        if found is None:
            raise NotFound("tool_not_found", f"The {where} configuration declares no tool of this name in http_tools.")
        return found, limits


def _parsed(row: dict[str, Any]) -> HttpTool:
    try:
        return HttpTool.model_validate(row)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(str(step) for step in one['loc'])}: {one['msg']}" for one in error.errors(include_input=False))
        raise RequestRejected("invalid_config", f"The draft's declaration has faults: {faults[:2000]}") from error
