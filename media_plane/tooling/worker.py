"""The child process that alone loads a tenant's ``tools.py``: one JSON object a line in, one a line out.

From the parent::

    {"op": "load", "source": …}                                              once, first
    {"op": "run", "id": n, "tool": …, "arguments": {…}, "context": {…}}      any number side by side
    {"op": "cancel", "id": n}                                                the run's deadline has passed
    {"op": "stored", "id": n, "value": …, "error": "" | "taken" | text}      answer to "store"

To the parent::

    {"op": "loaded", "tools": [{name description parameters effect undoes ends_call}], "faults": […], "kernel_confined": true}
    {"op": "ran", "id": n, "outcome": "done|refused|failed|invalid|cancelled", "output": …, "problem": …}
    {"op": "store", "id": n, "do": "get|put|put_new|list|delete", "key": …, "value": …}

What a tool prints goes to stderr. Nothing here is trusted by the parent: it scopes every store request to the tenant itself.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import os
import sys
import types
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from media_plane.tooling import fences
from media_plane.tooling.syscalls import confine_system_calls
from nexus.tools import BaseTool, SlotTaken, Stored, ToolContext, ToolRefusal

MAX_OUTPUT_BYTES = 64 * 1024
MAX_LINE_BYTES = 8 * 1024 * 1024
_Message = dict[str, Any]


class Line:
    """The pipe to the parent: whole JSON lines, written without blocking the loop."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[_Message]] = {}

    def send(self, message: _Message) -> None:
        self._transport.write(json.dumps(message).encode() + b"\n")

    async def ask_store(self, do: str, key: str, value: Any = None) -> Any:
        """One store request; raises SlotTaken, or ValueError for what the store refuses."""
        number = next(self._ids)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self.send({"op": "store", "id": number, "do": do, "key": key, "value": value})
        answer = await self._waiting[number]
        if answer["error"] == "taken":
            raise SlotTaken(key)
        if answer["error"]:
            raise ValueError(answer["error"])
        return answer["value"]

    def answer(self, message: _Message) -> None:
        waiting = self._waiting.pop(message["id"], None)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)


