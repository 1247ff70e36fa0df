"""A rotating line over processes made by hand, and a call on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from media_plane.audio import AudioFrame, silence
from media_plane.conversation.commands import CallerAudio
from media_plane.engines.duplex.line import ModelLine
from media_plane.engines.duplex.rotation import RotatingLine
from media_plane.engines.duplex.rotation_rules import RotationPolicy
from media_plane.ports.speech_line import (
    LineEvent,
    ModelBrief,
    Said,
)
from media_plane.slots import SlotPool
from nexus.domain.tenant import TenantConfig
from tests.fakes.running_clock import RunningClock
from tests.fakes.speech_lines import Process, WrittenLine

CONFIG = TenantConfig(tenant_id="shop", system_prompt="Be kind.")
LOUD = CallerAudio(AudioFrame(b"\x10\x10" * 320, 16_000))
QUIET = CallerAudio(silence(20, 16_000))
POLICY = RotationPolicy(
    attempts=2, retry_delay_ms=200, connect_timeout_ms=3_000, rotate_after_ms=4_000, window_ms=9_000, reconnects=1, move_within_ms=3_000
)


@dataclass
class Bench:
    """A rotating line over processes made by hand; ``got`` is what it gave."""

    count: int = 2
    spares: int = 1
    policy: RotationPolicy = POLICY
    facts: tuple[str, ...] = ()
    said: list[Said] = field(default_factory=list)
    got: list[LineEvent] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.clock = RunningClock()
        self.processes = {f"ws://p{number}": Process(f"ws://p{number}", self.clock) for number in range(self.count)}
        self.pool = SlotPool([*self.processes], self.spares, self.clock, self.lives)
        self.made: list[WrittenLine] = []
        self.line: ModelLine = RotatingLine(self.pool, self.make, self.policy, self.clock, "call_1")

    async def lives(self, _address: str) -> bool:
        return True

    def make(self, address: str) -> WrittenLine:
        self.made.append(self.processes[address].line())
        return self.made[-1]

    def brief(self, generation: int) -> ModelBrief:
        self.asked.append(generation)
        return ModelBrief("call_1", generation, CONFIG, self.facts, tuple(self.said))

    @property
    def process(self) -> list[Process]:
        return list(self.processes.values())

    async def collect(self) -> None:
        async for event in self.line.events():
            self.got.append(event)
            self.arrived.set()
        self.ended.set()
        self.arrived.set()

    async def caller(self, audio: CallerAudio = LOUD) -> None:
        due_ms = self.clock.monotonic_ms()
        while True:
            self.line.send(audio)
            due_ms += 20
            await self.clock.sleep_ms(due_ms - self.clock.monotonic_ms())

    async def probe(self) -> None:
        """What ``SlotPool.run`` does, by this bench's clock alone."""
        while True:
            await self.clock.sleep_ms(100)
            await self.pool.check_all()

    def all(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.got if isinstance(event, kind)]

    async def until(self, met: Callable[[], Any], within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while not met():
                await self.clock.sleep_ms(20)

    def free(self) -> int:
        return sum(row.state == "free" for row in self.pool.status())

    def taken(self) -> int:
        return sum(row.state == "taken" for row in self.pool.status())


@asynccontextmanager
async def calling(bench: Bench, audio: CallerAudio = LOUD) -> AsyncIterator[Bench]:
    """The call is open, the caller speaks, what the line gives is collected; afterwards nothing may be left."""
    await bench.pool.check_all()
    watch = asyncio.create_task(bench.probe())
    await bench.line.open(bench.brief)
    works = [asyncio.create_task(bench.collect()), asyncio.create_task(bench.caller(audio))]
    try:
        yield bench
    finally:
        await bench.line.close()
        for work in (*works, watch):
            work.cancel()
        await asyncio.gather(*works, watch, return_exceptions=True)
        await bench.pool.check_all()
    assert bench.free() == bench.count
    assert [process.open_now for process in bench.process] == [0] * bench.count
    assert all(process.most_open <= 1 for process in bench.process)
    assert all(line.closed for line in bench.made)
