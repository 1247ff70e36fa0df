"""Keeps one engine under the call: the tenant's engines in their order, text when none of them serves, and voice again when one can."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from media_plane.conversation.commands import CallerAudio, EngineInput
from media_plane.conversation.events import EngineEvent, EngineFailed, EngineNotice, EngineReady
from media_plane.ports.engine import CallBrief, VoiceEngine
from nexus.clock import Clock
from nexus.errors import ConfigurationError, NexusError, QuotaExceeded

_log = logging.getLogger("nexus.engine_line")
_MAX_WAITING_INPUTS = 500
"""Ten seconds of audio frames; beyond it the oldest audio is dropped, never a turn or an answer."""
_CLOSE_S = 5.0

Brief = Callable[[str], CallBrief]
Feed = Callable[[EngineEvent | EngineReady], None]


@dataclass(frozen=True, slots=True)
class LinePolicy:
    """Times are milliseconds. ``attempts``: for the first engine when the call begins; every other start has one. ``connect_timeout_ms``:
    of an engine whose maker names none. ``return_interval_ms``: how often the voice engines are tried again from text."""

    connect_timeout_ms: float = 10_000.0
    attempts: int = 3
    retry_delay_ms: float = 2_000.0
    return_interval_ms: float = 5_000.0


@dataclass(frozen=True, slots=True)
class EngineMaker:
    """How to make a fresh engine, and how long its start may take (None: as the policy says)."""

    make: Callable[[], VoiceEngine]
    connect_timeout_ms: float | None = None


@dataclass(frozen=True, slots=True)
class EngineMakers:
    """The engines with a voice, in the order in which they are to carry the call, and the text-only one behind them."""

    voices: tuple[EngineMaker, ...]
    text: Callable[[], VoiceEngine]


@dataclass(frozen=True, slots=True)
class _Taken:
    """An engine that has started. ``place``: of its maker among the voices (their number, for text); ``reason``: why it took over;
    ``known_outcomes``: of tools, in its brief."""

    engine: VoiceEngine
    place: int
    reason: str
    known_outcomes: int


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why an engine did not start. ``hopeless``: being tried again at once cannot mend it."""

    code: str
    message: str
    hopeless: bool = False


