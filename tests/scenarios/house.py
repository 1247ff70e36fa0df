"""A running house for scenarios: real stores on disk, a real socket by either shell, engines that follow a script."""

# ruff: noqa: ASYNC110  (what is waited for is written by another process or another connection)

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from control_plane.services.calls import CallDesk, CallPolicy, CallRequest, OrderedCall
from local.serve import serving
from media_plane.engines.scripted import Script, ScriptedEngine, tone
from media_plane.ports.engine import VoiceEngine
from media_plane.ports.speech import SpeechToText, TextToSpeech
from media_plane.server.calls import CallServer
from media_plane.server.sockets import SocketDoor
from media_plane.slots import SlotPool
from media_plane.speech.vad import InferenceSession
from media_plane.wiring import Instead, SpeechModels, media_plane
from nexus.adapters.aws import AwsStores
from nexus.adapters.embedded import EmbeddedStores, embedded_stores, ticket_private_key
from nexus.clock import Clock
from nexus.domain.session import SessionRecord
from nexus.settings.values import Settings, load_settings

Shell = Literal["sockets", "uvicorn"]
TENANT = "corner_shop"
LOUD = tone(20, 16_000).pcm
QUIET = bytes(640)
ECHO = Script(echo=True)
HEAD = "from nexus.tools import BaseTool, ToolRefusal, SlotTaken\n"


class NoModel:
    """Stands for an ear and a voice that a scripted call never uses."""

    async def warm_up(self) -> None: ...

    async def transcribe(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a scripted call has no use for speech-to-text")

    def speak(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a scripted call has no use for text-to-speech")


def speech(detector: InferenceSession | None = None, ear: SpeechToText | None = None, voice: TextToSpeech | None = None) -> SpeechModels:
    return SpeechModels(ear or NoModel(), voice or NoModel(), detector)


def write_tenant(folder: Path, tenant_id: str = TENANT, *, tools: str = "", **config: Any) -> None:
    """A tenant's folder; ``config`` goes over a small default."""
    home = folder / tenant_id
    home.mkdir(parents=True, exist_ok=True)
    settled = {"tenant_id": tenant_id, "system_prompt": "Be brief.", "greeting": "Hi!", **config}
    (home / "config.yaml").write_text(yaml.safe_dump(settled), encoding="utf-8")
    (home / "tools.py").write_text(HEAD + tools if tools else "", encoding="utf-8")


def make_settings(folder: Path, **over: Any) -> Settings:
    tenants = over.pop("tenants_dir", folder / "tenants")
    return load_settings(None, data_dir=folder / "data", tenants_dir=tenants, port=0, **over)


@dataclass
class House:
    """``url`` of the sockets; ``order`` reserves a call as POST /calls does; ``records`` are the archived sessions of a tenant."""

    url: str
    settings: Settings
    stores: EmbeddedStores | AwsStores
    clock: Clock
    calls: CallServer | None = None
    slots: SlotPool | None = None

    async def order(self, tenant_id: str = TENANT, **request: Any) -> OrderedCall:
        policy = CallPolicy(ticket_private_key(self.settings))
        desk = CallDesk(self.stores.tenants, self.stores.ledger, self.stores.ids, self.clock, policy)
        return await desk.create(tenant_id, CallRequest(self.stores.ids.new("key"), "body", **request))

    @asynccontextmanager
    async def call(self, tenant_id: str = TENANT, *, audio: Mapping[str, Any] | None = None, **request: Any) -> AsyncIterator[Caller]:
        ordered = await self.order(tenant_id, **request)
        async with dial(self.url, ordered.entry.call_id, ordered.ticket, self.clock) as caller:
            await caller.begin(audio)
            yield caller

    async def records(self, tenant_id: str = TENANT) -> list[SessionRecord]:
        return [await self.stores.archive.get(tenant_id, call) for call in await self.stores.archive.list_calls(tenant_id)]

    async def many_records(self, count: int, tenant_id: str = TENANT) -> list[SessionRecord]:
        """So many records, once they are there."""
        async with asyncio.timeout(5):
            while len(records := await self.records(tenant_id)) < count:
                await asyncio.sleep(0.02)
        return records

    async def record(self, tenant_id: str = TENANT, *, within_s: float = 5.0) -> SessionRecord:
        """The one record there is, once it is there: and the journal is gone and the seat is free."""
        async with asyncio.timeout(within_s):
            while True:
                records = await self.records(tenant_id)
                if records and not await self.stores.journal.open_calls():
                    break
                await asyncio.sleep(0.02)
        assert len(records) == 1
        async with asyncio.timeout(within_s):
            while (await self.stores.ledger.get(tenant_id, records[0].id)).state != "ended":
                await asyncio.sleep(0.02)
        return records[0]


@dataclass
class Caller:
    """A raw client: ``got`` is everything the server said, with the real time of arrival in ms."""

    call_id: str
    connection: ClientConnection
    clock: Clock
    got: list[tuple[float, dict[str, Any] | bytes]] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def begin(self, audio: Mapping[str, Any] | None = None) -> None:
        await self.tell("session.start", **({"audio": audio} if audio else {}))

    async def tell(self, kind: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"type": kind, **fields}))

    async def type(self, text: str) -> None:
        await self.tell("input.text", text=text)

    async def speak(self, duration_ms: float, pcm: bytes = LOUD) -> None:
        """An open microphone for so long, in real time by the clock."""
        due_ms = self.clock.monotonic_ms()
        for _ in range(int(duration_ms / 20)):
            await self.connection.send(pcm)
            due_ms += 20
            await self.clock.sleep_ms(due_ms - self.clock.monotonic_ms())

    async def listen(self) -> None:
        with suppress(ConnectionClosed):
            async for message in self.connection:
                self.got.append((self.clock.monotonic_ms(), message if isinstance(message, bytes) else json.loads(message)))
                self.changed.set()
        self.closed.set()
        self.changed.set()

    def messages(self, kind: str = "") -> list[dict[str, Any]]:
        return [message for _, message in self.got if isinstance(message, dict) and kind in ("", message["type"])]

    def at(self, kind: str, **fields: Any) -> float | None:
        """When the first such message came."""
        for at_ms, message in self.got:
            if isinstance(message, dict) and message["type"] == kind and fields.items() <= message.items():
                return at_ms
        return None

    def audio_after(self, at_ms: float) -> list[float]:
        return [when for when, message in self.got if isinstance(message, bytes) and when > at_ms]

    def agent_lines(self) -> list[str]:
        return [message["text"] for message in self.messages("transcript") if message["role"] == "agent" and message["final"]]

    async def until(self, met: Callable[[], Any], within_s: float = 5.0) -> Any:
        """Wait until ``met`` is truthy, looked at after each message."""
        async with asyncio.timeout(within_s):
            while not (value := met()):
                assert not self.closed.is_set(), f"closed first: {self.connection.close_code} {self.messages()[-3:]}"
                self.changed.clear()
                await self.changed.wait()
        return value

    async def hears(self, kind: str, within_s: float = 5.0, **fields: Any) -> float:
        return float(await self.until(lambda: self.at(kind, **fields), within_s))

    async def ended(self, within_s: float = 5.0) -> str:
        """How the server said the call ended."""
        async with asyncio.timeout(within_s):
            await self.closed.wait()
        told = self.messages("session.ended")
        return str(told[0]["end_reason"]) if told else f"closed_{self.connection.close_code}"

    async def hang_up(self) -> str:
        await self.tell("session.end")
        return await self.ended()


