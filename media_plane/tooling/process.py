"""One tenant's child process, seen from the media process: start it, ask it, kill it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from nexus.context import working_for
from nexus.errors import Conflict, StoreError, ToolError
from nexus.ports.tools import ToolStore
from nexus.tools import Stored

_log = logging.getLogger("nexus.tools")
_ROOT = str(Path(__file__).resolve().parents[2])
_BOOT = f"import sys; sys.path.insert(0, {_ROOT!r}); from media_plane.tooling.worker import main; main()"

MAX_KEY_CHARACTERS = 256
MAX_VALUE_BYTES = 64 * 1024
_MAX_LIST_BYTES = 4 * 1024 * 1024
_MAX_LINE_BYTES = 1024 * 1024
_LOG_LINES, _LOG_LINE_CHARACTERS, _LOG_WINDOW_S = 40, 400, 10.0
_CANCEL_GRACE_S = 0.5


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What one child process may use. ``cpu_s`` counts over its whole life; ``parallel`` is how many tools it runs side by side."""

    memory_bytes: int = 512 * 1024 * 1024
    cpu_s: int = 600
    open_files: int = 64
    start_timeout_s: float = 10.0
    parallel: int = 16
    private_network: bool = False


@dataclass(frozen=True, slots=True)
class LoadedTool:
    """A tool as the child described it. ``accepts``: the argument names of its ``execute`` (None: any)."""

    name: Annotated[str, Field(pattern=r"^[^\W\d]\w{0,63}$")]
    description: Annotated[str, Field(min_length=1, max_length=1024)]
    parameters: Mapping[str, Any]
    effect: Literal["read", "write"]
    undoes: str = ""
    ends_call: bool = False
    timeout_s: float | None = None
    retries: int = 0
    accepts: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of the text. ``kernel_confined``: the kernel keeps the file rule too (Landlock)."""

    tools: Annotated[tuple[LoadedTool, ...], Field(max_length=128)] = ()
    faults: Annotated[tuple[str, ...], Field(max_length=256)] = ()
    kernel_confined: bool = False


_LOADED = TypeAdapter(Loaded)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run ended. ``output`` is for the agent, ``problem`` for the log. ``crashed`` and ``timeout`` leave open what was done;
    ``not_begun``: certainly nothing was."""

    kind: Literal["done", "refused", "failed", "invalid", "crashed", "timeout"]
    output: str = ""
    problem: str = ""
    not_begun: bool = False
    attempts: int = 1


@dataclass(slots=True)
class _LogTap:
    """Lets a bounded number of lines a window through."""

    left: int = _LOG_LINES
    since_s: float = 0.0
    dropped: int = 0

    def lets_through(self, now_s: float) -> bool:
        if now_s - self.since_s >= _LOG_WINDOW_S:
            self.left, self.since_s = _LOG_LINES, now_s
        self.left -= 1
        self.dropped += self.left < 0
        return self.left >= 0


