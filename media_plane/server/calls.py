"""Runs admitted calls to their end: exactly one archived record each, whatever dies."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from media_plane.bridge.call import Bridge
from media_plane.conversation import recorder
from media_plane.ports.caller import CallerTransport, Socket, SocketClosed
from media_plane.recording.room import RecordingRoom
from media_plane.relay import Line, pass_through
from media_plane.server.admission import Admission
from media_plane.server.draining import DrainTerms
from media_plane.server.endings import cut_off, never_began
from media_plane.server.news import CallNews, NoNews
from media_plane.server.occupancy import Occupancy, seen
from media_plane.transports.session import WireTransport
from nexus import context
from nexus.clock import Clock
from nexus.domain.call import CallEntry, CallerTrace, EndReason, LineOrder, MediaProcess
from nexus.domain.journal import Ended, JournalEntry, Opened, RecordingNoted
from nexus.domain.tenant import for_order
from nexus.errors import CLOSE_CODE, NexusError, NotFound, StoreError
from nexus.ports.calls import CallJournal, CallLedger, CallLinesTaken, CallRef
from nexus.ports.sessions import SessionArchive

_log = logging.getLogger("nexus.calls")
HEARTBEAT_S = 1.0
_STORE_S = 10.0
"""So long a recording may take to be stored; the call's seat waits for it."""
_RESCUE_S = 3.0
"""The same for a call of a dead process, which is recorded between two heartbeats."""
_CUT_S = 10.0
_LOOK_EVERY_S = 0.2


class CallFactory(Protocol):
    """Wires one call; the wiring module makes it."""

    async def transport(self, socket: Socket, admission: Admission) -> tuple[WireTransport, tuple[str, ...]]:
        """The caller's transport, and what it is greeted with."""
        ...

    async def bridge(self, transport: CallerTransport, admission: Admission, opened: Opened) -> Bridge:
        """Everything else of the call. Raises NexusError."""
        ...


class Waiting(Protocol):
    """What is kept for calls before and while they live (``media_plane.server.priming.Primer``)."""

    def tend(self, ready: Iterable[CallEntry]) -> None:
        """These calls wait for their caller in this process."""
        ...

    def forget(self, call_id: str) -> None:
        """The call is over, or never began."""
        ...


@dataclass(frozen=True, slots=True)
class CallStores:
    """Where calls leave their traces."""

    ledger: CallLedger
    journal: CallJournal
    archive: SessionArchive
    recordings: RecordingRoom | None = None
    """None: no call is recorded."""


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """This process as the ledger knows it. ``slots``: how many calls it can carry now; ``pepper`` keys the hash of callers' numbers."""

    process_id: str
    url: str
    engine: str
    slots: Callable[[], int]
    pepper: bytes


