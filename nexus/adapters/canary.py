"""A caller that is no person: orders a test call over REST, types a line, wants an answer within its time, and a record afterwards."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

_FRAME_S = 0.02
_SILENCE = bytes(640)
"""20 ms of PCM16 at 16 kHz: an open microphone in a quiet room."""
_ASKED_AGAIN_S = 1.0
_QUIET_S = 0.6
_START = {"type": "session.start", "audio": {"input": {"codec": "pcm_s16le", "sample_rate": 16000}}}


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be tried.

    Attributes:
        url: of the API.
        key: an API key of test mode with ``calls:write`` and ``sessions:read``.
        says: the line that is typed.
        connect_s, greeting_s, answer_s, record_s: how long each step may take.
    """

    url: str
    tenant_id: str
    key: str
    says: str = "Are you open on Saturday?"
    connect_s: float = 20.0
    greeting_s: float = 20.0
    answer_s: float = 15.0
    record_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went.

    Attributes:
        failed: at which step (``order``, ``connect``, ``greeting``, ``answer``, ``record``); empty: it went well.
        answer_ms: from the line to the first sound of the answer, or its words where the call is text only; None: none came.
    """

    call_id: str = ""
    failed: str = ""
    why: str = ""
    answer_ms: float | None = None
    record_ms: float | None = None

    @property
    def well(self) -> bool:
        """Whether all of it worked."""
        return not self.failed


class _Failed(Exception):
    def __init__(self, step: str, why: str) -> None:
        super().__init__(why)
        self.step = step


async def try_call(errand: Errand) -> Outcome:
    """Go through all of it. Never raises for what the platform does: that is the outcome."""
    call = _Call(errand)
    try:
        await call.run()
    except _Failed as failure:
        return Outcome(call.call_id, failure.step, str(failure), call.answer_ms, call.record_ms)
    return Outcome(call.call_id, answer_ms=call.answer_ms, record_ms=call.record_ms)


@dataclass(slots=True)
class _Heard:
    """What came over the socket so far."""

    started: bool = False
    state: str = ""
    text_only: bool = False
    open_item: str = ""
    items: set[str] = field(default_factory=set)
    last_s: float = 0.0
    asked: bool = False
    """The line was typed: whatever begins from now on answers it."""
    answer_item: str = ""
    answered_s: float = 0.0
    ended: str = ""

    def note(self, message: str | bytes) -> None:
        """One message, now."""
        now_s = self.last_s = time.monotonic()
        if isinstance(message, str):
            self._told(json.loads(message), now_s)
        elif self.answer_item and self.open_item == self.answer_item:
            self._answered(now_s)

    def _told(self, told: dict[str, Any], now_s: float) -> None:
        match told.get("type"):
            case "session.started":
                self.started = True
            case "state":
                self.state = told["state"]
            case "mode_changed":
                self.text_only = told["to"] == "text_only"
            case "audio.begin":
                self._begins(told["item_id"])
            case "audio.end" | "audio.clear":
                self.open_item = ""
            case "transcript":
                self._words(told, now_s)
            case "session.ended":
                self.ended = str(told.get("end_reason"))

    def _words(self, told: dict[str, Any], now_s: float) -> None:
        if self.text_only and self.asked and told["role"] == "agent" and told["item_id"] not in self.items:
            self._answered(now_s)
        self.items.add(told["item_id"])

    def _begins(self, item: str) -> None:
        self.open_item = item
        if self.asked and not self.answer_item:
            self.answer_item = item

    def _answered(self, now_s: float) -> None:
        self.answered_s = self.answered_s or now_s

    def quiet(self) -> bool:
        """The agent has said what it had to say, and hears."""
        return self.state == "listening" and not self.open_item and time.monotonic() - self.last_s >= _QUIET_S


class _Call:
    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._heard = _Heard()
        self.call_id = ""
        self.answer_ms: float | None = None
        self.record_ms: float | None = None

    async def run(self) -> None:
        """Raises _Failed."""
        errand = self._errand
        headers = {"Authorization": f"Bearer {errand.key}"} if errand.key else {}
        async with httpx2.AsyncClient(base_url=errand.url.rstrip("/"), headers=headers, timeout=20.0, trust_env=False) as http:
            url, ticket = await self._order(http)
            async with _dialled(url, ticket, errand.connect_s) as socket:
                await self._talk(socket)
            await self._record(http)

    async def _order(self, http: httpx2.AsyncClient) -> tuple[str, str]:
        path = f"/v1/tenants/{self._errand.tenant_id}/calls"
        answer = await _asked(http, "order", "POST", path, {"test": True})
        if answer.status_code != 201:
            raise _Failed("order", _told(answer))
        made = answer.json()
        self.call_id = str(made["id"])
        return str(made["websocket"]["url"]), str(made["websocket"]["ticket"])

    async def _talk(self, socket: ClientConnection) -> None:
        errand, heard = self._errand, self._heard
        works = [asyncio.create_task(_listen(socket, heard)), asyncio.create_task(_be_quiet(socket, heard))]
        try:
            await socket.send(json.dumps(_START))
            await self._until("connect", errand.connect_s, lambda: heard.started)
            await self._until("greeting", errand.greeting_s, heard.quiet)
            heard.asked, began_s = True, time.monotonic()
            await socket.send(json.dumps({"type": "input.text", "text": errand.says}))
            await self._until("answer", errand.answer_s, lambda: bool(heard.answered_s))
            self.answer_ms = (heard.answered_s - began_s) * 1000
            await socket.send(json.dumps({"type": "session.end"}))
        except ConnectionClosed as error:
            raise _Failed("answer", f"the socket closed: {error}") from error
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)

    async def _until(self, step: str, limit_s: float, met: Callable[[], bool]) -> None:
        until_s = time.monotonic() + limit_s
        while not met():
            if self._heard.ended:
                raise _Failed(step, f"the call ended: {self._heard.ended}")
            if time.monotonic() > until_s:
                raise _Failed(step, f"not within {limit_s:.0f} s")
            await asyncio.sleep(_FRAME_S)

    async def _record(self, http: httpx2.AsyncClient) -> None:
        path = f"/v1/tenants/{self._errand.tenant_id}/sessions/{self.call_id}"
        began_s = time.monotonic()
        while (answer := await _asked(http, "record", "GET", path)).status_code == 404:
            if time.monotonic() - began_s > self._errand.record_s:
                raise _Failed("record", f"not within {self._errand.record_s:.0f} s")
            await asyncio.sleep(_ASKED_AGAIN_S)
        if answer.status_code != 200:
            raise _Failed("record", _told(answer))
        self.record_ms = (time.monotonic() - began_s) * 1000


async def _asked(http: httpx2.AsyncClient, step: str, method: str, path: str, body: dict[str, Any] | None = None) -> httpx2.Response:
    headers = {"Idempotency-Key": f"canary-{uuid.uuid4()}"} if body is not None else {}
    try:
        return await http.request(method, path, json=body, headers=headers)
    except httpx2.HTTPError as error:
        raise _Failed(step, f"the API cannot be reached: {type(error).__name__}") from error


def _told(answer: httpx2.Response) -> str:
    try:
        code = str(answer.json().get("code", ""))
    except ValueError:
        code = ""
    return f"{answer.status_code} {code}".strip()


@asynccontextmanager
async def _dialled(url: str, ticket: str, limit_s: float) -> AsyncIterator[ClientConnection]:
    offered = [Subprotocol("nexus.v1"), Subprotocol(f"token.{ticket}")]
    try:
        socket = await connect(url, subprotocols=offered, compression=None, open_timeout=limit_s, proxy=None, max_size=2**20)
    except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
        raise _Failed("connect", f"{type(error).__name__}: {error}") from error
    try:
        yield socket
    finally:
        await socket.close()


async def _listen(socket: ClientConnection, heard: _Heard) -> None:
    try:
        async for message in socket:
            heard.note(message)
    except ConnectionClosed as error:
        heard.ended = heard.ended or f"closed_{error.rcvd.code if error.rcvd else 1006}"
    heard.ended = heard.ended or "closed"


async def _be_quiet(socket: ClientConnection, heard: _Heard) -> None:
    """An open microphone in a quiet room, in real time: some engines keep time by what they hear."""
    due_s = time.monotonic()
    with suppress(ConnectionClosed):
        while True:
            if heard.started:
                await socket.send(_SILENCE)
            due_s += _FRAME_S
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
