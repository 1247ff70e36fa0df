"""Runs one call: reader, engine, mouth, clock and scribe under one TaskGroup, round the machine that decides."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from media_plane.bridge.engine_line import EngineLine
from media_plane.bridge.hearing import Hearing
from media_plane.bridge.mouth import Mouth
from media_plane.bridge.scribe import Scribe
from media_plane.bridge.tape import NoTape, Tape
from media_plane.conversation import commands as do
from media_plane.conversation import events as ev
from media_plane.conversation.machine import Conversation
from media_plane.playout import Playout
from media_plane.ports.caller import CallerTransport, Received, ReceivedAudio, ReceivedHangUp, ReceivedPlayed, ReceivedText, SocketClosed
from media_plane.ports.engine import CallBrief
from media_plane.ports.tools import ToolRunner, ToolSpec
from media_plane.speech.ear import Ear
from nexus.clock import Clock
from nexus.domain.call import EndReason, LineOrder
from nexus.domain.journal import JournalEntry, Opened
from nexus.domain.session import AudioFacts
from nexus.domain.tenant import TenantConfig
from nexus.errors import CLOSE_CODE, ProtocolViolation
from nexus.ports.calls import CallJournal

_log = logging.getLogger("nexus.bridge")
_TICK_MS = 100.0


@dataclass(frozen=True, slots=True)
class CallParts:
    """What one call is wired of."""

    transport: CallerTransport
    line: EngineLine
    playout: Playout
    tools: ToolRunner
    ear: Ear
    journal: CallJournal
    slot_ms: Callable[[], float] = lambda: 0.0
    """How long engine slots were held for this call so far, added up."""
    tape: Tape = field(default_factory=NoTape)


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What one call is about."""

    opened: Opened
    config: TenantConfig
    caller_phone: str
    tools: tuple[ToolSpec, ...]


