"""Runs one tenant's tools for one call: validates, limits, runs once, and turns what goes wrong into speech."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import Any

from media_plane.conversation.commands import RunTool
from media_plane.conversation.events import ToolFinished
from media_plane.ports.tools import ToolSpec
from media_plane.tooling.catalogue import Catalogue, catalogue_of, needs_source
from media_plane.tooling.declared import NoHttpTools, idempotency_key, run_declared
from media_plane.tooling.effects import effect_id
from media_plane.tooling.process import Loaded, LoadedTool, Outcome
from media_plane.tooling.processes import SourceReader, ToolProcesses
from media_plane.tooling.vet import vet
from nexus.clock import Clock
from nexus.domain.tenant import TenantConfig
from nexus.domain.tool_arguments import check_arguments
from nexus.errors import NexusError, StoreError, ToolError
from nexus.ports.tools import Effect, EffectLog, HttpTools

_log = logging.getLogger("nexus.tools")

_FIRST_BACKOFF_MS = 200.0
_NOT_STARTED = "the child process did not start"
_UNSURE = "I'm sorry, I can't tell whether that went through. Please check back with us before trying again."


@dataclass(frozen=True, slots=True)
class ToolParts:
    """What all calls share: the children, where ``tools.py`` is read, what was done, time, and who sends declared tools' requests."""

    processes: ToolProcesses
    read_source: SourceReader
    effects: EffectLog
    clock: Clock
    http: HttpTools = field(default_factory=NoHttpTools)


