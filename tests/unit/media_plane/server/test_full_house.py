"""A call comes in only where an engine has room for it: refused before its ticket is burnt, let go when it does not come after all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from media_plane.server.admission import Admission, AdmissionStores, Doorkeeper, DoorPolicy, Handshake
from media_plane.server.calls import HEARTBEAT_S, CallServer, CallStores, ProcessFacts
from media_plane.server.draining import DrainTerms
from nexus import tickets
from nexus.adapters.identifiers import UlidIds
from nexus.adapters.memory import MemoryCallJournal, MemoryCallLedger, MemorySessionArchive, MemoryTenantStore
from nexus.clock import Clock
from nexus.domain.call import CallEntry
from nexus.domain.tenant import Limits, TenantConfig
from nexus.errors import NexusError, QuotaExceeded
from tests.fakes.stored import call_id, order

KEY = tickets.new_private_key()
PUBLIC = tickets.public_key_of(KEY)
SHOP = TenantConfig(tenant_id="shop", system_prompt="Be kind.", limits=Limits(concurrent_calls=1))
CALL = call_id(1)


@dataclass
class CountedSeats:
    """Seats that are full or not; ``held`` counts who holds one."""

    full: bool = False
    held: Counter[str] = field(default_factory=Counter)
    ready: list[tuple[str, ...]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    def hold(self, call_id: str, config: TenantConfig) -> None:
        if self.full:
            raise QuotaExceeded("no_engine_slot", "Full.", retry_after_s=5)
        self.held[call_id] += 1

    def let_go(self, call_id: str) -> None:
        self.held[call_id] -= 1

    def tend(self, ready: Iterable[CallEntry]) -> None:
        self.ready.append(tuple(entry.call_id for entry in ready))

    def forget(self, call_id: str) -> None:
        self.forgotten.append(call_id)


class Factory:
    """Wires nothing: these calls never connect."""

    async def transport(self, *_: object) -> object:
        raise AssertionError("no call is wired here")

    bridge = transport


@dataclass
class House:
    slots: int = 4
    seats: CountedSeats = field(default_factory=CountedSeats)

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.ledger, self.archive = MemoryCallLedger(), MemorySessionArchive()
        stores = CallStores(self.ledger, MemoryCallJournal(), self.archive)
        facts = ProcessFacts("mp_1", "ws://x", "personaplex", lambda: self.slots, b"pepper")
        self.calls = CallServer(stores, Factory(), facts, self.clock, self.seats)  # type: ignore[arg-type]
        policy = DoorPolicy("mp_1", {tickets.key_id(PUBLIC): PUBLIC}, simple_door=True)
        self.door = Doorkeeper(AdmissionStores(MemoryTenantStore(SHOP), self.ledger, UlidIds()), policy, self.clock, self.seats)

    async def ordered(self, nonce: str = "n1") -> Handshake:
        now = self.clock.now()
        await self.ledger.reserve(order(tenant_id="shop"), call_id=CALL, nonce=nonce, tenant_limit=2, lease_s=60, now=now)
        ticket = tickets.sign(tickets.Ticket(CALL, "shop", nonce, now + timedelta(seconds=60)), KEY, issued_at=now)
        return Handshake(path=f"/v1/calls/{CALL}", host="localhost", subprotocols=("nexus.v1", f"token.{ticket}"))

    async def admitted(self, knock: Handshake) -> Admission:
        return await self.door.admit(knock)

    async def refused(self, knock: Handshake) -> str:
        with pytest.raises(NexusError) as refusal:
            await self.door.admit(knock)
        return refusal.value.code


SIMPLE = Handshake(path="/ws/call/shop", host="localhost")


@pytest.fixture
async def house() -> House:
    made = House()
    await made.calls.beat_once()
    return made


class TestTheDoor:
    async def test_a_full_house_leaves_the_ticket_good(self, house: House) -> None:
        knock = await house.ordered()
        house.seats.full = True
        assert await house.refused(knock) == "no_engine_slot"
        house.seats.full = False
        assert (await house.admitted(knock)).entry.state == "active"
        assert house.seats.held == {CALL: 1}

    async def test_a_spent_ticket_holds_nothing(self, house: House) -> None:
        knock = await house.ordered()
        await house.admitted(knock)
        assert await house.refused(knock) == "ticket_used"
        assert house.seats.held == {CALL: 1}

    async def test_a_forged_ticket_never_asks_for_room(self, house: House) -> None:
        knock = await house.ordered()
        assert await house.refused(replace(knock, subprotocols=("nexus.v1", "token.a.b.c"))) == "ticket_invalid"
        assert not house.seats.held

    async def test_a_full_house_takes_no_seat_at_the_simple_door(self, house: House) -> None:
        house.seats.full = True
        assert await house.refused(SIMPLE) == "no_engine_slot"
        house.seats.full = False
        admission = await house.admitted(SIMPLE)  # the tenant's only seat was not taken by the refused one
        assert house.seats.held == {admission.entry.call_id: 1}

    async def test_a_tenants_limit_at_the_simple_door_holds_no_engine(self, house: House) -> None:
        admission = await house.admitted(SIMPLE)
        assert await house.refused(SIMPLE) == "tenant_concurrency_exceeded"
        assert +house.seats.held == {admission.entry.call_id: 1}


class TestTheServer:
    async def test_a_handshake_that_fails_lets_the_room_go_and_is_recorded(self, house: House) -> None:
        admission = await house.admitted(await house.ordered())
        await house.calls.never_connected(admission)
        assert house.seats.forgotten == [CALL]
        assert (await house.archive.get("shop", CALL)).end_reason == "caller_lost"

    async def test_the_heartbeat_tells_who_waits_and_how_many_fit(self, house: House) -> None:
        await house.ordered()
        await house.calls.beat_once()
        assert house.seats.ready == [(), (CALL,)]
        house.slots = 0
        await house.calls.beat_once()
        with pytest.raises(QuotaExceeded):
            await house.ordered("n2")

    async def test_a_process_that_lets_nobody_in_any_more_primes_nobody(self, house: House) -> None:
        await house.ordered()
        await house.calls.drain(0.1)
        assert house.seats.ready[-1] == ()

    async def test_a_process_that_drains_primes_for_those_who_hold_a_slot_and_waits_for_them(self, house: House) -> None:
        await house.ordered()
        await house.calls.empty(DrainTerms(0.1, leases=True))
        assert house.seats.ready[-1] == (CALL,)

    def test_an_order_to_end_is_seen_within_two_seconds(self) -> None:
        assert HEARTBEAT_S <= 2.0
