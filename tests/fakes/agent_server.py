"""A media server for tests of callers: real sockets and the real wire, with an agent that follows a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection, serve

from media_plane.audio import AudioFrame
from media_plane.conversation.commands import TellAudio, TellMode, TellState, TellTool, TellTranscript
from media_plane.ports.caller import ReceivedAudio, ReceivedHangUp, ReceivedPlayed, ReceivedText, SocketClosed
from media_plane.transports.browser import CallFacts, NexusV1
from media_plane.transports.handshake import chosen_subprotocol, offered_ticket
from media_plane.transports.messages import MAX_MESSAGE_BYTES
from media_plane.transports.session import WireTransport
from media_plane.transports.websocket import WebSocket
from nexus.clock import Clock
from tests.fakes.pcm_codecs import pcm_codecs

FACTS = CallFacts("call_01", "barber_shop_demo", 600, 30)
_LOUD = 1000


@dataclass
class ScriptedAgent:
    """Is ``connecting_ms`` away, greets, then answers with ``answer_ms`` of sound.

    It answers each utterance (loud frames, then 300 ms of silence) and each typed line.
    """

    clock: Clock
    answer_ms: float = 600.0
    hang_up_after: int = 99
    clear_after_ms: float | None = None
    connecting_ms: float = 0.0
    voice_after_ms: float = 0.0
    """Above 0: words are told first, so much before their audio begins, while the state still is ``listening``."""
    tickets: list[str] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)
    utterances_ms: list[float] = field(default_factory=list)
    played: list[ReceivedPlayed] = field(default_factory=list)
    _items: int = 0
    _loud_ms: float = 0.0
    _quiet_ms: float = 0.0

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        def choose(connection: ServerConnection, offered: object) -> object:
            return chosen_subprotocol(offered)  # type: ignore[arg-type]

        async with serve(self._call, "127.0.0.1", 0, select_subprotocol=choose, max_size=MAX_MESSAGE_BYTES) as server:  # type: ignore[arg-type]
            yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/v1/calls/call_01"

    async def _call(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        offered = connection.request.headers.get("Sec-WebSocket-Protocol", "").split(", ")
        self.tickets.append(offered_ticket(offered))
        transport = WireTransport(WebSocket(connection), NexusV1(FACTS, pcm_codecs()))
        with suppress(SocketClosed):
            await transport.open()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._greet(transport))
                reason = await self._listen(transport, tasks)
            await transport.close(reason, 1000)

    async def _listen(self, transport: WireTransport, tasks: asyncio.TaskGroup) -> str:
        while True:
            for value in await transport.receive():
                match value:
                    case ReceivedHangUp():
                        return "caller_hangup"
                    case ReceivedText(text=text):
                        self.typed.append(text)
                        tasks.create_task(self._answer(transport, f"You typed {text}"))
                    case ReceivedPlayed():
                        self.played.append(value)
                    case ReceivedAudio(frame=frame) if self._utterance_ended(frame):
                        tasks.create_task(self._answer(transport, "I heard you"))
            if len(self.typed) + len(self.utterances_ms) >= self.hang_up_after:
                return "agent_hangup"

    async def _greet(self, transport: WireTransport) -> None:
        if self.connecting_ms:
            await transport.tell(TellState("connecting"))
            await self.clock.sleep_ms(self.connecting_ms)
            await transport.tell(TellState("listening"))
        await self._answer(transport, "Hello!")

    def _utterance_ended(self, frame: AudioFrame) -> bool:
        loud = max(abs(int.from_bytes(frame.pcm[at : at + 2], "little", signed=True)) for at in range(0, len(frame.pcm), 2)) > _LOUD
        self._loud_ms += frame.duration_ms if loud else 0.0
        self._quiet_ms = 0.0 if loud else self._quiet_ms + frame.duration_ms
        if not self._loud_ms or self._quiet_ms < 300:
            return False
        self.utterances_ms.append(self._loud_ms)
        self._loud_ms = 0.0
        return True

    async def _answer(self, transport: WireTransport, text: str) -> None:
        self._items += 1
        item = f"a{self._items}"
        if self.voice_after_ms:
            await transport.tell(TellTranscript("agent", item, text, False, 0.0, 0.0))
            await self.clock.sleep_ms(self.voice_after_ms)
        await transport.tell(TellState("thinking"))
        await transport.tell(TellTool("look_up", "running"))
        await transport.tell(TellTool("look_up", "done", 5.0))
        await transport.tell(TellTranscript("agent", item, text, True, 0.0, self.answer_ms))
        await transport.tell(TellState("speaking"))
        await transport.tell(TellAudio("begin", item))
        await transport.play(AudioFrame(b"\x10\x27" * int(16 * self.answer_ms), 16_000))  # all at once: faster than real time
        if self.clear_after_ms is not None:
            await self.clock.sleep_ms(self.clear_after_ms)
            await transport.tell(TellAudio("clear", item, self.clear_after_ms))
            await transport.tell(TellMode("text_only", "engine_lost"))
        else:
            await transport.tell(TellAudio("end", item))
            await self.clock.sleep_ms(self.answer_ms)
        await transport.tell(TellState("listening"))
