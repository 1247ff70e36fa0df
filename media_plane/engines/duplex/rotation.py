"""Keeps one living session of a full-duplex model under a call: first connection, moves to fresh sessions, replacement of a lost one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal

from media_plane.conversation.commands import CallerAudio
from media_plane.engines.duplex import rotation_rules as rules
from media_plane.engines.duplex.line import BriefMaker
from media_plane.engines.duplex.mailbox import Mailbox
from media_plane.engines.duplex.rotation_rules import Action, Moment, RotationPolicy
from media_plane.engines.duplex.session import Session
from media_plane.ports.speech_line import EngineSlots, LineEvent, LineGap, LineLost, LineNotice, LineRotated, ModelAudio, SpeechLine
from nexus.clock import Clock
from nexus.errors import NexusError, QuotaExceeded, UpstreamError

_log = logging.getLogger("nexus.rotation")
_TICK_MS = 100.0
_MOVING_TICK_MS = 20.0
_SETTLED_MS = 60_000.0
_Reason = Literal["window", "facts", "lost"]


@dataclass(slots=True)
class _Move:
    """A switch whose first audio has not come yet; ``held`` is what came before it."""

    last_input_ms: float
    reason: _Reason
    held: list[LineEvent] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Loss:
    at_ms: float
    event: LineLost


class _Works:
    """The tasks of one line's life, all in its group."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self) -> None:
        for task in [*self._tasks]:
            task.cancel()


