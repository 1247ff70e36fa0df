"""An engine line under test, over engines written by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from media_plane.audio import silence
from media_plane.bridge.engine_line import EngineLine, EngineMaker, EngineMakers, LinePolicy
from media_plane.conversation.commands import CallerAudio
from media_plane.conversation.events import EngineEvent, EngineFailed, EngineNotice, EngineReady
from media_plane.ports.engine import CallBrief
from nexus.clock import Clock
from nexus.domain.tenant import TenantConfig
from nexus.errors import UpstreamError
from tests.fakes.engines import WrittenEngine

CONFIG = TenantConfig(tenant_id="shop", system_prompt="Be kind.")
FRAME = CallerAudio(silence(20, 16_000))


def refuse() -> None:
    raise UpstreamError("engine_unreachable", "Nobody answers.")


def text_engine() -> WrittenEngine:
    return WrittenEngine("text", voice=False)


@dataclass
class Bench:
    """A line over written engines: voices are made in order, the last one again and again."""

    voices: list[WrittenEngine]
    text: WrittenEngine = field(default_factory=text_engine)
    clock: Clock = field(default_factory=lambda: Clock(speed=1_000))
    policy: LinePolicy = field(default_factory=LinePolicy)
    made_at_ms: list[float] = field(default_factory=list)
    fed: asyncio.Queue[EngineEvent | EngineReady] = field(default_factory=asyncio.Queue)
    task: asyncio.Task[None] | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    notices: list[EngineNotice] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.line = EngineLine(EngineMakers((EngineMaker(self.make_voice),), lambda: self.text), self.policy, self.clock)

    def make_voice(self) -> WrittenEngine:
        self.made_at_ms.append(self.clock.monotonic_ms())
        return self.voices[min(len(self.made_at_ms), len(self.voices)) - 1]

    def hang_up(self) -> None:
        assert self.task is not None
        self.task.cancel()
        self.over.set()

    async def next(self) -> EngineEvent | EngineReady:
        """What is fed next; notices are put aside."""
        async with asyncio.timeout(5):
            while isinstance(event := await self.fed.get(), EngineNotice):
                self.notices.append(event)
            return event

    async def ready(self) -> EngineReady:
        event = await self.next()
        assert isinstance(event, EngineReady)
        return event

    async def lost(self) -> EngineFailed:
        event = await self.next()
        assert isinstance(event, EngineFailed)
        return event


def brief(item_prefix: str) -> CallBrief:
    return CallBrief("call_1", CONFIG, (), item_prefix)


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    """Run the line for the length of the block; afterwards no task of it is left."""
    before = asyncio.all_tasks()
    bench.task = asyncio.create_task(bench.line.run(brief, bench.fed.put_nowait))
    try:
        yield bench
    finally:
        bench.task.cancel()
        await asyncio.gather(bench.task, return_exceptions=True)
        assert asyncio.all_tasks() <= before


def row_of(*engines: WrittenEngine, timeouts_ms: dict[int, float] | None = None, **policy: float) -> Bench:
    """A line whose list has each of these once, in order; a maker that is asked again gives the same engine."""
    bench = Bench([WrittenEngine()], policy=LinePolicy(**{"attempts": 1, **policy}))  # type: ignore[arg-type]
    makers = [EngineMaker(lambda engine=engine: engine, (timeouts_ms or {}).get(at)) for at, engine in enumerate(engines)]  # type: ignore[misc]
    bench.line = EngineLine(EngineMakers(tuple(makers), lambda: bench.text), bench.policy, bench.clock)
    return bench
