"""Engines that begin before their caller is there, and the room that is held for a call at the door."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from media_plane.conversation.commands import CallerTurn
from media_plane.ports.engine import CallBrief
from media_plane.server.priming import Begun, EngineStarts, OpenHouse, PrimedEngine, Primer
from media_plane.slots import SlotPool
from nexus.domain.call import CallEntry
from nexus.domain.tenant import TenantConfig
from nexus.errors import QuotaExceeded, UpstreamError
from tests.fakes.engines import WrittenEngine
from tests.fakes.hand_clock import HandClock
from tests.fakes.stored import NOON, call_id, order

SHOP = TenantConfig(tenant_id="barber", system_prompt="x")
PLAIN = TenantConfig(tenant_id="plain", system_prompt="x", engines=("cascade",))
ONE, TWO = call_id(1), call_id(2)


def entry(call: str = ONE) -> CallEntry:
    return CallEntry(
        call_id=call, order=order(), nonce="n", process_id="mp_1", created_at=NOON, lease_expires_at=NOON + timedelta(seconds=60)
    )


@dataclass
class Bench:
    """A primer over so many processes; each engine it starts holds one of them, as a line does."""

    count: int = 2
    fails: bool = False
    pause: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[str] = field(default_factory=list)
    engines: list[WrittenEngine] = field(default_factory=list)
    config: TenantConfig = SHOP

    def __post_init__(self) -> None:
        self.pool = SlotPool([f"ws://p{number}" for number in range(self.count)], 0, HandClock(), self.lives)
        self.primer = Primer(self.pool, EngineStarts(lambda config: not config.engines, self.begin))
        self.pause.set()

    async def lives(self, _address: str) -> bool:
        return True

    async def begin(self, waiting: CallEntry) -> Begun | None:
        self.begun.append(waiting.call_id)
        lease = self.pool.take(waiting.call_id, "call")
        try:
            await self.pause.wait()
            if self.fails:
                raise UpstreamError("engine_unreachable", "not there")
        except BaseException:
            lease.give_back(sound=True)
            raise
        engine = WrittenEngine(at_close=lambda: lease.give_back(sound=True))
        self.engines.append(engine)
        return Begun(engine, self.config)

    async def tend(self, *calls: str) -> None:
        self.primer.tend([entry(call) for call in calls])
        await self.settle()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    def taken(self) -> list[str]:
        return sorted(row.call_id for row in self.pool.status() if row.state == "taken")


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    await made.pool.check_all()
    return made


class TestWaitingCalls:
    async def test_each_is_started_once(self, bench: Bench) -> None:
        for _ in range(3):
            await bench.tend(ONE, TWO)
        assert bench.begun == [ONE, TWO]
        assert bench.taken() == [ONE, TWO]

    async def test_one_that_waits_no_longer_is_let_go(self, bench: Bench) -> None:
        await bench.tend(ONE)
        await bench.tend()
        assert bench.taken() == []
        assert bench.engines[0].closed == 1
        assert bench.pool.held_ms(ONE) == 0

    async def test_one_that_is_still_being_started_too(self, bench: Bench) -> None:
        bench.pause.clear()
        await bench.tend(ONE)
        assert bench.taken() == [ONE]
        await bench.tend()
        assert (bench.taken(), bench.engines) == ([], [])

    async def test_one_that_came_in_is_not_let_go_and_not_started_anew(self, bench: Bench) -> None:
        await bench.tend(ONE)
        bench.primer.hold(ONE, SHOP)
        await bench.tend()
        assert bench.taken() == [ONE]
        assert bench.primer.engine(ONE, SHOP) is not None
        await bench.tend(ONE)  # an answer of the ledger from before
        assert bench.begun == [ONE]

    async def test_a_failed_start_is_not_repeated_before_the_caller_comes(self, bench: Bench) -> None:
        bench.fails = True
        for _ in range(2):
            await bench.tend(ONE)
        assert (bench.begun, bench.taken()) == ([ONE], [])
        bench.primer.hold(ONE, SHOP)
        assert bench.primer.engine(ONE, SHOP) is None
        assert bench.taken() == [ONE]  # set aside for a fresh one

    async def test_a_house_without_room_is_primed_when_there_is_some(self, bench: Bench) -> None:
        leases = [bench.pool.take(f"call_{number}", "call") for number in range(2)]
        await bench.tend(ONE)
        assert bench.engines == []
        leases[0].give_back(sound=True)
        await bench.tend(ONE)
        assert (bench.begun, len(bench.engines)) == ([ONE, ONE], 1)
        assert ONE in bench.taken()

    async def test_the_end_lets_everything_go(self, bench: Bench) -> None:
        await bench.tend(ONE)
        bench.pause.clear()
        await bench.tend(ONE, TWO)
        await bench.primer.close()
        assert bench.taken() == []


class TestAtTheDoor:
    async def test_a_primed_call_has_room_already(self, bench: Bench) -> None:
        await bench.tend(ONE)
        bench.primer.hold(ONE, SHOP)
        assert bench.taken() == [ONE]

    async def test_any_other_takes_a_process_now_or_is_refused(self) -> None:
        bench = Bench(count=1)
        await bench.pool.check_all()
        bench.primer.hold(ONE, SHOP)
        with pytest.raises(QuotaExceeded) as full:
            bench.primer.hold(TWO, SHOP)
        assert full.value.code == "no_engine_slot"
        bench.primer.let_go(ONE)
        bench.primer.hold(TWO, SHOP)

    async def test_a_tenant_that_needs_none_takes_none(self) -> None:
        bench = Bench(count=0)
        bench.primer.hold(ONE, PLAIN)
        bench.primer.let_go(ONE)
        OpenHouse().hold(ONE, SHOP)
        OpenHouse().let_go(ONE)

    async def test_a_ticket_shown_twice_takes_nothing_from_the_call_that_came_in(self, bench: Bench) -> None:
        """The second of two sockets with one ticket is refused by the ledger; the first one's room stays."""
        bench.primer.hold(ONE, SHOP)
        bench.primer.hold(ONE, SHOP)
        bench.primer.let_go(ONE)
        assert bench.taken() == [ONE]
        bench.primer.forget(ONE)
        assert bench.taken() == []

    async def test_a_refused_ticket_does_not_let_a_primed_call_go(self, bench: Bench) -> None:
        await bench.tend(ONE)
        bench.primer.hold(ONE, SHOP)
        bench.primer.let_go(ONE)
        assert bench.taken() == [ONE]
        assert bench.primer.engine(ONE, SHOP) is not None

    async def test_an_ended_calls_ticket_leaves_no_trace(self, bench: Bench) -> None:
        bench.primer.hold(ONE, SHOP)
        bench.primer.forget(ONE)
        bench.primer.hold(ONE, SHOP)
        bench.primer.let_go(ONE)
        assert (bench.taken(), bench.pool.held_ms(ONE)) == ([], 0)


