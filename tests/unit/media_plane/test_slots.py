"""The server processes of a speech model: one connection each, spares, health without touching a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from media_plane.ports.speech_line import EngineSlots, SlotLease
from media_plane.slots import CHECK_EVERY_MS, SlotPool, answers_http
from nexus.clock import Clock
from nexus.errors import QuotaExceeded
from tests.fakes.hand_clock import HandClock


class Machines:
    """What lives behind the addresses; ``asked`` counts the probes of each."""

    def __init__(self, *dead: str) -> None:
        self.dead = set(dead)
        self.asked: list[str] = []

    async def probe(self, address: str) -> bool:
        self.asked.append(address)
        return address not in self.dead


async def pool_of(count: int, spares: int = 0, *, dead: tuple[str, ...] = (), clock: Clock | None = None) -> tuple[SlotPool, Machines]:
    machines = Machines(*dead)
    pool = SlotPool([f"ws://p{number}" for number in range(count)], spares, clock or HandClock(), machines.probe)
    await pool.check_all()
    return pool, machines


def states(pool: SlotPool) -> list[str]:
    return [row.state for row in pool.status()]


def refused(take: Callable[[], object]) -> QuotaExceeded:
    with pytest.raises(QuotaExceeded) as refusal:
        take()
    assert (refusal.value.code, refusal.value.retry_after_s) == ("no_engine_slot", 5)
    return refusal.value


class TestTaking:
    async def test_each_process_is_given_once(self) -> None:
        pool, _ = await pool_of(3)
        leases = [pool.take(f"call_{number}", "call") for number in range(3)]
        assert {lease.address for lease in leases} == {"ws://p0", "ws://p1", "ws://p2"}
        refused(lambda: pool.take("call_4", "call"))
        refused(lambda: pool.take("call_4", "rotation"))
        leases[1].give_back(sound=True)
        assert pool.take("call_4", "call").address == leases[1].address

    async def test_nothing_is_given_before_the_first_probe(self) -> None:
        pool = SlotPool(["ws://p0"], 0, HandClock(), Machines().probe)
        assert (pool.healthy, pool.usable, states(pool)) == (0, 0, ["down"])
        refused(lambda: pool.take("call_1", "call"))

    async def test_calls_leave_the_spares_alone_and_rotations_take_them(self) -> None:
        pool, _ = await pool_of(3, spares=1)
        assert (pool.healthy, pool.usable) == (3, 2)
        pool.take("call_1", "call")
        old = pool.take("call_2", "call")
        refused(lambda: pool.take("call_3", "call"))
        new = pool.take("call_2", "rotation")
        refused(lambda: pool.take("call_1", "rotation"))
        old.give_back(sound=True)
        refused(lambda: pool.take("call_3", "call"))  # what came back is the spare now
        new.give_back(sound=True)
        assert pool.take("call_3", "call").address

    async def test_a_rotation_under_way_does_not_keep_another_call_out(self) -> None:
        """Its extra process is the spare itself; the ledger has told the caller that there is room."""
        pool, _ = await pool_of(3, spares=1)
        pool.take("call_1", "call")
        pool.take("call_1", "rotation")
        assert pool.take("call_2", "call").address

    @pytest.mark.parametrize(("count", "spares", "usable"), [(1, 1, 1), (2, 1, 1), (2, 5, 1), (4, 1, 3), (4, 0, 4), (4, 2, 2)])
    async def test_how_many_calls_there_is_room_for(self, count: int, spares: int, usable: int) -> None:
        pool, _ = await pool_of(count, spares)
        assert pool.usable == usable
        for number in range(usable):
            pool.take(f"call_{number}", "call")
        refused(lambda: pool.take("call_x", "call"))

    async def test_one_process_left_of_two_still_takes_a_call(self) -> None:
        pool, _ = await pool_of(2, spares=1, dead=("ws://p0",))
        assert (pool.healthy, pool.usable) == (1, 1)
        assert pool.take("call_1", "call").address == "ws://p1"

    async def test_none_left_takes_none(self) -> None:
        pool, _ = await pool_of(2, spares=1, dead=("ws://p0", "ws://p1"))
        assert (pool.healthy, pool.usable) == (0, 0)
        refused(lambda: pool.take("call_1", "call"))

    async def test_the_one_that_rested_longest_is_taken(self) -> None:
        clock = HandClock()
        pool, _ = await pool_of(3, clock=clock)
        for _ in range(2):
            order = []
            for _ in range(3):
                clock.pass_ms(10)
                lease = pool.take("call_1", "call")
                order.append(lease.address)
                lease.give_back(sound=True)
            assert order == ["ws://p0", "ws://p1", "ws://p2"]

    async def test_a_lease_given_back_twice_takes_nothing_from_the_next_holder(self) -> None:
        pool, _ = await pool_of(1)
        first = pool.take("call_1", "call")
        first.give_back(sound=True)
        pool.take("call_2", "call")
        first.give_back(sound=True)
        first.give_back(sound=False)
        assert [(row.state, row.call_id) for row in pool.status()] == [("taken", "call_2")]


class TestSettingAside:
    async def test_what_is_set_aside_is_the_calls_own(self) -> None:
        pool, _ = await pool_of(1)
        assert pool.set_aside("call_1")
        refused(lambda: pool.take("call_2", "call"))
        assert not pool.set_aside("call_1")
        lease = pool.take("call_1", "call")
        pool.put_back("call_1")  # it is taken: nothing is put back
        assert states(pool) == ["taken"]
        lease.give_back(sound=True)
        assert states(pool) == ["free"]

    async def test_it_is_put_back_when_nobody_takes_it(self) -> None:
        pool, _ = await pool_of(1)
        pool.set_aside("call_1")
        pool.put_back("call_1")
        pool.put_back("call_1")
        assert pool.take("call_2", "call").address

    async def test_a_full_house_sets_nothing_aside(self) -> None:
        pool, _ = await pool_of(2, spares=1)
        pool.set_aside("call_1")
        refused(lambda: pool.set_aside("call_2"))

    async def test_a_call_that_holds_one_needs_no_other(self) -> None:
        pool, _ = await pool_of(2)
        pool.take("call_1", "call")
        assert not pool.set_aside("call_1")
        assert states(pool).count("free") == 1


class TestTimes:
    async def test_a_call_is_told_how_long_it_held_processes_the_spare_included(self) -> None:
        clock = HandClock()
        pool, _ = await pool_of(2, spares=1, clock=clock)
        old = pool.take("call_1", "call")
        clock.pass_ms(1_000)
        new = pool.take("call_1", "rotation")
        clock.pass_ms(500)
        old.give_back(sound=True)
        clock.pass_ms(250)
        assert pool.held_ms("call_1") == pytest.approx(1_500 + 750)
        new.give_back(sound=False)
        clock.pass_ms(9_999)
        assert pool.held_ms("call_1") == pytest.approx(1_500 + 750)
        pool.forget("call_1")
        assert pool.held_ms("call_1") == 0.0

    async def test_a_lease_that_comes_back_after_its_call_is_forgotten_leaves_nothing(self) -> None:
        clock = HandClock()
        pool, _ = await pool_of(1, clock=clock)
        lease = pool.take("call_1", "call")
        pool.forget("call_1")
        clock.pass_ms(100)
        lease.give_back(sound=True)
        assert pool.held_ms("call_1") == 0.0

    async def test_rows_say_since_when(self) -> None:
        clock = HandClock()
        pool, _ = await pool_of(1, clock=clock)
        pool.take("call_1", "call")
        clock.pass_ms(70)
        (row,) = pool.status()
        assert (row.address, row.state, row.call_id, row.for_ms) == ("ws://p0", "taken", "call_1", pytest.approx(70))


@asynccontextmanager
async def running(pool: SlotPool) -> AsyncIterator[None]:
    watch = asyncio.create_task(pool.run())
    try:
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


class TestHealth:
    async def test_an_unsound_one_is_used_again_only_after_the_probe(self) -> None:
        pool, machines = await pool_of(1)
        pool.take("call_1", "call").give_back(sound=False)
        assert (states(pool), pool.usable) == (["cooling"], 0)
        refused(lambda: pool.take("call_2", "call"))
        refused(lambda: pool.take("call_2", "rotation"))
        await pool.check_all()
        assert states(pool) == ["free"]
        assert machines.asked == ["ws://p0", "ws://p0"]

    async def test_an_unsound_one_that_is_dead_is_down_until_it_answers(self) -> None:
        pool, machines = await pool_of(1)
        lease = pool.take("call_1", "call")
        machines.dead.add("ws://p0")
        lease.give_back(sound=False)
        await pool.check_all()
        assert states(pool) == ["down"]
        machines.dead.clear()
        await pool.check_all()
        assert states(pool) == ["free"]

    async def test_a_process_that_carries_a_call_is_never_asked(self) -> None:
        pool, machines = await pool_of(2)
        machines.asked.clear()
        lease = pool.take("call_1", "call")
        await pool.check_all()
        assert machines.asked == [address for address in ("ws://p0", "ws://p1") if address != lease.address]

    async def test_an_answer_about_an_earlier_state_changes_nothing(self) -> None:
        gate, asked = asyncio.Event(), asyncio.Event()

        async def slow(_address: str) -> bool:
            asked.set()
            await gate.wait()
            return True

        pool = SlotPool(["ws://p0"], 0, HandClock(), slow)
        gate.set()
        await pool.check_all()
        gate.clear()
        asked.clear()
        lease = pool.take("call_1", "call")
        lease.give_back(sound=True)
        asking = asyncio.create_task(pool.check_all())
        await asked.wait()
        pool.take("call_2", "call").give_back(sound=False)  # meanwhile
        gate.set()
        await asking
        assert states(pool) == ["cooling"]

    async def test_the_watch_finds_what_comes_and_goes(self) -> None:
        clock = Clock(speed=200)
        pool, machines = await pool_of(2, clock=clock)
        async with running(pool), asyncio.timeout(5):
            machines.dead.add("ws://p0")
            while states(pool) != ["down", "free"]:
                await clock.sleep_ms(100)
            machines.dead.clear()
            while states(pool) != ["free", "free"]:
                await clock.sleep_ms(100)

    async def test_the_watch_asks_an_unsound_one_long_before_the_next_round(self) -> None:
        clock = Clock(speed=20)
        pool, machines = await pool_of(1, clock=clock)
        async with running(pool), asyncio.timeout(5):
            await clock.sleep_ms(50)
            began_ms = clock.monotonic_ms()
            pool.take("call_1", "call").give_back(sound=False)
            while states(pool) != ["free"]:
                await clock.sleep_ms(20)
            assert clock.monotonic_ms() - began_ms < CHECK_EVERY_MS / 2
        assert len(machines.asked) == 2


class TestProbe:
    @pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 404 Not Found\r\n\r\n"])
    async def test_any_http_answer_to_a_plain_get_is_life(self, answer: bytes) -> None:
        heard = bytearray()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.extend(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            assert await answers_http(f"ws://127.0.0.1:{port}/api/chat")
        assert heard.startswith(b"GET /api/chat HTTP/1.1\r\n")
        assert b"upgrade" not in heard.lower()

    async def test_what_is_no_http_is_none(self) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-x\r\n")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            assert not await answers_http(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/chat")

    @pytest.mark.parametrize("address", ["ws://127.0.0.1:1/api/chat", "ws://", "ws://[", "ws://127.0.0.1:port/x", "ws://ho st/"])
    async def test_nothing_there(self, address: str) -> None:
        assert not await answers_http(address)


class AnySequence(RuleBasedStateMachine):
    """No sequence of takes, returns, deaths and probes leaks a process, gives one twice or lets in more calls than there is room for."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = HandClock()
        self.machines = Machines()
        self.spares = 1
        self.pool = SlotPool([f"ws://p{number}" for number in range(4)], self.spares, self.clock, self.machines.probe)
        self.slots: EngineSlots = self.pool
        self.held: list[tuple[str, SlotLease]] = []
        self.aside: set[str] = set()
        self.check()

    def teardown(self) -> None:
        for _, lease in self.held:
            lease.give_back(sound=True)
        for call in self.aside:
            self.pool.forget(call)
        self.machines.dead.clear()
        self.check()
        assert [row.state for row in self.pool.status()] == ["free"] * 4
        self.loop.close()

    @rule(call=st.sampled_from("abcdef"), rotation=st.booleans())
    def take(self, call: str, rotation: bool) -> None:
        self.clock.pass_ms(1)
        calls = {name for name, _ in self.held} | self.aside
        free = any(row.state == "free" for row in self.pool.status())
        owed = not rotation and call in self.aside
        room = rotation or len(calls - {call}) < self.pool.usable
        try:
            lease = self.slots.take(call, "rotation" if rotation else "call")
        except QuotaExceeded:
            assert not owed and not (free and room)
            return
        assert owed or (free and room)
        if not rotation:
            self.aside.discard(call)
        self.held.append((call, lease))

    @rule(call=st.sampled_from("abcdef"))
    def set_aside(self, call: str) -> None:
        with suppress(QuotaExceeded):
            if self.pool.set_aside(call):
                self.aside.add(call)

    @rule(call=st.sampled_from("abcdef"))
    def put_back(self, call: str) -> None:
        self.pool.put_back(call)
        self.aside.discard(call)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), sound=st.booleans())
    def give_back(self, data: st.DataObject, sound: bool) -> None:
        _, lease = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        lease.give_back(sound=sound)
        lease.give_back(sound=not sound)

    @rule(number=st.integers(0, 3), lives=st.booleans())
    def machine(self, number: int, lives: bool) -> None:
        (self.machines.dead.discard if lives else self.machines.dead.add)(f"ws://p{number}")

    @rule()
    def check(self) -> None:
        self.loop.run_until_complete(self.pool.check_all())

    @invariant()
    def every_process_has_one_holder(self) -> None:
        addresses = [lease.address for _, lease in self.held]
        assert len(addresses) == len(set(addresses))
        taken = [row for row in self.pool.status() if row.state == "taken"]
        assert len(taken) == len(self.held) + len(self.aside)
        assert set(addresses) <= {row.address for row in taken}


TestAnySequence = AnySequence.TestCase