class Bridge:
    """One call. ``run`` once; ``order_end`` from outside."""

    def __init__(self, facts: CallFacts, parts: CallParts, conversation: Conversation, clock: Clock) -> None:
        self._facts = facts
        self._parts = parts
        self._machine = conversation
        self._clock = clock
        self._began_ms = clock.monotonic_ms()
        self._scribe = Scribe(facts.opened.call_id, parts.journal)
        self._mouth = Mouth(parts.transport, parts.playout, clock, self._began_ms, self.feed, parts.tape)
        self._hearing = Hearing(parts.line, parts.ear, parts.playout, self.feed, parts.tape)
        self._over = asyncio.Event()
        self._tools: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._close_code = 1000

    def order_end(self, reason: EndReason, *, farewell: bool = False) -> None:
        """End the call from outside (``:end``, drain); with a farewell the caller is told first, which takes fifteen seconds at most."""
        self.feed(ev.EndOrdered(reason, farewell))

    def order_line(self, order: LineOrder) -> None:
        """Have the agent say or know something (``:say``, ``:inject``)."""
        self.feed(ev.LineOrdered(order))

    async def run(self) -> Sequence[JournalEntry]:
        """Carry the call to its end and close the socket; give every journal entry.

        Cancellation ends the call as ``draining_forced``; whatever happens inside, the entries are complete.
        """
        self._scribe.note(self._facts.opened)
        for command in self._machine.begin():
            self._do(command)
        try:
            await self._run_tasks()
        except asyncio.CancelledError:
            _forgive_cancellation()
            self.feed(ev.EndOrdered(EndReason.DRAINING_FORCED))
        except Exception:  # the supervised border of a call: one bad call must not take others down, and must be recorded
            _log.exception("the call failed inside")
            self.feed(ev.EndOrdered(EndReason.INTERNAL_ERROR))
        counted = ev.AudioCounted(self._audio(), self._parts.slot_ms())
        for command in [*self._machine.handle(self._now(), counted), *self._machine.finish(self._now())]:
            self._do(command)
        ended_ms = self._now()
        await asyncio.shield(self._hang_up())
        await asyncio.shield(self._parts.tape.end(ended_ms))
        return self._scribe.entries

    async def _run_tasks(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._group = group
            works = [
                group.create_task(self._read()),
                group.create_task(self._parts.line.run(self._brief, self.feed)),
                group.create_task(self._mouth.run()),
                group.create_task(self._tick()),
                group.create_task(self._scribe.run()),
                group.create_task(self._parts.tape.run(self._now)),
            ]
            await self._over.wait()
            if self._tools:
                await asyncio.wait(self._tools, timeout=self._facts.config.limits.tool_timeout_s + 1)
            for work in [*works, *self._tools]:
                work.cancel()
        self._group = None

    async def _hang_up(self) -> None:
        reason = self._machine.end_reason or EndReason.INTERNAL_ERROR
        try:
            async with asyncio.timeout(3):
                await self._mouth.flush()
                await self._parts.transport.close(reason.value, 1011 if reason is EndReason.INTERNAL_ERROR else self._close_code)
        except (SocketClosed, TimeoutError, OSError):
            _log.info("the caller was gone before the call was closed")
        await self._scribe.flush()

    # --- events in ---

    def feed(self, event: ev.Event) -> None:
        """Give the machine one event and do what it commands."""
        if isinstance(event, ev.EngineReady):
            self._hearing.begin(self._now())
        for command in self._machine.handle(self._now(), event):
            self._do(command)

    async def _read(self) -> None:
        idle_s = self._facts.config.limits.idle_timeout_s / self._clock.speed
        while True:
            try:
                async with asyncio.timeout(idle_s):
                    received = await self._parts.transport.receive()
            except TimeoutError:
                return self.feed(ev.CallerLeft("idle"))
            except SocketClosed as closed:
                return self.feed(ev.CallerLeft("hangup" if closed.clean else "lost"))
            except ProtocolViolation as violation:
                self._close_code = CLOSE_CODE.get(violation.code, 1008)
                self.feed(ev.EngineNotice(violation.code, "transport", violation.public_message))
                return self.feed(ev.CallerLeft("protocol"))
            for one in received:
                self._take(one)

    def _take(self, received: Received) -> None:
        match received:
            case ReceivedAudio():
                self._hearing.hear(received.frame, received.packets, self._now())
            case ReceivedText():
                self.feed(ev.CallerTyped(received.text))
            case ReceivedPlayed():
                self._parts.playout.played(received.item_id, received.played_ms)
                self._mouth.wake()
            case ReceivedHangUp():
                self.feed(ev.CallerLeft("hangup"))

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep_ms(_TICK_MS)
            self._hearing.fill_gap(self._now())
            self.feed(ev.Tick())

    def _brief(self, item_prefix: str) -> CallBrief:
        return CallBrief(
            call_id=self._facts.opened.call_id,
            config=self._facts.config,
            tools=self._facts.tools,
            item_prefix=item_prefix,
            caller_phone=self._facts.caller_phone,
            history=self._machine.turns,
            outcomes=self._machine.outcomes,
            notes=self._machine.notes,
        )

    # --- commands out ---

    def _do(self, command: do.Command) -> None:
        match command:
            case do.SendToEngine():
                self._parts.line.send(command.value)
            case do.Play() | do.EndItem() | do.StopPlayout():
                self._play(command)
            case do.RunTool():
                self._start_tool(command)
            case do.Note():
                self._scribe.note(command.entry)
            case do.AbandonEngine():
                self._parts.line.abandon(command.code, command.message)
            case do.DropRecording():
                self._parts.tape.drop()
            case do.EndCall():
                self._over.set()
            case _:
                self._mouth.tell(command)

    def _play(self, command: do.Play | do.EndItem | do.StopPlayout) -> None:
        match command:
            case do.Play():
                self._parts.playout.add(command.item_id, command.frame)
                self._mouth.wake()
            case do.EndItem():
                self._parts.playout.end(command.item_id)
                self._mouth.wake()
            case do.StopPlayout():
                stopped = self._parts.playout.stop(self._now())
                if stopped is not None:
                    self._parts.tape.agent_stopped(self._now())
                    self.feed(stopped)

    def _start_tool(self, order: do.RunTool) -> None:
        if self._group is None:
            return

        async def run() -> None:
            self.feed(await self._parts.tools.run(order))

        task = self._group.create_task(run())
        self._tools.add(task)
        task.add_done_callback(self._tools.discard)

    # --- figures ---

    def _now(self) -> float:
        return self._clock.monotonic_ms() - self._began_ms

    def _audio(self) -> AudioFacts:
        return AudioFacts(
            in_ms=round(self._hearing.duration_ms, 1),
            in_bytes=self._hearing.bytes,
            out_ms=round(self._mouth.duration_ms, 1),
            out_bytes=self._mouth.bytes,
            in_dropped_ms=round(self._parts.line.dropped_ms, 1),
            dropped_frames=self._parts.playout.dropped_frames,
            corrupt_frames=self._parts.transport.corrupt_frames,
            underruns=self._parts.playout.underruns,
            rms_db=self._hearing.rms_db,
        )


def _forgive_cancellation() -> None:
    """This task goes on after its cancellation, to close the call in good order."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
