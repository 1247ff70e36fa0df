"""Keeps one engine under the call: connects with time-out and retries, falls back to text, returns to voice when it can."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from media_plane.conversation.commands import CallerAudio, EngineInput
from media_plane.conversation.events import EngineEvent, EngineFailed, EngineReady
from media_plane.ports import CallBrief, VoiceEngine
from nexus.clock import Clock
from nexus.errors import NexusError

_log = logging.getLogger("nexus.engine_line")
_MAX_WAITING_INPUTS = 500
"""Ten seconds of audio frames; beyond it the oldest audio is dropped, never a turn or an answer."""


@dataclass(frozen=True, slots=True)
class LinePolicy:
    """Times are milliseconds. ``return_interval_ms``: how often a lost voice engine is tried again."""

    connect_timeout_ms: float = 10_000.0
    attempts: int = 3
    retry_delay_ms: float = 2_000.0
    return_interval_ms: float = 5_000.0


@dataclass(frozen=True, slots=True)
class EngineMakers:
    """How to make a fresh engine: the one with a voice, and the text-only one that takes over."""

    voice: Callable[[], VoiceEngine]
    text: Callable[[], VoiceEngine]


class EngineLine:
    """One call's engine, whichever it is at the moment."""

    def __init__(self, makers: EngineMakers, policy: LinePolicy, clock: Clock) -> None:
        self._makers = makers
        self._policy = policy
        self._clock = clock
        self._inbox: deque[EngineInput] = deque()
        self._arrived = asyncio.Event()
        self._abandoned: asyncio.Future[EngineFailed] | None = None
        self._generation = 0
        self.dropped_ms = 0.0

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

    async def run(self, brief: Callable[[str], CallBrief], feed: Callable[[EngineEvent | EngineReady], None]) -> None:
        """Serve until cancelled; cancellation closes the engine.

        Args:
            brief: makes what a fresh engine must know, for the given item prefix.
            feed: takes every event, in order.
        """
        engine, reason = await self._first(brief)
        while True:
            self._inbox.clear()
            try:
                traits = engine.traits
                feed(EngineReady(engine=traits.name, voice=traits.voice, own_turns=traits.own_turns, reason=reason))
                outcome = await self._serve(engine, brief, feed)
            finally:
                await _close(engine)
            engine, reason = await self._next(outcome, brief)

    async def _first(self, brief: Callable[[str], CallBrief]) -> tuple[VoiceEngine, str]:
        reason = "engine_unreachable"
        for attempt in range(self._policy.attempts):
            if attempt:
                await self._clock.sleep_ms(self._policy.retry_delay_ms)
            engine = await self._connect(self._makers.voice, brief)
            if engine is not None:
                return engine, ""
        return await self._text(brief), reason

    async def _text(self, brief: Callable[[str], CallBrief]) -> VoiceEngine:
        engine = self._makers.text()
        self._generation += 1
        try:
            await engine.start(brief(f"e{self._generation}"))
        except BaseException:  # also cancellation: whatever stops the start, the engine is let go
            await _close(engine)
            raise
        return engine

    async def _connect(self, make: Callable[[], VoiceEngine], brief: Callable[[str], CallBrief]) -> VoiceEngine | None:
        engine: VoiceEngine | None = None
        try:
            engine = make()
            self._generation += 1
            async with asyncio.timeout(self._policy.connect_timeout_ms / 1000.0 / self._clock.speed):
                await engine.start(brief(f"e{self._generation}"))
        except (NexusError, TimeoutError, OSError) as error:
            _log.warning("engine did not connect: %s", error)
            if engine is not None:
                await _close(engine)
            return None
        except asyncio.CancelledError:
            if engine is not None:
                await _close(engine)
            raise
        return engine

    async def _serve(
        self, engine: VoiceEngine, brief: Callable[[str], CallBrief], feed: Callable[[EngineEvent | EngineReady], None]
    ) -> EngineFailed | VoiceEngine:
        """Run one engine until it fails or a better one is there: its failure, or the better one."""
        abandoned: asyncio.Future[EngineFailed] = asyncio.get_running_loop().create_future()
        self._abandoned = abandoned
        works: list[asyncio.Task[EngineFailed | VoiceEngine]] = []
        outcome: EngineFailed | VoiceEngine | None = None
        try:
            async with asyncio.TaskGroup() as group:
                works.append(group.create_task(self._pump_inputs(engine)))
                works.append(group.create_task(self._pump_events(engine, feed)))
                if not engine.traits.voice:
                    works.append(group.create_task(self._return_to_voice(brief)))
                outcome = await _first_of(works, abandoned)
                for work in works:
                    work.cancel()
        finally:
            for work in works:
                await _close_unless(outcome, work)
        if abandoned.done() and isinstance(outcome, EngineFailed):
            feed(outcome)
        return outcome

    async def _next(self, outcome: EngineFailed | VoiceEngine, brief: Callable[[str], CallBrief]) -> tuple[VoiceEngine, str]:
        if not isinstance(outcome, EngineFailed):
            return outcome, "engine_returned"
        _log.warning("engine lost: %s %s", outcome.code, outcome.message)
        return await self._text(brief), outcome.code

    async def _pump_inputs(self, engine: VoiceEngine) -> EngineFailed | VoiceEngine:
        while True:
            while self._inbox:
                try:
                    await engine.send(self._inbox.popleft())
                except (NexusError, OSError) as error:
                    return EngineFailed("engine_lost", str(error))
            self._arrived.clear()
            await self._arrived.wait()

    async def _pump_events(self, engine: VoiceEngine, feed: Callable[[EngineEvent | EngineReady], None]) -> EngineFailed | VoiceEngine:
        async for event in engine.events():
            feed(event)
            if isinstance(event, EngineFailed):
                return event
        return EngineFailed("engine_lost", "The engine closed without being asked.")

    async def _return_to_voice(self, brief: Callable[[str], CallBrief]) -> EngineFailed | VoiceEngine:
        while True:
            await self._clock.sleep_ms(self._policy.return_interval_ms)
            engine = await self._connect(self._makers.voice, brief)
            if engine is not None:
                return engine

    def _drop_oldest_audio(self) -> None:
        for index, value in enumerate(self._inbox):
            if isinstance(value, CallerAudio):
                del self._inbox[index]
                self.dropped_ms += value.frame.duration_ms
                return


async def _first_of(
    works: list[asyncio.Task[EngineFailed | VoiceEngine]], abandoned: asyncio.Future[EngineFailed]
) -> EngineFailed | VoiceEngine:
    waited: list[asyncio.Future[EngineFailed] | asyncio.Task[EngineFailed | VoiceEngine]] = [*works, abandoned]
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    return abandoned.result() if abandoned.done() else next(work for work in works if work.done()).result()


async def _close_unless(outcome: EngineFailed | VoiceEngine | None, work: asyncio.Task[EngineFailed | VoiceEngine]) -> None:
    """A voice engine that came back at the moment another outcome (or the end of the call) won is let go."""
    other = None if work.cancelled() or work.exception() is not None else work.result()
    if other is not None and not isinstance(other, EngineFailed) and other is not outcome:
        await _close(other)


async def _close(engine: VoiceEngine) -> None:
    try:
        async with asyncio.timeout(5):
            await engine.close()
    except (NexusError, OSError, TimeoutError) as error:
        _log.warning("engine did not close cleanly: %s", error)