class RotatingLine:
    """Implements ``ModelLine`` for one call.

    Args:
        slots: gives the processes.
        make_line: makes the line to the process at an address.
        policy: times and attempts.
        clock: every wait goes by it.
        call_id: for whom slots are taken.
    """

    def __init__(
        self, slots: EngineSlots, make_line: Callable[[str], SpeechLine], policy: RotationPolicy, clock: Clock, call_id: str
    ) -> None:
        self._slots = slots
        self._make_line = make_line
        self._policy = policy
        self._clock = clock
        self._call_id = call_id
        self._brief: BriefMaker | None = None
        self._session: Session | None = None
        self._spare: Session | None = None
        self._move: _Move | None = None
        self._loss: _Loss | None = None
        self._reason: _Reason = "window"
        self._reconnects = policy.reconnects
        self._refresh = False
        self._quiet_since_ms: float | None = clock.monotonic_ms()
        self._try_at_ms = 0.0
        self._notice_at_ms = float("-inf")
        self._mailbox = Mailbox()
        self._wake = asyncio.Event()
        self._owner: asyncio.Task[None] | None = None
        self._feeding: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()

    # --- ModelLine ---

    async def open(self, brief: BriefMaker) -> None:
        """Open the first session; returns when the model listens.

        Args:
            brief: what a session of a generation is told, asked again for each.

        Raises:
            QuotaExceeded: ``no_engine_slot``.
            UpstreamError: ``engine_unreachable`` after every attempt.
        """
        self._brief = brief
        until_ms = self._clock.monotonic_ms() + self._policy.connect_timeout_ms
        fault: UpstreamError | QuotaExceeded | None = None
        for attempt in range(1, self._policy.attempts + 1):
            try:
                first = await self._first(brief, until_ms - self._clock.monotonic_ms())
                break
            except (UpstreamError, QuotaExceeded) as error:
                _log.warning("model session not opened, attempt %s: %s", attempt, error)
                if fault is None or isinstance(error, UpstreamError):
                    fault = error  # why a process failed says more than that it is not free again yet
                late = self._clock.monotonic_ms() + self._policy.retry_delay_ms >= until_ms
                if late or attempt == self._policy.attempts or isinstance(fault, QuotaExceeded):
                    raise fault from error.__cause__
            await self._clock.sleep_ms(self._policy.retry_delay_ms)
        self._session = first
        self._owner = asyncio.create_task(self._live(first), name="rotating line")

    def send(self, audio: CallerAudio) -> None:
        """See ``ModelLine.send``. While a lost session is being replaced, audio is lost with it."""
        if self._session is not None and self._loss is None:
            self._session.send(audio)

    def busy(self, is_busy: bool) -> None:
        """See ``ModelLine.busy``."""
        if is_busy:
            self._quiet_since_ms = None
        elif self._quiet_since_ms is None:
            self._quiet_since_ms = self._clock.monotonic_ms()

    def refresh(self) -> None:
        """See ``ModelLine.refresh``."""
        self._refresh = True

    def events(self) -> AsyncIterator[LineEvent]:
        """See ``ModelLine.events``."""
        return self._mailbox.events()

    async def close(self) -> None:
        """Close every session and give every slot back, within ``close_within_s``; again is silent. Cancelled, it goes on by itself."""
        owner, self._owner = self._owner, None
        try:
            if owner is not None:
                owner.cancel()
                await asyncio.wait([owner])
        finally:
            self._retire_all()
            self._mailbox.end()
        if self._retiring:
            await asyncio.wait([*self._retiring])

    # --- sessions ---

    async def _first(self, brief: BriefMaker, within_ms: float) -> Session:
        session = self._new_session(1, "call")
        try:
            await session.open(brief(1), within_ms)
        except BaseException:  # also cancellation: whatever stops the opening, the slot goes back
            self._retire(session, failed=True)
            raise
        return session

    def _new_session(self, generation: int, use: Literal["call", "rotation"]) -> Session:
        lease = self._slots.take(self._call_id, use)
        try:
            return Session(generation, lease, self._make_line(lease.address), self._clock)
        except BaseException:
            lease.give_back(sound=True)
            raise

    def _retire(self, session: Session, *, failed: bool = False) -> None:
        """Close it in the background, once; ``close`` waits for it."""
        session.failed = session.failed or failed
        if session.retired:
            return
        session.retired = True
        closing = asyncio.create_task(session.close(self._policy.close_within_s), name="closing a model session")
        self._retiring.add(closing)

        def closed(task: asyncio.Task[None]) -> None:
            session.give_back()  # a task that is cancelled before its first step has done nothing
            self._retiring.discard(task)
            self._wake.set()

        closing.add_done_callback(closed)

    def _retire_all(self) -> None:
        for session in (self._session, self._spare):
            if session is not None:
                self._retire(session)
        self._session = self._spare = None

    # --- life ---

    async def _live(self, first: Session) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                works = _Works(group)
                works.begin(self._read(first))
                works.begin(self._beat())
                lost = await self._keep(works)
                works.cancel()
        except BaseExceptionGroup as faults:
            # A supervised border: whatever broke inside one call's line must reach the call as an event, never the process.
            _log.error("line broke", exc_info=faults)
            lost = LineLost("engine_lost", "The line to the model broke; the log names the fault.")
        self._retire_all()
        self._mailbox.end(lost)

    async def _keep(self, works: _Works) -> LineLost:
        """Act when it is time, until the call has to leave this model."""
        while True:
            match rules.decide(self._moment(), self._policy):
                case Action.PRIME:
                    self._prime(works)
                case Action.PRIME_ANEW:
                    self._drop_spare(failed=False)
                case Action.SWITCH:
                    self._switch()
                case Action.GIVE_UP:
                    return self._last_word()
                case Action.WAIT:
                    await self._pause()

    def _moment(self) -> Moment:
        now_ms = self._clock.monotonic_ms()
        spare = self._spare
        return Moment(
            age_ms=0.0 if self._session is None else self._session.age_ms,
            quiet_ms=0.0 if self._quiet_since_ms is None else max(now_ms - self._quiet_since_ms, 0.001),
            spare="none" if spare is None else spare.state,
            spare_age_ms=0.0 if spare is None else now_ms - spare.told_ms,
            spare_stale=self._is_stale(spare),
            refresh=self._refresh,
            may_try=now_ms >= self._try_at_ms and not self._retiring,
            lost_ms=None if self._loss is None else now_ms - self._loss.at_ms,
            reconnects=self._reconnects,
        )

    def _is_stale(self, spare: Session | None) -> bool:
        """Whether the spare was told other words than it would be now."""
        if spare is None or self._brief is None or self._clock.monotonic_ms() - spare.told_ms < rules.STALE_MS:
            return False
        return self._brief(spare.generation) != spare.brief

    async def _pause(self) -> None:
        self._wake.clear()
        await self._wake.wait()

    async def _beat(self) -> None:
        """Time is looked at again and again, more often while a call is about to move."""
        while True:
            await self._clock.sleep_ms(_TICK_MS if self._spare is None else _MOVING_TICK_MS)
            self._wake.set()

    def _last_word(self) -> LineLost:
        if self._loss is not None:
            return self._loss.event
        return LineLost("engine_window_ended", "No process of the model was free to move the call to before the model's memory ended.")

    # --- a fresh session ---

    def _prime(self, works: _Works) -> None:
        """Take a spare process and begin to tell it what matters."""
        if self._session is None or self._brief is None:
            return
        is_due = self._session.age_ms >= self._policy.rotate_after_ms
        self._reason = "window" if is_due else "facts"
        if self._loss is not None:
            self._reconnects -= 1
        try:
            spare = self._new_session(self._session.generation + 1, "rotation")
        except QuotaExceeded:
            self._try_at_ms = self._clock.monotonic_ms() + rules.RETRY_MS
            if is_due:
                self._notice("engine_no_spare", "No process of the model is free to move the call to; it is tried again every second.")
            return
        self._spare = spare
        self._refresh = False
        self._feeding = works.begin(self._warm_up(works, spare, self._brief))

    async def _warm_up(self, works: _Works, spare: Session, brief: BriefMaker) -> None:
        """Open the spare, then keep its time running until the switch cancels this."""
        try:
            await spare.open(brief(spare.generation), self._policy.connect_timeout_ms)
        except NexusError as error:
            _log.warning("spare session not opened: %s", error)
            self._notice(error.code, error.public_message)
            self._drop_spare(failed=True)
            return
        works.begin(self._read(spare))
        self._wake.set()
        await spare.feed_silence()

    def _drop_spare(self, *, failed: bool) -> None:
        if self._spare is None:
            return
        self._retire(self._spare, failed=failed)
        self._spare = None
        self._refresh = self._refresh or self._reason == "facts"
        if failed:
            self._try_at_ms = self._clock.monotonic_ms() + rules.RETRY_MS
        self._stop_feeding()

    def _stop_feeding(self) -> None:
        if self._feeding is not None and self._feeding is not asyncio.current_task():
            self._feeding.cancel()
        self._feeding = None

    def _switch(self) -> None:
        """From this instant the caller is heard by the spare, and nothing that the old session gives counts any more."""
        old, new = self._session, self._spare
        if old is None or new is None:
            return
        self._stop_feeding()
        reason: _Reason = "lost" if self._loss is not None else self._reason
        last_input_ms = old.last_input_ms if self._move is None else self._move.last_input_ms
        self._move = _Move(last_input_ms, reason)
        self._session, self._spare, self._loss = new, None, None
        self._retire(old)

    # --- what the sessions give ---

    async def _read(self, session: Session) -> None:
        async for event in session.line.events():
            self._heard(session, event)
        self._heard(session, LineLost("engine_lost", "The model closed the session without being asked."))

    def _heard(self, session: Session, event: LineEvent) -> None:
        if session is self._spare:
            self._spare_gave(session, event)
        elif session is self._session and self._loss is None:
            self._session_gave(session, event)

    def _spare_gave(self, spare: Session, event: LineEvent) -> None:
        match event:
            case ModelAudio():
                spare.warm = True
            case LineLost(code, message):
                self._notice(code, message)
                self._drop_spare(failed=True)

    def _session_gave(self, session: Session, event: LineEvent) -> None:
        match event:
            case LineLost():
                if session.age_ms >= _SETTLED_MS:
                    self._reconnects = self._policy.reconnects
                self._loss = _Loss(self._clock.monotonic_ms(), event)
                self._retire(session, failed=True)
                self._mailbox.put(LineGap())
                self._wake.set()
            case ModelAudio() if self._move is not None:
                move, self._move = self._move, None
                gap_ms = round(self._clock.monotonic_ms() - move.last_input_ms, 1)
                _log.info("call moved to generation %s: %s, %s ms", session.generation, move.reason, gap_ms)
                for one in (LineRotated(session.generation, gap_ms, move.reason), *move.held, event):
                    self._mailbox.put(one)
            case _ if self._move is not None:
                self._move.held.append(event)
            case _:
                self._mailbox.put(event)

    def _notice(self, code: str, message: str) -> None:
        """Once in a while: what is tried every second need not be said every second."""
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._notice_at_ms >= rules.NOTICE_EVERY_MS:
            self._notice_at_ms = now_ms
            self._mailbox.put(LineNotice(code, message))
