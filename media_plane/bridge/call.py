"""Runs one call: reader, engine, mouth, clock and scribe under one TaskGroup, round the machine that decides."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from media_plane.audio import FRAME_MS, AudioFrame, silence
from media_plane.bridge.engine_line import EngineLine
from media_plane.conversation import commands as do
from media_plane.conversation import events as ev
from media_plane.conversation.machine import Conversation
from media_plane.playout import Playout
from media_plane.ports import (
    CallBrief,
    CallerTransport,
    Received,
    ReceivedAudio,
    ReceivedHangUp,
    ReceivedPlayed,
    ReceivedText,
    SocketClosed,
    ToolRunner,
    ToolSpec,
)
from media_plane.speech.ear import Ear
from media_plane.speech.level import Loudness
from nexus.clock import Clock
from nexus.domain.call import EndReason
from nexus.domain.session import AudioFacts, JournalEntry, Opened
from nexus.domain.tenant import TenantConfig
from nexus.errors import CLOSE_CODE, ProtocolViolation, StoreError
from nexus.ports import CallJournal

_log = logging.getLogger("nexus.bridge")
_TICK_MS = 100.0
_GAP_MS = 300.0
_MAX_WAITING_MESSAGES = 2_000
_STALL_MS = 200.0


@dataclass(frozen=True, slots=True)
class CallParts:
    """What one call is wired of."""

    transport: CallerTransport
    line: EngineLine
    playout: Playout
    tools: ToolRunner
    ear: Ear
    journal: CallJournal


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
        self._over = asyncio.Event()
        self._wake = asyncio.Event()
        self._written = asyncio.Event()
        self._outbox: deque[do.Tell] = deque()
        self._unwritten: list[JournalEntry] = []
        self._entries: list[JournalEntry] = []
        self._tools: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._heard_until_ms: float | None = None
        self._in_ms = self._out_ms = 0.0
        self._in_bytes = self._out_bytes = 0
        self._close_code = 1000
        self._loudness = Loudness()

    def order_end(self, reason: EndReason) -> None:
        """End the call from outside (``:end``, drain)."""
        self.feed(ev.EndOrdered(reason))

    async def run(self) -> Sequence[JournalEntry]:
        """Carry the call to its end and close the socket; give every journal entry.

        Cancellation ends the call as ``draining_forced``; whatever happens inside, the entries are complete.
        """
        self._note(self._facts.opened)
        try:
            await self._run_tasks()
        except asyncio.CancelledError:
            _forgive_cancellation()
            self.feed(ev.EndOrdered(EndReason.DRAINING_FORCED))
        except Exception:  # the supervised border of a call: one bad call must not take others down, and must be recorded
            _log.exception("the call failed inside")
            self.feed(ev.EndOrdered(EndReason.INTERNAL_ERROR))
        for command in [*self._machine.handle(self._now(), ev.AudioCounted(self._audio())), *self._machine.finish(self._now())]:
            self._do(command)
        await asyncio.shield(self._hang_up())
        return tuple(self._entries)

    async def _run_tasks(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._group = group
            works = [
                group.create_task(self._read()),
                group.create_task(self._parts.line.run(self._brief, self.feed)),
                group.create_task(self._speak()),
                group.create_task(self._tick()),
                group.create_task(self._write_journal()),
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
                await self._flush_outbox()
                await self._parts.transport.close(reason.value, 1011 if reason is EndReason.INTERNAL_ERROR else self._close_code)
        except (SocketClosed, TimeoutError, OSError):
            _log.info("the caller was gone before the call was closed")
        await self._flush_journal()

    # --- events in ---

    def feed(self, event: ev.Event) -> None:
        """Give the machine one event and do what it commands."""
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
                self._in_bytes += len(received.frame.pcm)
                self._in_ms += received.frame.duration_ms
                self._loudness.add(received.frame)
                self._hear(received.frame, received.packets)
            case ReceivedText():
                self.feed(ev.CallerTyped(received.text))
            case ReceivedPlayed():
                self._parts.playout.played(received.item_id, received.played_ms)
                self._wake.set()
            case ReceivedHangUp():
                self.feed(ev.CallerLeft("hangup"))

    def _hear(self, frame: AudioFrame, packets: tuple[bytes, ...] = ()) -> None:
        now_ms = self._now()
        if self._heard_until_ms is None or now_ms - self._heard_until_ms > _GAP_MS:
            self._heard_until_ms = now_ms - frame.duration_ms
        self._heard_until_ms = min(self._heard_until_ms + frame.duration_ms, now_ms)  # a burst is heard now, never in the future
        self._parts.line.send(do.CallerAudio(frame, packets))
        playout = self._parts.playout
        facts = self._parts.ear.hear(
            frame, self._heard_until_ms, agent_audible=playout.audible(now_ms), agent_level_db=playout.level_db(now_ms)
        )
        for fact in facts:
            self.feed(fact)

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep_ms(_TICK_MS)
            self._fill_gap()
            self.feed(ev.Tick())

    def _fill_gap(self) -> None:
        """A microphone that went silent on the wire must not leave an utterance open for ever: silence stands in for what is missing."""
        while self._heard_until_ms is not None and self._now() - self._heard_until_ms > _GAP_MS:
            before = self._heard_until_ms
            self._heard_until_ms = self._now() - _GAP_MS if self._now() - before > 2_000 else before
            self._hear(silence(FRAME_MS, 16_000))

    def _brief(self, item_prefix: str) -> CallBrief:
        return CallBrief(
            call_id=self._facts.opened.call_id,
            config=self._facts.config,
            tools=self._facts.tools,
            item_prefix=item_prefix,
            caller_phone=self._facts.caller_phone,
            history=self._machine.turns,
        )

    # --- commands out ---

    def _do(self, command: do.Command) -> None:
        match command:
            case do.SendToEngine():
                self._parts.line.send(command.value)
            case do.Play():
                self._parts.playout.add(command.item_id, command.frame)
                self._wake.set()
            case do.EndItem():
                self._parts.playout.end(command.item_id)
                self._wake.set()
            case do.StopPlayout():
                stopped = self._parts.playout.stop(self._now())
                if stopped is not None:
                    self.feed(stopped)
            case do.RunTool():
                self._start_tool(command)
            case do.Note():
                self._note(command.entry)
            case do.AbandonEngine():
                self._parts.line.abandon(command.code, command.message)
            case do.EndCall():
                self._over.set()
            case _:
                self._tell(command)

    def _tell(self, message: do.Tell) -> None:
        """Queue a message. A caller who lets two thousand of them wait is treated as gone."""
        self._outbox.append(message)
        self._wake.set()
        if len(self._outbox) > _MAX_WAITING_MESSAGES and not self._over.is_set():
            self.feed(ev.CallerLeft("lost"))

    def _note(self, entry: JournalEntry) -> None:
        self._entries.append(entry)
        self._unwritten.append(entry)
        self._written.set()

    def _start_tool(self, order: do.RunTool) -> None:
        if self._group is None:
            return

        async def run() -> None:
            self.feed(await self._parts.tools.run(order))

        task = self._group.create_task(run())
        self._tools.add(task)
        task.add_done_callback(self._tools.discard)

    async def _speak(self) -> None:
        """The only task that writes to the socket while the call lives, so messages and audio keep their order."""
        playout = self._parts.playout
        stalled = False
        try:
            while True:
                self._wake.clear()
                stalled = await self._flush_outbox() or stalled
                stalled = await self._send_due(stalled=stalled)
                next_ms = playout.next_due_ms()
                wait_ms = 1_000.0 if next_ms is None else max(0.0, next_ms - self._now())
                await self._wait_for_wake(0.0 if stalled else wait_ms)
        except SocketClosed as closed:
            self.feed(ev.CallerLeft("hangup" if closed.clean else "lost"))

    async def _send_due(self, *, stalled: bool) -> bool:
        """Send what is due; whether a write stalled. After a stall, what should have sounded meanwhile is forgotten, not sent late."""
        playout = self._parts.playout
        playout.blocked(stalled)
        dues = playout.due(self._now())
        playout.blocked(False)
        stalled = False
        for due in dues:
            if isinstance(due, ev.PlayoutStarted | ev.Heard | ev.PlayoutFinished):
                self.feed(due)
                stalled = await self._flush_outbox() or stalled
            elif not stalled:
                stalled = await self._play(due.frame)
        return stalled

    async def _wait_for_wake(self, wait_ms: float) -> None:
        try:
            async with asyncio.timeout(wait_ms / 1000.0 / self._clock.speed):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _play(self, frame: AudioFrame) -> bool:
        """Send a frame; whether the caller's socket took it only after a wait."""
        before_ms = self._now()
        self._out_bytes += await self._parts.transport.play(frame)
        self._out_ms += frame.duration_ms
        return self._now() - before_ms > _STALL_MS

    async def _flush_outbox(self) -> bool:
        """Send the messages that wait; whether that stalled."""
        before_ms = self._now()
        while self._outbox:
            await self._parts.transport.tell(self._outbox.popleft())
        return self._now() - before_ms > _STALL_MS

    # --- journal ---

    async def _write_journal(self) -> None:
        while True:
            await self._written.wait()
            self._written.clear()
            await self._flush_journal()

    async def _flush_journal(self) -> None:
        """Write what is not yet written. A journal that cannot be written costs crash safety, not the call: the entries stay in memory."""
        batch, self._unwritten = self._unwritten, []
        if not batch:
            return
        try:
            await self._parts.journal.append(self._facts.opened.call_id, batch)
        except StoreError as error:
            _log.error("journal not written, kept in memory: %s", error)
            self._unwritten = batch + self._unwritten

    # --- figures ---

    def _now(self) -> float:
        return self._clock.monotonic_ms() - self._began_ms

    def _audio(self) -> AudioFacts:
        return AudioFacts(
            in_ms=round(self._in_ms, 1),
            in_bytes=self._in_bytes,
            out_ms=round(self._out_ms, 1),
            out_bytes=self._out_bytes,
            in_dropped_ms=round(self._parts.line.dropped_ms, 1),
            dropped_frames=self._parts.playout.dropped_frames,
            corrupt_frames=self._parts.transport.corrupt_frames,
            rms_db=None if self._loudness.rms_db is None else round(self._loudness.rms_db, 1),
        )


def _forgive_cancellation() -> None:
    """This task goes on after its cancellation, to close the call in good order."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