@asynccontextmanager
async def dial(url: str, call_id: str, ticket: str, clock: Clock | None = None, **options: Any) -> AsyncIterator[Caller]:
    offered = [Subprotocol("nexus.v1"), Subprotocol(f"token.{ticket}")]
    async with connect(f"{url}/v1/calls/{call_id}", subprotocols=offered, compression=None, proxy=None, **options) as connection:
        caller = Caller(call_id, connection, clock or Clock())
        listener = asyncio.create_task(caller.listen())
        try:
            yield caller
        finally:
            await connection.close()
            await listener


def scripted(script: Script | Sequence[Script], clock: Clock) -> Callable[[], VoiceEngine]:
    """A maker of scripted engines: with several scripts each engine takes the next, the last one serves for ever."""
    waiting = [script] if isinstance(script, Script) else list(script)
    return lambda: ScriptedEngine(waiting.pop(0) if len(waiting) > 1 else waiting[0], clock)


@asynccontextmanager
async def house(
    folder: Path,
    script: Script | Sequence[Script] | Callable[[], VoiceEngine] = ECHO,
    *,
    shell: Shell = "sockets",
    speed: float = 1.0,
    instead: Instead | None = None,
    **over: Any,
) -> AsyncIterator[House]:
    """The product until the block is left. ``script``: of the scripted engine, or a maker of engines. ``over``: settings."""
    clock = Clock(speed=speed)
    settings = make_settings(folder, **over)
    maker = script if callable(script) else scripted(script, clock)
    given = instead or Instead(voice_engine=maker, speech=speech())
    if shell == "uvicorn":
        async with serving(settings, clock, instead=given) as base:
            yield House("ws" + base.removeprefix("http"), settings, embedded_stores(settings), clock)
        return
    stores = embedded_stores(settings)
    ticket_private_key(settings)  # the control plane was here first
    async with media_plane(settings, stores, clock, instead=given) as plane:
        door = SocketDoor(plane.doorkeeper, plane.calls, plane.health)
        server = await door.listen("127.0.0.1", 0)
        port = next(iter(server.sockets)).getsockname()[1]
        try:
            yield House(f"ws://127.0.0.1:{port}", settings, stores, clock, plane.calls, plane.slots)
        finally:
            await plane.calls.drain(0.2)
            server.close()
            await server.wait_closed()