class TenantTools:
    """``media_plane.ports.tools.ToolRunner`` for one call: pinned to the configuration and ``tools.py`` it began with."""

    def __init__(self, config: TenantConfig, call_id: str, parts: ToolParts) -> None:
        self._config = config
        self._call_id = call_id
        self._parts = parts
        self._catalogue: Catalogue | None = None
        self._loading = asyncio.Lock()
        self._in_flight: dict[str, asyncio.Future[ToolFinished]] = {}
        self._done: dict[str, set[str]] = {}

    async def tools(self) -> tuple[ToolSpec, ...]:
        """The enabled tools that could be loaded, in the configuration's order; also warms the child up."""
        return tuple(spec for spec, _ in (await self._load()).tools.values())

    async def faults(self) -> tuple[str, ...]:
        """Everything that is wrong with ``tools.py`` and ``enabled_tools``, each one line that names the fix."""
        return (await self._load()).faults

    async def run(self, order: RunTool) -> ToolFinished:
        """Run one tool once; see the port. Cancelled: the tool is stopped, a write's outcome stays unknown."""
        entry = (await self._load()).tools.get(order.name)
        if entry is None:
            return self._failed(order, "", "tool_unknown", f"There is no tool named {order.name}.")
        spec, loaded = entry
        checked = check_arguments(spec.parameters, order.arguments)
        if checked.problem:
            effect = effect_id(order.name, order.arguments, request_id=order.request_id)
            return self._failed(order, effect, "tool_arguments_invalid", f"Not done: {checked.problem}", checked.spoken)
        if spec.effect == "read":
            effect = effect_id(order.name, checked.values, request_id=order.request_id)
            return await self._read_again(order, loaded, checked.values, effect)
        return await self._write_once(order, loaded, checked.values, effect_id(order.name, checked.values))

    # --- loading -----------------------------------------------------------------------------------------------------------

    async def _load(self) -> Catalogue:
        async with self._loading:
            if self._catalogue is None:
                self._catalogue = await self._read_catalogue()
                for fault in self._catalogue.faults:
                    _log.warning("tools.py: %s", fault)
            return self._catalogue

    async def _read_catalogue(self) -> Catalogue:
        if not needs_source(self._config):
            return catalogue_of("", Loaded(), self._config)
        try:
            source = await self._parts.read_source(self._config.tenant_id)
            if faults := vet(source):
                return self._declared_only(source, faults)
            process = await self._parts.processes.get(self._config.tenant_id, source)
        except NexusError as error:
            return self._declared_only("", (error.public_message,))
        return catalogue_of(source, process.loaded, self._config)

    def _declared_only(self, source: str, faults: tuple[str, ...]) -> Catalogue:
        """``tools.py`` is broken; what is declared works without it."""
        return replace(catalogue_of(source, Loaded(), self._config), faults=faults)

    # --- running -----------------------------------------------------------------------------------------------------------

    async def _read_again(self, order: RunTool, tool: LoadedTool, values: dict[str, Any], effect: str) -> ToolFinished:
        """Look up; as often as the tool allows, when it fails."""
        attempts = 1
        finished = self._read(order, effect, await self._execute(tool, values, effect))
        while finished.status == "failed" and attempts <= tool.retries:
            await self._parts.clock.sleep_ms(_FIRST_BACKOFF_MS * 2 ** (attempts - 1))
            attempts += 1
            finished = self._read(order, effect, await self._execute(tool, values, effect))
        return replace(finished, attempts=attempts)

    async def _write_once(self, order: RunTool, tool: LoadedTool, values: dict[str, Any], effect: str) -> ToolFinished:
        if (running := self._in_flight.get(effect)) is not None:
            return _again(order, await asyncio.shield(running))
        ending: asyncio.Future[ToolFinished] = asyncio.get_running_loop().create_future()
        self._in_flight[effect] = ending
        try:
            finished = await self._write(order, tool, values, effect)
            ending.set_result(finished)
            return finished
        finally:
            self._in_flight.pop(effect, None)
            if not ending.done():
                ending.set_result(self._unknown(order, effect, "tool_outcome_unknown"))

    async def _write(self, order: RunTool, tool: LoadedTool, values: dict[str, Any], effect: str) -> ToolFinished:
        try:
            known = await self._parts.effects.begin(self._config.tenant_id, self._call_id, effect, order.name)
        except StoreError as error:
            _log.warning("tool %s not run, its intent could not be written: %s", order.name, error)
            return self._failed(order, effect, "store_unavailable", "Not done: it could not be recorded.")
        if known.state != "new":
            return self._known(order, effect, known)
        outcome = await self._execute(tool, values, effect)
        try:
            finished = await self._write_ended(order, tool, effect, outcome)
        except StoreError as error:
            _log.warning("outcome of tool %s could not be written: %s", order.name, error)
            finished = self._finished(order, effect, outcome)
        return replace(finished, attempts=outcome.attempts)

    async def _write_ended(self, order: RunTool, tool: LoadedTool, effect: str, outcome: Outcome) -> ToolFinished:
        if outcome.kind in ("crashed", "timeout"):
            return self._unknown(order, effect, "tool_timeout" if outcome.kind == "timeout" else "tool_crashed")
        if outcome.kind == "refused" or outcome.not_begun:
            await self._parts.effects.forget(self._config.tenant_id, self._call_id, effect)
            return self._finished(order, effect, outcome)
        failed = outcome.kind != "done"
        finished = self._finished(order, effect, outcome)
        await self._parts.effects.finish(self._config.tenant_id, self._call_id, effect, output=finished.output, failed=failed)
        if not failed:
            await self._take_back(tool)
            self._done.setdefault(tool.name, set()).add(effect)
        return finished

    async def _take_back(self, tool: LoadedTool) -> None:
        """A cancellation undoes bookings, and a new booking opens the way for a new cancellation: both may be asked for again."""
        catalogue = await self._load()
        opposite = {name for name, (_, other) in catalogue.tools.items() if name == tool.undoes or other.undoes == tool.name}
        for name in opposite:
            for effect in self._done.pop(name, set()):
                await self._parts.effects.forget(self._config.tenant_id, self._call_id, effect)

    async def _execute(self, tool: LoadedTool, values: dict[str, Any], effect: str) -> Outcome:
        catalogue = await self._load()
        timeout_s = (tool.timeout_s or self._config.limits.tool_timeout_s) / self._parts.clock.speed
        if (declared := catalogue.declared.get(tool.name)) is not None:
            key = idempotency_key(self._call_id, effect)
            outcome = await run_declared(self._parts.http, self._config.tenant_id, declared, values, key=key, timeout_s=timeout_s)
        else:
            outcome = await self._execute_in_child(catalogue.source, tool, values, effect, timeout_s)
        if outcome.problem:
            _log.warning("tool %s: %s: %s", tool.name, outcome.kind, outcome.problem)
        return outcome

    async def _execute_in_child(self, source: str, tool: LoadedTool, values: dict[str, Any], effect: str, timeout_s: float) -> Outcome:
        try:
            process = await self._parts.processes.get(self._config.tenant_id, source)
        except ToolError as error:
            _log.warning("tool %s: %s", tool.name, error)
            return Outcome("failed", problem=_NOT_STARTED, not_begun=True)
        context = {
            "tenant_id": self._config.tenant_id,
            "call_id": self._call_id,
            "effect_id": effect,
            "now": self._parts.clock.now().isoformat(),
            "timezone": self._config.timezone,
            "settings": self._config.tool_settings,
        }
        return await process.run(tool.name, values, context, timeout_s=timeout_s)

    # --- outcomes ----------------------------------------------------------------------------------------------------------

    def _read(self, order: RunTool, effect: str, outcome: Outcome) -> ToolFinished:
        if outcome.kind in ("crashed", "timeout"):
            code = "tool_timeout" if outcome.kind == "timeout" else "tool_crashed"
            return self._failed(order, effect, code, f"The tool did not answer ({code}). Nothing was looked up.")
        return self._finished(order, effect, outcome)

    def _finished(self, order: RunTool, effect: str, outcome: Outcome) -> ToolFinished:
        match outcome.kind:
            case "done":
                return ToolFinished(order.request_id, effect, "done", outcome.output, ends_call=self._ends_call(order.name))
            case "refused":
                return ToolFinished(order.request_id, effect, "refused", outcome.output)
            case "invalid":
                return self._failed(order, effect, "tool_output_invalid", "The tool gave nothing that can be said.")
            case _:
                code = "tool_not_loaded" if outcome.problem == _NOT_STARTED else "tool_failed"
                return self._failed(order, effect, code, "The tool failed. Do not say that it was done.")

    def _known(self, order: RunTool, effect: str, known: Effect) -> ToolFinished:
        if known.state == "pending":
            return self._unknown(order, effect, "tool_outcome_unknown")
        if known.failed:
            return self._failed(order, effect, "tool_failed", known.output)
        return ToolFinished(order.request_id, effect, "replayed", known.output)

    def _unknown(self, order: RunTool, effect: str, code: str) -> ToolFinished:
        output = "It is not known whether this was done. It must not be tried again in this call."
        return ToolFinished(order.request_id, effect, "unknown", output, spoken=_UNSURE, error_code=code)

    def _failed(self, order: RunTool, effect: str, code: str, output: str, spoken: str = "") -> ToolFinished:
        spoken = spoken or self._failure_line(order.name) or self._config.phrases.tool_failed
        return ToolFinished(order.request_id, effect, "failed", output, spoken=spoken, error_code=code)

    def _failure_line(self, name: str) -> str:
        tool = self._catalogue.declared.get(name) if self._catalogue is not None else None
        return "" if tool is None else tool.spoken.failure

    def _ends_call(self, name: str) -> bool:
        return self._catalogue is not None and name in self._catalogue.tools and self._catalogue.tools[name][1].ends_call


def _again(order: RunTool, first: ToolFinished) -> ToolFinished:
    status = "replayed" if first.status == "done" else first.status
    return ToolFinished(
        order.request_id, first.effect_id, status, first.output, spoken=first.spoken, error_code=first.error_code, attempts=first.attempts
    )