class EngineLine:
    """One call's engine, whichever it is at the moment.

    An engine that fails is followed by the next of the list, never by an earlier one: a voice that changes back in the middle of a call
    would be a second disturbance for nothing, and the engine that failed a moment ago is the likeliest to fail again. Only from text,
    where anything with a voice is better, is the list tried anew from its beginning.
    """

    def __init__(self, makers: EngineMakers, policy: LinePolicy, clock: Clock) -> None:
        self._makers = makers
        self._policy = policy
        self._clock = clock
        self._inbox: deque[EngineInput] = deque()
        self._arrived = asyncio.Event()
        self._abandoned: asyncio.Future[EngineFailed] | None = None
        self._generation = 0
        self._closing: set[asyncio.Task[None]] = set()
        self.dropped_ms = 0.0
        """Caller audio that no engine was given: none was ready, or it did not take it."""

    def send(self, value: EngineInput) -> None:
        """Hand over one input, in order; never waits. When the engine takes nothing, the oldest caller audio is dropped."""
        if len(self._inbox) >= _MAX_WAITING_INPUTS:
            self._drop_oldest_audio()
        self._inbox.append(value)
        self._arrived.set()

    def abandon(self, code: str, message: str) -> None:
        """Treat the present engine as failed."""
        if self._abandoned is not None and not self._abandoned.done():
            self._abandoned.set_result(EngineFailed(code, message))

    async def run(self, brief: Brief, feed: Feed) -> None:
        """Serve until cancelled; cancellation closes the engine.

        Args:
            brief: makes what a fresh engine must know, for the given item prefix.
            feed: takes every event, in order.
        """
        try:
            taken = await self._start_from(0, "", brief, feed, attempts=self._policy.attempts)
            while True:
                taken = await self._carry(taken, brief, feed)
        finally:
            if self._closing:
                await asyncio.wait(self._closing)

    async def _carry(self, taken: _Taken, brief: Brief, feed: Feed) -> _Taken:
        """Let one engine carry the call; the one that follows it."""
        self._forget_inputs()
        try:
            traits = taken.engine.traits
            feed(EngineReady(traits.name, traits.voice, traits.own_turns, taken.reason, taken.known_outcomes))
            outcome = await self._serve(taken, brief, feed)
        except BaseException:  # also cancellation: whatever ends the call, its engine is let go
            await _close(taken.engine)
            raise
        self._close_aside(taken.engine)
        if isinstance(outcome, _Taken):
            return outcome
        _log.warning("engine lost: %s %s", outcome.code, outcome.message)
        if not taken.engine.traits.voice:
            await self._clock.sleep_ms(self._policy.retry_delay_ms)  # text is the last: it is tried again, but not in a hot loop
        return await self._start_from(taken.place + 1, outcome.code, brief, feed)

    # --- starting ------------------------------------------------------------------------------------------------------------

    async def _start_from(self, place: int, reason: str, brief: Brief, feed: Feed, attempts: int = 1) -> _Taken:
        """The first engine of the list from ``place`` on that starts, else text. Each that does not goes on record."""
        for number in range(place, len(self._makers.voices)):
            started = await self._start_patiently(number, reason, brief, attempts)
            if isinstance(started, _Taken):
                return started
            feed(EngineNotice(started.code, "engine", started.message))
            reason, attempts = reason or started.code, 1
        return await self._text(brief, reason or "as_configured")

    async def _start_patiently(self, place: int, reason: str, brief: Brief, attempts: int) -> _Taken | _Refused:
        started = await self._start(place, reason, brief)
        for _ in range(attempts - 1):
            if isinstance(started, _Taken) or started.hopeless:
                break
            await self._clock.sleep_ms(self._policy.retry_delay_ms)
            started = await self._start(place, reason, brief)
        return started

    async def _start(self, place: int, reason: str, brief: Brief) -> _Taken | _Refused:
        """A started engine of this place in the list, or why there is none."""
        engine: VoiceEngine | None = None
        maker = self._makers.voices[place]
        limit_ms = self._policy.connect_timeout_ms if maker.connect_timeout_ms is None else maker.connect_timeout_ms
        try:
            engine = maker.make()
            told = self._next_brief(brief)
            async with asyncio.timeout(limit_ms / 1000.0 / self._clock.speed):
                await engine.start(told)
        except asyncio.CancelledError:
            if engine is not None:
                await _close(engine)
            raise
        except Exception as error:  # the supervised border of an engine: whatever is wrong with it, the next one takes the call
            _log.warning("engine did not start: %s", error, exc_info=not _is_expected(error))
            if engine is not None:
                self._close_aside(engine)
            return _refusal(error)
        return _Taken(engine, place, reason, len(told.outcomes))

    def _next_brief(self, brief: Brief) -> CallBrief:
        self._generation += 1
        return brief(f"e{self._generation}")

    async def _text(self, brief: Brief, reason: str) -> _Taken:
        engine = self._makers.text()
        told = self._next_brief(brief)
        try:
            await engine.start(told)
        except BaseException:  # also cancellation: whatever stops the start, the engine is let go
            await _close(engine)
            raise
        return _Taken(engine, len(self._makers.voices), reason, len(told.outcomes))

    # --- serving -------------------------------------------------------------------------------------------------------------

    async def _serve(self, taken: _Taken, brief: Brief, feed: Feed) -> EngineFailed | _Taken:
        """Run one engine until it fails or a better one is there: its failure (which is fed, once), or the better one."""
        abandoned: asyncio.Future[EngineFailed] = asyncio.get_running_loop().create_future()
        self._abandoned = abandoned
        works: list[asyncio.Task[EngineFailed | _Taken]] = []
        outcome: EngineFailed | _Taken | None = None
        try:
            async with asyncio.TaskGroup() as group:
                works.append(group.create_task(self._pump_inputs(taken.engine)))
                works.append(group.create_task(self._pump_events(taken.engine, feed)))
                if not taken.engine.traits.voice:
                    works.append(group.create_task(self._return_to_voice(brief)))
                outcome = await _first_of(works, abandoned)
                for work in works:
                    work.cancel()
        finally:
            for work in works:
                await _close_unless(outcome, work)
        if isinstance(outcome, EngineFailed):
            feed(outcome)
        return outcome

    async def _pump_inputs(self, engine: VoiceEngine) -> EngineFailed | _Taken:
        while True:
            while self._inbox:
                try:
                    await engine.send(self._inbox.popleft())
                except Exception as error:  # the supervised border of an engine
                    return _failure(error)
            self._arrived.clear()
            await self._arrived.wait()

    async def _pump_events(self, engine: VoiceEngine, feed: Feed) -> EngineFailed | _Taken:
        events = aiter(engine.events())
        while True:
            try:
                event = await anext(events)
            except StopAsyncIteration:
                return EngineFailed("engine_lost", "The engine closed without being asked.")
            except Exception as error:  # the supervised border of an engine; what ``feed`` raises is not the engine's fault
                return _failure(error)
            if isinstance(event, EngineFailed):
                return event
            feed(event)

    async def _return_to_voice(self, brief: Brief) -> EngineFailed | _Taken:
        while True:
            await self._clock.sleep_ms(self._policy.return_interval_ms)
            for place in range(len(self._makers.voices)):
                started = await self._start(place, "engine_returned", brief)
                if isinstance(started, _Taken):
                    return started

    # --- inputs and ends -----------------------------------------------------------------------------------------------------

    def _forget_inputs(self) -> None:
        """What was sent while no engine was ready: old audio would put a model that is clocked by it behind for the rest of the call, and
        what is still to be answered is asked anew."""
        self.dropped_ms += sum(value.frame.duration_ms for value in self._inbox if isinstance(value, CallerAudio))
        self._inbox.clear()

    def _drop_oldest_audio(self) -> None:
        for index, value in enumerate(self._inbox):
            if isinstance(value, CallerAudio):
                del self._inbox[index]
                self.dropped_ms += value.frame.duration_ms
                return

    def _close_aside(self, engine: VoiceEngine) -> None:
        """Let go of an engine while the call goes on: the caller does not wait for the goodbyes of a dead connection."""
        task = asyncio.get_running_loop().create_task(_close(engine))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _failure(error: Exception) -> EngineFailed:
    """Whatever an engine raises is its failure, not the call's."""
    if not _is_expected(error):
        _log.error("the engine failed inside", exc_info=error)
    return EngineFailed("engine_lost", _public(error))