class TestHandingOver:
    async def test_the_engine_is_given_once_and_is_the_callers_own(self, bench: Bench) -> None:
        await bench.tend(ONE)
        bench.primer.hold(ONE, SHOP)
        engine = bench.primer.engine(ONE, SHOP)
        assert engine is not None
        assert bench.primer.engine(ONE, SHOP) is None
        await engine.start(CallBrief(ONE, SHOP, (), "e1"))
        await engine.send(CallerTurn("Hi"))
        assert (engine.traits.name, bench.engines[0].taken.get_nowait()) == ("written", CallerTurn("Hi"))
        bench.engines[0].events_out.put_nowait(None)
        assert [event async for event in engine.events()] == []
        await engine.close()
        await engine.close()
        assert bench.taken() == []

    async def test_a_caller_who_comes_early_waits_for_it(self, bench: Bench) -> None:
        bench.pause.clear()
        await bench.tend(ONE)
        engine = bench.primer.engine(ONE, SHOP)
        assert engine is not None
        starting = asyncio.create_task(engine.start(CallBrief(ONE, SHOP, (), "e1")))
        await bench.settle()
        assert not starting.done()
        bench.pause.set()
        await starting
        assert engine.traits.name == "written"
        await engine.close()

    async def test_a_caller_who_gives_up_waiting_leaves_nothing(self, bench: Bench) -> None:
        bench.pause.clear()
        await bench.tend(ONE)
        engine = bench.primer.engine(ONE, SHOP)
        assert engine is not None
        starting = asyncio.create_task(engine.start(CallBrief(ONE, SHOP, (), "e1")))
        await bench.settle()
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await starting
        await engine.close()
        assert bench.taken() == []

    async def test_a_start_that_fails_meanwhile_is_the_calls_failure(self, bench: Bench) -> None:
        bench.pause.clear()
        await bench.tend(ONE)
        engine = bench.primer.engine(ONE, SHOP)
        assert engine is not None
        bench.fails = True
        bench.pause.set()
        with pytest.raises(UpstreamError) as lost:
            await engine.start(CallBrief(ONE, SHOP, (), "e1"))
        assert lost.value.code == "engine_unreachable"
        await engine.close()

    async def test_another_configuration_is_another_engine(self, bench: Bench) -> None:
        await bench.tend(ONE)
        edited = SHOP.model_copy(update={"system_prompt": "y"})
        assert bench.primer.engine(ONE, edited) is None
        await bench.settle()
        assert (bench.taken(), bench.engines[0].closed) == ([], 1)

    async def test_an_engine_nobody_took_is_let_go_with_the_call(self, bench: Bench) -> None:
        await bench.tend(ONE)
        bench.primer.hold(ONE, SHOP)
        bench.primer.forget(ONE)
        await bench.settle()
        assert bench.taken() == []

    async def test_a_task_that_never_ran_closes_cleanly(self) -> None:
        async def never() -> Begun | None:
            raise AssertionError("it was cancelled before")

        starting = asyncio.create_task(never())
        await PrimedEngine(starting).close()
        assert starting.cancelled()