@dataclass(slots=True)
class ToolProcess:
    """A child process that has loaded one ``tools.py``. Made by ``start_process``; ``close`` ends it."""

    tenant_id: str
    loaded: Loaded
    _process: asyncio.subprocess.Process
    _store: ToolStore
    _folder: str
    _gate: asyncio.Semaphore
    _ids: itertools.count[int] = field(default_factory=itertools.count)
    _running: dict[int, asyncio.Future[Outcome]] = field(default_factory=dict)
    _pumps: tuple[asyncio.Task[None], ...] = ()
    busy: int = 0

    @property
    def alive(self) -> bool:
        return self._process.returncode is None and not any(pump.done() for pump in self._pumps[:1])

    @property
    def pid(self) -> int:
        return self._process.pid

    async def run(self, tool: str, arguments: Mapping[str, Any], context: Mapping[str, Any], *, timeout_s: float) -> Outcome:
        """Run one tool. At the deadline the tool is cancelled; a tool that does not yield is killed with the whole process.

        Cancellation of this coroutine cancels the tool in the same way.
        """
        self.busy += 1
        try:
            async with asyncio.timeout(timeout_s):
                await self._gate.acquire()
        except TimeoutError:
            self.busy -= 1
            return Outcome("failed", problem="too many tools of this tenant run at once")
        try:
            return await self._run(tool, arguments, context, timeout_s)
        finally:
            self._gate.release()
            self.busy -= 1

    async def _run(self, tool: str, arguments: Mapping[str, Any], context: Mapping[str, Any], timeout_s: float) -> Outcome:
        number = next(self._ids)
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._running[number] = answer
        try:
            if not self.alive:
                return Outcome("crashed", problem="the child process has ended")
            await self._send({"op": "run", "id": number, "tool": tool, "arguments": dict(arguments), "context": dict(context)})
            done, _ = await asyncio.wait({answer}, timeout=timeout_s)
            return answer.result() if done else await self._stop(number, answer)
        except asyncio.CancelledError:
            self._write({"op": "cancel", "id": number})
            raise
        finally:
            self._running.pop(number, None)

    async def _stop(self, number: int, answer: asyncio.Future[Outcome]) -> Outcome:
        self._write({"op": "cancel", "id": number})
        done, _ = await asyncio.wait({answer}, timeout=_CANCEL_GRACE_S)
        if not done:
            self.kill("a tool did not end at its deadline")
        return Outcome("timeout", problem="the tool did not answer in time")

    def kill(self, why: str) -> None:
        """End the process at once; every run in it ends as ``crashed``."""
        if self._process.returncode is None:
            _log.warning("tool process killed: %s", why)
            self._kill()

    def _kill(self) -> None:
        # The whole group, with whatever it forked. Not Process.kill(): that polls first and may reap the child under asyncio's hands.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """Kill, wait, and take the folder away; again is silent."""
        self._kill()
        await self._process.wait()
        if self._pumps:  # something that left the group may still hold the pipes open
            await asyncio.wait(self._pumps, timeout=_CANCEL_GRACE_S)
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- the pipe ----------------------------------------------------------------------------------------------------------

    def _write(self, message: Mapping[str, Any]) -> None:
        stdin = self._process.stdin
        if stdin is not None and not stdin.is_closing():
            stdin.write(json.dumps(message).encode() + b"\n")

    async def _send(self, message: Mapping[str, Any]) -> None:
        self._write(message)
        if self._process.stdin is not None:
            with contextlib.suppress(ConnectionError):
                await self._process.stdin.drain()

    async def _pump(self) -> None:
        """Take what the child says until it ends. What breaks the protocol ends the child."""
        with working_for(tenant_id=self.tenant_id):
            try:
                while raw := await _line(self._process):
                    await self._take(json.loads(raw))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                self.kill(f"it broke the protocol ({type(error).__name__})")
            finally:
                for answer in self._running.values():
                    if not answer.done():
                        answer.set_result(Outcome("crashed", problem="the child process ended while the tool ran"))
                self._kill()

    async def _take(self, message: dict[str, Any]) -> None:
        if message["op"] == "store":
            await self._send({"op": "stored", "id": message["id"], **await self._serve_store(message)})
            return
        answer = self._running.get(message["id"])
        if answer is not None and not answer.done():
            answer.set_result(_outcome_of(message))

    async def _serve_store(self, message: dict[str, Any]) -> dict[str, Any]:
        key, value = message["key"], message.get("value")
        if not isinstance(key, str) or len(key) > MAX_KEY_CHARACTERS or not _is_text(key):
            return {"value": None, "error": f"a key is text up to {MAX_KEY_CHARACTERS} characters"}
        if len(json.dumps(value).encode()) > MAX_VALUE_BYTES:
            return {"value": None, "error": f"a value is JSON up to {MAX_VALUE_BYTES // 1024} KiB"}
        try:
            return {"value": await self._ask_store(message["do"], key, value), "error": ""}
        except Conflict:
            return {"value": None, "error": "taken"}
        except StoreError as error:
            _log.warning("tool store failed: %s", error)
            return {"value": None, "error": "the store cannot be reached just now"}

    async def _ask_store(self, do: str, key: str, value: Any) -> Any:
        match do:
            case "get":
                found = await self._store.get(self.tenant_id, key)
                return None if found is None else _plain(found)
            case "put" | "put_new":
                return _plain(await self._store.put(self.tenant_id, key, value, new_only=do == "put_new"))
            case "delete":
                return await self._store.delete(self.tenant_id, key)
            case "list":
                return _fitting(await self._store.list(self.tenant_id, key))
        raise ValueError(f"unknown store request {do!r}")

    async def _pump_log(self) -> None:
        """Log what tools print and log, a bounded number of lines; nothing is kept."""
        tap, stderr = _LogTap(), self._process.stderr
        with working_for(tenant_id=self.tenant_id):
            while stderr is not None and (chunk := await stderr.read(8192)):
                for line in chunk.decode(errors="replace").splitlines():
                    if line.strip() and tap.lets_through(asyncio.get_running_loop().time()):
                        _log.info("tool says: %s", _printable(line))
        if tap.dropped:
            _log.warning("tool output: %d lines left out", tap.dropped)