class Storage:
    """``ToolStorage`` by requests to the parent."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def get(self, key: str) -> Stored | None:
        found = await self._line.ask_store("get", key)
        return None if found is None else Stored(**found)

    async def put(self, key: str, value: Any) -> Stored:
        return Stored(**await self._line.ask_store("put", key, value))

    async def put_new(self, key: str, value: Any) -> Stored:
        return Stored(**await self._line.ask_store("put_new", key, value))

    async def list(self, prefix: str) -> list[Stored]:
        return [Stored(**found) for found in await self._line.ask_store("list", prefix)]

    async def delete(self, key: str) -> None:
        await self._line.ask_store("delete", key)


def load(source: str) -> tuple[dict[str, BaseTool], list[_Message], list[str]]:
    """Run the text and make one of each tool class in it: tools, their descriptions, faults."""
    module = types.ModuleType("tenant_tools")
    sys.modules["tenant_tools"] = module  # dataclasses look their module up
    try:
        exec(compile(source, "tools.py", "exec"), module.__dict__)  # noqa: S102 - loading tenant code is what this process is for
    except BaseException as error:  # the border to tenant code: even SystemExit is only a fault of the file
        return {}, [], [f"{_place(error)}tools.py cannot be loaded: {_named(error)}; mend the code at module level"]
    tools: dict[str, BaseTool] = {}
    described: list[_Message] = []
    faults: list[str] = []
    for made in list(vars(module).values()):
        if not (isinstance(made, type) and issubclass(made, BaseTool) and made.__module__ == "tenant_tools" and made.__name__[0] != "_"):
            continue
        try:
            tool = made()
            description = _describe(tool)
            if description["name"] in tools:
                raise ValueError(f"a second tool is named {description['name']!r}; give each its own name")
        except BaseException as error:  # the same border
            faults.append(f"line {_line_of(source, made.__name__)}: class {made.__name__}: {_named(error)}")
            continue
        tools[description["name"]] = tool
        described.append(description)
    return tools, described, faults


def _line_of(source: str, name: str) -> int:
    lines = source.splitlines()
    return next((number for number, line in enumerate(lines, 1) if line.lstrip().startswith(f"class {name}")), 1)


def _place(error: BaseException) -> str:
    place, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "tools.py":
            place = f"line {trace.tb_lineno}: "
        trace = trace.tb_next
    return place


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:300]}".rstrip(": ")


def _describe(tool: BaseTool) -> _Message:
    name, description, parameters = tool.name, tool.description, tool.parameters
    if not (isinstance(name, str) and name.isidentifier() and len(name) <= 64):
        raise ValueError(f"name is {name!r}; write a plain word such as check_availability")
    if not (isinstance(description, str) and description.strip()):
        raise ValueError("description is empty; say in a sentence what the tool does and when to use it")
    if not isinstance(parameters, Mapping):
        raise ValueError("parameters are no mapping; write a JSON Schema object")
    effect = getattr(tool, "effect", "write")
    if effect not in ("read", "write"):
        raise ValueError(f'effect is {effect!r}; write "read" or "write"')
    timeout_s, retries = getattr(tool, "timeout_s", None), getattr(tool, "retries", 0)
    if timeout_s is not None and not (isinstance(timeout_s, int | float) and 0 < timeout_s <= 60):
        raise ValueError(f"timeout_s is {timeout_s!r}; write seconds, more than 0 and at most 60")
    if not (isinstance(retries, int) and 0 <= retries <= 3) or (retries and effect == "write"):
        raise ValueError(f'retries is {retries!r}; write 0 to 3, and only for effect = "read"')
    return {
        "name": name,
        "description": " ".join(description.split())[:1024],
        "parameters": json.loads(json.dumps(parameters)),
        "effect": effect,
        "undoes": str(getattr(tool, "undoes", "")),
        "ends_call": bool(getattr(tool, "ends_call", False)),
        "timeout_s": timeout_s,
        "retries": retries,
        "accepts": _accepted(tool),
    }


def _accepted(tool: BaseTool) -> list[str] | None:
    """The argument names that ``execute`` takes, or None when it takes any."""
    parts = inspect.signature(tool.execute).parameters.values()
    if any(part.kind is inspect.Parameter.VAR_KEYWORD for part in parts):
        return None
    return [part.name for part in parts if part.kind is not inspect.Parameter.POSITIONAL_ONLY and part.name != "context"]


def _wants_context(tool: BaseTool) -> bool:
    return "context" in inspect.signature(tool.execute).parameters


def output_text(value: Any) -> str:
    """A tool's result as the text that the parent takes.

    Raises:
        ValueError: binary, not JSON, or larger than 64 KiB.
    """
    if isinstance(value, str):
        text = value
    else:
        try:
            text = "Done." if value is None else json.dumps(value, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"the result is neither text nor JSON ({type(value).__name__}); return a sentence or JSON data") from error
    if any(ord(letter) < 32 and letter not in "\n\r\t" for letter in text) or "\ufffd" in text:
        raise ValueError("the result is binary; return a sentence or JSON data")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise ValueError("the result is no valid text; return a sentence or JSON data") from error
    if size > MAX_OUTPUT_BYTES:
        raise ValueError(f"the result has {size} bytes; return at most {MAX_OUTPUT_BYTES}")
    return text


class Desk:
    """Runs the tools that the parent asks for, side by side."""

    def __init__(self, line: Line, tools: Mapping[str, BaseTool]) -> None:
        self._line = line
        self._tools = tools
        self._running: dict[int, asyncio.Task[None]] = {}

    def take(self, message: _Message) -> None:
        match message["op"]:
            case "run":
                self._running[message["id"]] = asyncio.get_running_loop().create_task(self._run(message))
            case "cancel":
                if task := self._running.get(message["id"]):
                    task.cancel()
            case "stored":
                self._line.answer(message)

    async def _run(self, message: _Message) -> None:
        outcome, output, problem = "done", "", ""
        try:
            output = await self._execute(message)
        except ToolRefusal as refusal:
            outcome, output = "refused", str(refusal)[:2000]
        except asyncio.CancelledError:
            outcome = "cancelled"
        except _OutputInvalid as error:
            outcome, problem = "invalid", str(error)
        except BaseException as error:  # the border to tenant code: SystemExit and KeyboardInterrupt are failures of the tool
            outcome, problem = "failed", _place(error) + _named(error)
        self._running.pop(message["id"], None)
        self._line.send({"op": "ran", "id": message["id"], "outcome": outcome, "output": output, "problem": problem})

    async def _execute(self, message: _Message) -> str:
        tool = self._tools[message["tool"]]
        arguments = dict(message["arguments"])
        if _wants_context(tool):
            arguments["context"] = _context(message["context"], Storage(self._line))
        result = tool.execute(**arguments)
        value = await result if inspect.isawaitable(result) else result
        try:
            return output_text(value)
        except ValueError as error:
            raise _OutputInvalid(str(error)) from error


class _OutputInvalid(Exception):
    pass


def _context(facts: _Message, store: Storage) -> ToolContext:
    now = datetime.fromisoformat(facts["now"]).astimezone(ZoneInfo(facts["timezone"]))
    return ToolContext(**{**facts, "now": now, "store": store})


async def serve(reader_fd: int, writer_fd: int, confined: bool) -> None:
    """Answer until the parent closes the pipe."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reader_fd, "rb", 0))
    transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(writer_fd, "wb", 0))
    line = Line(transport)
    tools, described, faults = load(json.loads(await reader.readline())["source"])
    line.send({"op": "loaded", "tools": described, "faults": faults, "kernel_confined": confined})
    desk = Desk(line, tools)
    while raw := await reader.readline():
        desk.take(json.loads(raw))


def main() -> None:
    """Entry of the child: ``argv[1]`` holds the limits as JSON."""
    limits = json.loads(sys.argv[1])
    fences.die_with_parent(limits["parent_pid"])
    reader_fd, writer_fd = os.dup(0), os.dup(1)
    os.dup2(2, 1)  # what a tool prints goes to stderr
    empty = os.open("/dev/null", os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    sys.path[:] = [path for path in sys.path if path != limits["root"]]
    readable = fences.library_folders()
    fences.limit_resources(memory_bytes=limits["memory_bytes"], cpu_s=limits["cpu_s"], open_files=limits["open_files"])
    confined = fences.confine_with_landlock(readable, private_network=limits["private_network"])
    with asyncio.Runner() as runner:
        runner.get_loop()  # its self-pipe is made before the fence
        confine_system_calls()
        fences.raise_audit_fence(readable, private_network=limits["private_network"])
        runner.run(serve(reader_fd, writer_fd, confined))
