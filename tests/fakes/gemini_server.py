"""A strict loopback Gemini: speaks the REST and SSE wire that the real SDK uses, and refuses what the real service would refuse.

Scripted: each request takes the next ``Turn``. Every broken rule is answered with 400 and kept in ``violations``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

_BODY_FIELDS = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings"}
_GENERATION_FIELDS = {"temperature", "maxOutputTokens", "responseMimeType", "responseSchema", "responseJsonSchema", "thinkingConfig"}
_PART_FIELDS = {"text", "thought", "thoughtSignature", "functionCall", "functionResponse"}


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer: chunks of parts, or an error status.

    ``cut`` drops the connection after the chunks; ``hold`` keeps it open and silent after them; ``finish`` is the finish reason of the
    last chunk (empty: none).
    """

    chunks: tuple[tuple[Mapping[str, Any], ...], ...] = ()
    status: int = 200
    finish: str = "STOP"
    cut: bool = False
    hold: bool = False


def text(*pieces: str) -> Turn:
    """Words, chunk by chunk."""
    return Turn(tuple(({"text": piece},) for piece in pieces))


def call(name: str, args: Mapping[str, Any], *, id: str = "fc-1", signature: str = "c2ln", before: str = "") -> Turn:
    """A function call with a thought signature, perhaps after some words."""
    part = {"functionCall": {"id": id, "name": name, "args": dict(args)}, "thoughtSignature": signature}
    return Turn(((({"text": before},),) if before else ()) + ((part,),))


@dataclass(slots=True)
class GeminiServer:
    """The running fake. ``requests`` are the bodies it took, ``disconnects`` how often the client left early."""

    key: str
    turns: list[Turn]
    base_url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    disconnects: int = 0
    held: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    signatures: dict[str, str] = field(default_factory=dict)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    tasks: list[asyncio.Task[None] | None] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        self.writers.append(writer)
        self.tasks.append(asyncio.current_task())
        try:
            while head := await _read_head(reader):
                method, path, headers = head
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                if not await self._answer(reader, writer, method, path, headers, body):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> bool:
        if headers.get("x-goog-api-key") != self.key:
            await _send_json(writer, 403, {"error": {"code": 403, "message": f"bad key {self.key}", "status": "PERMISSION_DENIED"}})
            return True
        fault = self._fault(method, path, body)
        if fault:
            self.violations.append(fault)
            await _send_json(writer, 400, {"error": {"code": 400, "message": fault, "status": "INVALID_ARGUMENT"}})
            return True
        self.requests.append(json.loads(body))
        turn = self.turns.pop(0) if self.turns else Turn(status=500)
        if turn.status != 200:
            error = {"code": turn.status, "message": f"scripted failure for {self.key}", "status": "SCRIPTED"}
            await _send_json(writer, turn.status, {"error": error})
            return True
        self._remember(turn)
        if path.endswith(":generateContent"):
            await _send_json(writer, 200, _chunk(tuple(part for parts in turn.chunks for part in parts), turn.finish))
            return True
        return await self._stream(reader, writer, turn)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, turn: Turn) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i, parts in enumerate(turn.chunks):
            last = i == len(turn.chunks) - 1 and not (turn.cut or turn.hold)
            _write_event(writer, _chunk(parts, turn.finish if last else ""))
            await writer.drain()
        if turn.hold:
            self.held.set()
            await reader.read(1)  # returns when the client goes
            self.disconnects += 1
            self.left.set()
            return False
        if turn.cut:
            return False
        if not turn.chunks:
            _write_event(writer, _chunk((), turn.finish))
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    def _remember(self, turn: Turn) -> None:
        for parts in turn.chunks:
            for part in parts:
                if "functionCall" in part:
                    self.signatures[part["functionCall"]["id"]] = part.get("thoughtSignature", "")

    def _fault(self, method: str, path: str, body: bytes) -> str:
        streams = path.endswith(":streamGenerateContent?alt=sse")
        if (
            method != "POST"
            or not path.startswith(("/v1/models/", "/v1beta/models/"))
            or not (streams or path.endswith(":generateContent"))
        ):
            return f"no such method: {method} {path}"
        try:
            value = json.loads(body)
        except ValueError:
            return "the body is not JSON"
        unknown = set(value) - _BODY_FIELDS or set(value.get("generationConfig", {})) - _GENERATION_FIELDS
        if unknown:
            return f"unknown fields: {sorted(unknown)}"
        return _tools_fault(value.get("tools", [])) or self._contents_fault(value.get("contents", []))

    def _contents_fault(self, contents: Sequence[Mapping[str, Any]]) -> str:
        if not contents or contents[0].get("role") != "user" or contents[-1].get("role") != "user":
            return "contents must begin and end with the user's"
        asked: list[str] = []
        for content in contents:
            parts = content.get("parts", [])
            if not parts or any(set(part) - _PART_FIELDS for part in parts):
                return f"a content without parts or with unknown ones: {parts}"
            answered = [part["functionResponse"].get("id", "") for part in parts if "functionResponse" in part]
            if sorted(answered) != sorted(asked):
                return f"function responses {answered} do not match the calls {asked}"
            calls = [part for part in parts if "functionCall" in part]
            asked = [part["functionCall"].get("id", "") for part in calls]
            for part in calls:
                expected = self.signatures.get(part["functionCall"].get("id", ""), "")
                if part.get("thoughtSignature", "") != expected:
                    return "a function call came back without its thought signature"
        return ""


def _tools_fault(tools: Sequence[Mapping[str, Any]]) -> str:
    for tool in tools:
        if set(tool) - {"functionDeclarations"}:
            return f"unknown tool fields: {sorted(tool)}"
        for declaration in tool.get("functionDeclarations", []):
            # The SDK sends this one field in snake case; the service's JSON reader takes both spellings.
            if set(declaration) - {"name", "description", "parametersJsonSchema", "parameters_json_schema"}:
                return f"unknown declaration fields: {sorted(declaration)}"
            if "x-nexus" in json.dumps(declaration):
                return "unknown schema keyword x-nexus"
    return ""


def _chunk(parts: Sequence[Mapping[str, Any]], finish: str) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0}
    if parts:
        candidate["content"] = {"role": "model", "parts": list(parts)}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5}, "modelVersion": "fake"}


def _write_event(writer: asyncio.StreamWriter, value: Mapping[str, Any]) -> None:
    data = b"data: " + json.dumps(value).encode() + b"\r\n\r\n"
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


async def _send_json(writer: asyncio.StreamWriter, status: int, value: Mapping[str, Any]) -> None:
    data = json.dumps(value).encode()
    writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
    await writer.drain()


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]] | None:
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *rest = raw.decode().split("\r\n")
    method, path, _ = first.split(" ")
    return method, path, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest if line)}


@asynccontextmanager
async def gemini_server(*turns: Turn, key: str = "test-key-0123") -> AsyncIterator[GeminiServer]:
    """Serve on a loopback port of its own choosing."""
    fake = GeminiServer(key, list(turns))
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
        for writer in fake.writers:
            writer.close()
        await asyncio.gather(*(task for task in fake.tasks if task), return_exceptions=True)