def _is_text(key: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" or letter < " " for letter in key)


def _printable(line: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in line[:_LOG_LINE_CHARACTERS])


def _plain(stored: Stored) -> dict[str, Any]:
    return {"key": stored.key, "value": stored.value, "version": stored.version}


def _fitting(found: tuple[Stored, ...]) -> list[dict[str, Any]]:
    plain = [_plain(stored) for stored in found]
    if len(json.dumps(plain)) > _MAX_LIST_BYTES:
        raise StoreError("invalid_request", "the list is too long; use a narrower prefix")
    return plain


def _outcome_of(message: dict[str, Any]) -> Outcome:
    kind, output = message["outcome"], message["output"]
    if kind == "cancelled":
        return Outcome("timeout", problem="the tool was cancelled")
    if kind not in ("done", "refused", "failed", "invalid") or not isinstance(output, str) or len(output.encode()) > MAX_VALUE_BYTES:
        raise ValueError("no outcome")
    return Outcome(kind, output, _printable(str(message["problem"])))


async def _line(process: asyncio.subprocess.Process) -> bytes:
    return b"" if process.stdout is None else await process.stdout.readline()


async def start_process(tenant_id: str, source: str, *, store: ToolStore, limits: ProcessLimits) -> ToolProcess:
    """Start a child with nothing in its environment, let it load ``source`` and describe the tools.

    Raises:
        ToolError: ``tool_not_loaded`` when it does not start and load within ``limits.start_timeout_s``.
    """
    folder = tempfile.mkdtemp(prefix="nexus-tools-")
    settings = {
        "memory_bytes": limits.memory_bytes,
        "cpu_s": limits.cpu_s,
        "open_files": limits.open_files,
        "private_network": limits.private_network,
        "parent_pid": os.getpid(),
        "root": _ROOT,
    }
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-B", "-c", _BOOT, json.dumps(settings)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"},
        cwd=folder,
        start_new_session=True,
        limit=_MAX_LINE_BYTES,
    )
    process = ToolProcess(tenant_id, Loaded(), child, store, folder, asyncio.Semaphore(limits.parallel))
    log_pump = asyncio.get_running_loop().create_task(process._pump_log())
    process._pumps = (log_pump,)
    try:
        async with asyncio.timeout(limits.start_timeout_s):
            process._write({"op": "load", "source": source})
            process.loaded = _loaded_of(await _line(child))
    except (TimeoutError, ValueError, KeyError, TypeError, ConnectionError) as error:
        await process.close()
        raise _not_loaded("tools.py did not load: it blocks, crashes or uses too much memory at module level") from error
    except asyncio.CancelledError:
        await process.close()
        raise
    process._pumps = (asyncio.get_running_loop().create_task(process._pump()), log_pump)
    return process


def _not_loaded(message: str) -> ToolError:
    return ToolError("tool_not_loaded", message, spoken="", retryable=True)


def _loaded_of(line: bytes) -> Loaded:
    """What the child says of itself, which it may have forged: only values of the right form are taken."""
    told = _LOADED.validate_json(line)
    return replace(told, faults=tuple(_printable(fault) for fault in told.faults))