class CallServer:
    """All calls of one media process.

    Args:
        waiting: what is kept for calls before and while they live.
        news: told what happens to calls.
    """

    def __init__(
        self,
        stores: CallStores,
        factory: CallFactory,
        facts: ProcessFacts,
        clock: Clock,
        waiting: Waiting | None = None,
        news: CallNews | None = None,
    ) -> None:
        self._waiting = waiting
        self._news = news or NoNews()
        self._stores = stores
        self._factory = factory
        self._facts = facts
        self._clock = clock
        self._bridges: dict[str, Bridge] = {}
        self.orphans = 0
        """Calls of dead processes of which the ledger told at the last heartbeat."""
        self._early_lines: dict[str, list[LineOrder]] = {}
        self._unarchived: dict[str, tuple[Sequence[JournalEntry], datetime, EndReason]] = {}
        self._beating = asyncio.Lock()
        self.occupancy = Occupancy(clock)
        self.draining = False
        self.yields = False
        """Whether the ledger is to place calls elsewhere as long as there is room."""
        self._expecting = True

    @property
    def active(self) -> int:
        """How many calls live here, relayed sockets included."""
        return self.occupancy.sockets

    @property
    def slots(self) -> int:
        """How many calls can be carried here now, the living ones included."""
        return self._facts.slots()

    async def run_call(self, socket: Socket, admission: Admission) -> None:
        """Carry one call to its end; returns when its record is archived. Cancelling ends the call as ``draining_forced``."""
        call_id = admission.entry.call_id
        with self.occupancy.living(call_id), context.working_for(tenant_id=admission.config.tenant_id, call_id=call_id):
            try:
                await self._run(socket, admission)
            finally:
                self._bridges.pop(call_id, None)
                self._early_lines.pop(call_id, None)
                self._forget(call_id)

    async def run_relayed(self, socket: Socket, line: Line) -> None:
        """Pass a socket on to the process that carries its call; it counts as a call that lives here, also for ``drain``."""
        call_id = line.elsewhere.call_id
        with self.occupancy.relayed(call_id), context.working_for(tenant_id=line.elsewhere.tenant_id, call_id=call_id):
            _log.info("socket relayed")
            try:
                await pass_through(line, socket)
            except asyncio.CancelledError:
                self._news.relay_cut()
                raise

    async def never_connected(self, admission: Admission) -> None:
        """The ticket was burnt and then the handshake failed: record it and give the seat back."""
        opened = self._opened(admission)
        self._forget(opened.call_id)
        await self._settle(_ref(opened), never_began(opened, SocketClosed(clean=False), self._clock.now()), EndReason.CALLER_LOST)

    def _forget(self, call_id: str) -> None:
        if self._waiting is not None:
            self._waiting.forget(call_id)

    async def _run(self, socket: Socket, admission: Admission) -> None:
        opened = self._opened(admission)
        _log.info("call opened")
        self._news.began()
        await self._begin_journal(opened)
        try:
            entries = await self._carry(socket, admission, opened)
        except asyncio.CancelledError:
            entries = cut_off(opened, self._clock.now())
            await _close(socket, "draining")
        except (SocketClosed, NexusError) as error:
            entries = never_began(opened, error, self._clock.now())
            await _close(socket, error.code if isinstance(error, NexusError) else "internal_error")
        except (
            Exception
        ) as error:  # the supervised border of a call: whatever its wiring does, there is a record and the seat is given back
            _log.exception("the call could not be wired")
            entries = never_began(opened, error, self._clock.now())
            await _close(socket, "internal_error")
        ended = entries[-1]
        reason = ended.reason if isinstance(ended, Ended) else EndReason.INTERNAL_ERROR
        await self._settle(_ref(opened), entries, reason)
        _log.info("call ended: %s", reason.value)

    async def _carry(self, socket: Socket, admission: Admission, opened: Opened) -> Sequence[JournalEntry]:
        transport, greeting = await self._factory.transport(socket, admission)
        await transport.open(greeting)
        bridge = await self._factory.bridge(transport, admission, opened)
        self._bridges[opened.call_id] = bridge
        for line in self._early_lines.pop(opened.call_id, ()):
            bridge.order_line(line)
        return await bridge.run()

    async def _begin_journal(self, opened: Opened) -> None:
        """From here on a killed process leaves a trace. The bridge writes the entry again with its own; the recorder takes the first."""
        try:
            await self._stores.journal.append(opened.call_id, (opened,))
        except StoreError as error:
            _log.error("journal not begun: %s", error)

    def _opened(self, admission: Admission) -> Opened:
        order = admission.entry.order
        return Opened(
            call_id=admission.entry.call_id,
            tenant_id=order.tenant_id,
            config_hash=admission.config.config_hash,
            config_version=admission.config_version,
            engine=self._facts.engine,
            voice_id=admission.config.voice_settings.voice_id,
            created_at=admission.entry.created_at,
            connected_at=self._clock.now(),
            caller=CallerTrace.of(order.caller.phone, self._facts.pepper),
            caller_phone=order.caller.phone,
            metadata=order.metadata,
            retention_days=admission.config.recording.retention_days,
            test=order.test,
            recorded=self._stores.recordings is not None and for_order(admission.config, order).recording.enabled,
        )

    # --- the end ---

    async def _settle(self, which: CallRef, entries: Sequence[JournalEntry], reason: EndReason) -> None:
        now = self._clock.now()
        entries = await self._with_recording(which.call_id, entries, now, reason)
        if not await self._archive(which.call_id, entries, now, reason):
            self._unarchived[which.call_id] = (entries, now, reason)
        ended_here = True
        try:
            ended_here = await self._stores.ledger.release(which.tenant_id, which.call_id, reason, now)
        except StoreError as error:
            _log.error("seat not given back, its lease will: %s", error)
            ended_here = reason is not EndReason.LOST  # a lost call is told of again, until somebody has released it
        if ended_here:
            self._news.ended(which, entries, reason)

    async def _with_recording(
        self, call_id: str, entries: Sequence[JournalEntry], now: datetime, reason: EndReason
    ) -> Sequence[JournalEntry]:
        """The journal with what became of the call's sound."""
        opened = next((entry for entry in entries if isinstance(entry, Opened)), None)
        settled = any(isinstance(entry, RecordingNoted) for entry in entries)
        if self._stores.recordings is None or opened is None or not opened.recorded or settled:
            return entries
        within_s = _RESCUE_S if reason is EndReason.LOST else _STORE_S
        noted = RecordingNoted(trace=await self._stores.recordings.settle(opened, now, reason, within_s=within_s))
        try:
            await self._stores.journal.append(call_id, (noted,))
        except StoreError as error:
            _log.error("journal not written: %s", error)
        return (*entries, noted)

    async def _archive(self, call_id: str, entries: Sequence[JournalEntry], ended_at: datetime, reason: EndReason) -> bool:
        folded = recorder.fold(entries)
        if folded is None:
            return True
        record, private = recorder.record(folded, ended_at=ended_at, default_reason=reason)
        try:
            await self._stores.archive.put(record, private)
            await self._stores.journal.discard(call_id)
            if self._stores.recordings is not None:
                await self._stores.recordings.forget(call_id)
        except StoreError as error:
            _log.error("session not archived yet, it stays in the journal and is tried again: %s", error)
            return False
        return True

    # --- heartbeat, recovery, drain ---

    async def beat(self) -> None:
        """Heartbeat until cancelled: keep the slots, end what is asked to end, record the calls of dead processes, retry the archive."""
        while True:
            try:
                await self.beat_once()
            except StoreError as error:
                _log.error("heartbeat failed: %s", error)
                self._news.heartbeat_failed()
            await self._clock.sleep_ms(HEARTBEAT_S * 1000)

    async def beat_once(self) -> None:
        """One heartbeat, after any that is under way: what was said last is what the ledger knows. Raises StoreError."""
        async with self._beating:
            orders = await self._stores.ledger.heartbeat(
                MediaProcess(
                    process_id=self._facts.process_id,
                    url=self._facts.url,
                    engine=self._facts.engine,
                    slots=self._facts.slots(),
                    draining=self.draining,
                    yields=self.yields,
                    seen_at=self._clock.now(),
                )
            )
        self.occupancy.leases(orders.ready)
        if self._waiting is not None:
            self._waiting.tend(orders.ready if self._expecting else ())
        for call_id in orders.to_end:
            bridge = self._bridges.get(call_id)
            if bridge is not None:
                bridge.order_end(EndReason.TENANT_ENDED)
        self._hand_over(orders.lines)
        self.orphans = len(orders.orphaned)
        for which in orders.orphaned:
            await self._recover(which)
        for call_id, (entries, ended_at, reason) in [*self._unarchived.items()]:
            if await self._archive(call_id, entries, ended_at, reason):
                del self._unarchived[call_id]

    def _hand_over(self, lines: Iterable[CallLinesTaken]) -> None:
        """Give lines to their calls; one whose wiring is not ready yet gets them when it is."""
        for taken in lines:
            bridge = self._bridges.get(taken.call_id)
            if bridge is not None:
                for line in taken.lines:
                    bridge.order_line(line)
            elif self.occupancy.lives_here(taken.call_id):
                self._early_lines.setdefault(taken.call_id, []).extend(taken.lines)

    async def recover_journals(self) -> None:
        """Archive what an earlier life of this machine ended and could not archive (the disk was full). Calls whose process died without
        ending them come by the heartbeat."""
        for call_id in await self._stores.journal.open_calls():
            entries = await self._stores.journal.read(call_id)
            reason = await self._ended_reason(entries)
            if reason is not None and not self.occupancy.lives_here(call_id):
                now = self._clock.now()
                await self._archive(call_id, await self._with_recording(call_id, entries, now, reason), now, reason)

    async def _ended_reason(self, entries: Sequence[JournalEntry]) -> EndReason | None:
        """Why the journalled call ended, by its last entry or else by the ledger; None while it lives."""
        if entries and isinstance(entries[-1], Ended):
            return entries[-1].reason
        opened = next((entry for entry in entries if isinstance(entry, Opened)), None)
        if opened is None:
            return None
        try:
            entry = await self._stores.ledger.get(opened.tenant_id, opened.call_id)
        except NotFound:
            return EndReason.LOST
        return (entry.end_reason or EndReason.LOST) if entry.state == "ended" else None

    async def _recover(self, which: CallRef) -> None:
        """The process that held the call is dead: what it journalled becomes the record, ended as ``lost``."""
        entries = await self._stores.journal.read(which.call_id)
        _log.warning("recording a call whose process died: %s", which.call_id)
        await self._settle(which, entries, EndReason.LOST)

    async def drain(self, within_s: float) -> None:
        """Take no more calls; wait for those that live; after ``within_s`` end them as ``draining_forced``."""
        await self.empty(DrainTerms(within_s))

    async def empty(self, terms: DrainTerms) -> None:
        """Take no more calls, tell the ledger so, wait until nobody is here; what outlives the terms is ended as ``draining_forced``."""
        self.draining, self._expecting = True, terms.leases
        emptied = asyncio.create_task(self._emptied(terms), name="draining")
        try:
            await asyncio.wait([emptied], timeout=max(0.0, terms.within_s - terms.farewell_s))
            if not emptied.done() and terms.farewell_s:
                _log.warning("the drain's limit comes near: %s sockets still live", self.active)
                for bridge in [*self._bridges.values()]:
                    bridge.order_end(EndReason.DRAINING_FORCED, farewell=True)
                await asyncio.wait([emptied], timeout=terms.farewell_s)
        finally:
            emptied.cancel()
            await asyncio.wait([emptied])
        tasks = self.occupancy.tasks
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CUT_S)

    async def _emptied(self, terms: DrainTerms) -> None:
        try:
            await self.beat_once()
        except StoreError as error:  # the next heartbeat tells it
            _log.error("heartbeat failed: %s", error)
        begun_s = time.monotonic()
        while True:
            change = self.occupancy.next_change
            here = self.occupancy.busy if terms.leases else self.occupancy.served
            if not here and time.monotonic() - begun_s >= terms.linger_s:
                return
            await seen(change, _LOOK_EVERY_S)


def _ref(opened: Opened) -> CallRef:
    return CallRef(opened.tenant_id, opened.call_id)


async def _close(socket: Socket, code: str) -> None:
    try:
        async with asyncio.timeout(3):
            await socket.close(CLOSE_CODE.get(code, 1011), code)
    except (SocketClosed, TimeoutError):
        return