def _refusal(error: Exception) -> _Refused:
    """What an engine's failed start is on record: its own code, and words that hold no secret."""
    if isinstance(error, NexusError):
        return _Refused(error.code, _public(error), hopeless=isinstance(error, QuotaExceeded | ConfigurationError))
    return _Refused("engine_unreachable", "It did not start in time." if isinstance(error, TimeoutError) else _public(error))


def _public(error: Exception) -> str:
    """Only our own errors know which of their words anybody may read."""
    return error.public_message if isinstance(error, NexusError) else "The engine failed inside; the log names the fault."


def _is_expected(error: Exception) -> bool:
    return isinstance(error, NexusError | OSError | TimeoutError)


async def _first_of(works: list[asyncio.Task[EngineFailed | _Taken]], abandoned: asyncio.Future[EngineFailed]) -> EngineFailed | _Taken:
    waited: list[asyncio.Future[EngineFailed] | asyncio.Task[EngineFailed | _Taken]] = [*works, abandoned]
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    return abandoned.result() if abandoned.done() else next(work for work in works if work.done()).result()


async def _close_unless(outcome: EngineFailed | _Taken | None, work: asyncio.Task[EngineFailed | _Taken]) -> None:
    """A voice engine that came back at the moment another outcome (or the end of the call) won is let go."""
    other = None if work.cancelled() or work.exception() is not None else work.result()
    if isinstance(other, _Taken) and other is not outcome:
        await _close(other.engine)


async def _close(engine: VoiceEngine) -> None:
    try:
        async with asyncio.timeout(_CLOSE_S):
            await engine.close()
    except Exception as error:  # the supervised border of an engine: it is let go, whatever it says to that
        _log.warning("engine did not close cleanly: %s", error, exc_info=not _is_expected(error))
