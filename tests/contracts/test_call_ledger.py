"""Every call ledger: seats, slots, leases, single use."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from nexus.adapters.memory import MemoryCallLedger, MemoryDocumentStore
from nexus.adapters.sqlite import Database, SqliteCallLedger, SqliteDocumentStore
from nexus.domain.call import CallEntry, Caller, CallOrder, EndReason
from nexus.domain.tenancy import HEAD_KEY
from nexus.errors import Conflict, NotAuthorised, NotFound, QuotaExceeded, RequestRejected, Unavailable
from nexus.ports.calls import CallLedger, CallRef
from nexus.ports.documents import DocumentStore, Put
from tests.aws import AWS, aws
from tests.fakes.stored import NOON, call_id, order, process

LEASE_S = 60


@pytest.fixture(params=["memory", "sqlite", *AWS])
def beside(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[CallLedger, DocumentStore]:
    """A ledger, and the documents in which its tenants' heads lie."""
    match request.param:
        case "memory":
            documents = MemoryDocumentStore(lambda: NOON)
            return MemoryCallLedger(documents), documents
        case "sqlite":
            database = Database(tmp_path / "nexus.sqlite")
            return SqliteCallLedger(database), SqliteDocumentStore(database, lambda: NOON)
    stores = aws(request)
    return stores.ledger, stores.documents


@pytest.fixture
def ledger(beside: tuple[CallLedger, DocumentStore]) -> CallLedger:
    return beside[0]


async def _reserve(
    ledger: CallLedger,
    number: int,
    ordered: CallOrder | None = None,
    *,
    limit: int = 100,
    nonce: str = "",
    now: datetime = NOON,
    standing: int | None = None,
) -> CallEntry:
    return await ledger.reserve(
        ordered or order(),
        call_id=call_id(number),
        nonce=nonce or f"n{number}",
        tenant_limit=limit,
        lease_s=LEASE_S,
        now=now,
        standing=standing,
    )


async def test_a_call_is_reserved_redeemed_and_released(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    ready = await _reserve(ledger, 1)
    assert (ready.state, ready.process_id, ready.lease_expires_at) == ("ready", "mp_1", NOON + timedelta(seconds=LEASE_S))
    active = await ledger.redeem("barber", ready.call_id, nonce="n1", process_id="mp_1", now=NOON)
    assert active.state == "active"
    await ledger.release("barber", ready.call_id, EndReason.CALLER_HANGUP, NOON)
    assert (await ledger.get("barber", ready.call_id)).end_reason is EndReason.CALLER_HANGUP


async def test_a_call_ends_once(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await _reserve(ledger, 1)
    assert await ledger.release("barber", call_id(1), EndReason.CALLER_HANGUP, NOON) is True
    assert await ledger.release("barber", call_id(1), EndReason.LOST, NOON) is False
    assert await ledger.release("barber", call_id(9), EndReason.LOST, NOON) is False
    assert (await ledger.get("barber", call_id(1))).end_reason is EndReason.CALLER_HANGUP


async def test_two_hundred_at_once_on_ten_slots_let_ten_in(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=10))
    results = await asyncio.gather(*(_reserve(ledger, number, limit=500) for number in range(200)), return_exceptions=True)
    assert sum(isinstance(one, CallEntry) for one in results) == 10
    assert {one.code for one in results if isinstance(one, QuotaExceeded)} == {"no_engine_slot"}


async def test_a_tenant_at_its_limit_does_not_hold_up_another(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await _reserve(ledger, 1, limit=1)
    with pytest.raises(QuotaExceeded) as refused:
        await _reserve(ledger, 2, limit=1)
    assert refused.value.code == "tenant_concurrency_exceeded"
    assert (await _reserve(ledger, 3, order(tenant_id="pizza"), limit=1)).state == "ready"


async def test_an_active_call_keeps_its_seat_and_an_ended_one_gives_it_back(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=1))
    await _reserve(ledger, 1)
    await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    later = NOON + timedelta(minutes=10)
    await ledger.heartbeat(process(slots=1, seen_at=later))
    with pytest.raises(QuotaExceeded):
        await _reserve(ledger, 2, now=later)
    await ledger.release("barber", call_id(1), EndReason.CALLER_HANGUP, later)
    assert (await _reserve(ledger, 3, now=later)).process_id == "mp_1"


async def test_calls_go_where_most_slots_are_free(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_small", slots=2))
    await ledger.heartbeat(process("mp_large", slots=4))
    taken = Counter([(await _reserve(ledger, number)).process_id for number in range(6)])
    assert taken == {"mp_large": 4, "mp_small": 2}


async def test_a_process_that_yields_is_given_a_call_only_where_no_other_has_room(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_old", slots=9, yields=True))
    await ledger.heartbeat(process("mp_new", slots=2))
    assert [(await _reserve(ledger, number)).process_id for number in range(3)] == ["mp_new", "mp_new", "mp_old"]
    await ledger.heartbeat(process("mp_old", slots=9))
    await ledger.heartbeat(process("mp_newer", slots=4))
    assert (await _reserve(ledger, 3)).process_id == "mp_old", "it does no longer"


@pytest.mark.parametrize("case", ["none", "dead", "draining"])
async def test_without_a_process_that_takes_calls_there_is_no_slot(ledger: CallLedger, case: str) -> None:
    if case != "none":
        age_s = 11 if case == "dead" else 0
        await ledger.heartbeat(process(seen_at=NOON - timedelta(seconds=age_s), draining=case == "draining"))
    with pytest.raises(QuotaExceeded) as refused:
        await _reserve(ledger, 1)
    assert refused.value.code == "no_engine_slot"
    assert refused.value.retry_after_s > 0


async def test_a_process_is_alive_for_ten_seconds(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(seen_at=NOON - timedelta(seconds=9)))
    assert (await _reserve(ledger, 1)).state == "ready"


async def test_a_lapsed_lease_frees_the_slot_and_the_ticket_is_too_late(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=1))
    await _reserve(ledger, 1)
    later = NOON + timedelta(seconds=LEASE_S)
    await ledger.heartbeat(process(slots=1, seen_at=later))
    assert (await _reserve(ledger, 2, now=later)).state == "ready"
    with pytest.raises(NotAuthorised) as refused:
        await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=later)
    assert refused.value.code == "ticket_expired"


@pytest.mark.parametrize("connected", [False, True])
async def test_calls_of_a_dead_process_hold_no_seat(ledger: CallLedger, connected: bool) -> None:
    await ledger.heartbeat(process("mp_dead"))
    await _reserve(ledger, 1, limit=1)
    if connected:
        await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_dead", now=NOON)
    later = NOON + timedelta(seconds=20)
    await ledger.heartbeat(process("mp_alive", seen_at=later))
    assert (await _reserve(ledger, 2, limit=1, now=later)).process_id == "mp_alive"


async def test_active_calls_of_a_dead_process_are_told_until_somebody_releases_them(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_dead"))
    await _reserve(ledger, 1)
    await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_dead", now=NOON)
    later = NOON + timedelta(seconds=20)
    alive = process("mp_alive", seen_at=later)
    assert (await ledger.heartbeat(alive)).orphaned == (CallRef("barber", call_id(1)),)
    assert (await ledger.heartbeat(alive)).orphaned == (CallRef("barber", call_id(1)),)
    await ledger.release("barber", call_id(1), EndReason.LOST, later)
    assert (await ledger.heartbeat(alive)).orphaned == ()


async def test_of_all_who_release_a_call_one_is_told_that_it_ended(ledger: CallLedger) -> None:
    """Whoever records the calls of a dead process counts each once."""
    await ledger.heartbeat(process("mp_dead"))
    await _reserve(ledger, 1)
    await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_dead", now=NOON)
    told = await asyncio.gather(*(ledger.release("barber", call_id(1), EndReason.LOST, NOON) for _ in range(5)))
    assert sorted(told) == [False, False, False, False, True]


async def test_a_nonce_burns_once_even_when_many_try(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await _reserve(ledger, 1)
    tries = (ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON) for _ in range(20))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, CallEntry) for one in results) == 1
    assert {one.code for one in results if isinstance(one, NotAuthorised)} == {"ticket_used"}


async def test_a_stranger_nonce_and_a_stranger_call_are_refused(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await _reserve(ledger, 1)
    with pytest.raises(NotAuthorised) as wrong:
        await ledger.redeem("barber", call_id(1), nonce="other", process_id="mp_1", now=NOON)
    assert wrong.value.code == "ticket_used"
    with pytest.raises(NotFound) as unknown:
        await ledger.redeem("barber", call_id(2), nonce="n1", process_id="mp_1", now=NOON)
    assert unknown.value.code == "call_not_found"


async def test_the_same_key_gives_the_same_call_and_spends_the_older_ticket(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=1))
    await _reserve(ledger, 1, order(key="k", body="b"))
    later = NOON + timedelta(seconds=30)
    await ledger.heartbeat(process(slots=1, seen_at=later))
    again = await _reserve(ledger, 2, order(key="k", body="b"), limit=1, nonce="newer", now=later)
    assert (again.call_id, again.nonce, again.lease_expires_at) == (call_id(1), "newer", later + timedelta(seconds=LEASE_S))
    with pytest.raises(NotAuthorised):
        await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=later)
    assert (await ledger.redeem("barber", call_id(1), nonce="newer", process_id="mp_1", now=later)).state == "active"


async def test_a_key_with_another_body_is_refused(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await _reserve(ledger, 1, order(key="k", body="b"))
    with pytest.raises(RequestRejected) as refused:
        await _reserve(ledger, 2, order(key="k", body="c"))
    assert refused.value.code == "idempotency_key_reused"


async def test_the_key_of_a_call_that_has_begun_is_refused(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await _reserve(ledger, 1, order(key="k"))
    await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    with pytest.raises(Conflict) as refused:
        await _reserve(ledger, 2, order(key="k"))
    assert refused.value.code == "call_already_connected"


async def test_keys_of_two_tenants_are_strangers(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await _reserve(ledger, 1, order(key="k"))
    assert (await _reserve(ledger, 2, order(tenant_id="pizza", key="k"))).call_id == call_id(2)


async def test_another_tenant_cannot_see_or_end_a_call(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await _reserve(ledger, 1)
    for refusal in (ledger.get("pizza", call_id(1)), ledger.request_end("pizza", call_id(1)), ledger.get("barber", call_id(2))):
        with pytest.raises(NotFound) as refused:
            await refusal
        assert refused.value.code == "call_not_found"
    assert not (await ledger.get("barber", call_id(1))).end_requested


async def test_a_wish_to_end_reaches_the_holding_process_only(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_1"))
    await _reserve(ledger, 1)
    await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    assert (await ledger.request_end("barber", call_id(1))).end_requested
    assert (await ledger.heartbeat(process("mp_2"))).to_end == ()
    assert (await ledger.heartbeat(process("mp_1"))).to_end == (call_id(1),)
    await ledger.release("barber", call_id(1), EndReason.TENANT_ENDED, NOON)
    assert (await ledger.heartbeat(process("mp_1"))).to_end == ()


async def test_a_process_is_told_of_the_calls_that_wait_for_it(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_1"))
    entry = await _reserve(ledger, 1)
    assert (await ledger.heartbeat(process("mp_1"))).ready == (entry,)
    assert (await ledger.heartbeat(process("mp_2"))).ready == ()
    await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    assert (await ledger.heartbeat(process("mp_1"))).ready == ()


async def test_a_call_whose_lease_has_passed_waits_no_longer(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    entry = await _reserve(ledger, 1)
    last = entry.lease_expires_at - timedelta(milliseconds=1)
    assert (await ledger.heartbeat(process(seen_at=last))).ready == (entry,)
    assert (await ledger.heartbeat(process(seen_at=entry.lease_expires_at))).ready == ()


async def test_a_released_call_waits_no_longer(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await _reserve(ledger, 1)
    await ledger.release("barber", call_id(1), EndReason.CAPACITY, NOON)
    assert (await ledger.heartbeat(process())).ready == ()


async def test_times_of_other_zones_are_the_same_moments(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(seen_at=NOON.astimezone(timezone(timedelta(hours=-8)))))
    await _reserve(ledger, 1, now=NOON.astimezone(timezone(timedelta(hours=9))))
    with pytest.raises(NotAuthorised):
        await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON + timedelta(seconds=LEASE_S + 1))


async def test_an_ended_call_keeps_nothing_personal(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    ordered = order().model_copy(update={"caller": order().caller.model_copy(update={"phone": "+972501234567"})})
    await _reserve(ledger, 1, ordered)
    await ledger.release("barber", call_id(1), EndReason.CALLER_HANGUP, NOON)
    assert (await ledger.get("barber", call_id(1))).order.caller.phone == ""


async def test_sixty_at_once_of_a_tenant_with_seven_seats_let_seven_in(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=50))
    results = await asyncio.gather(*(_reserve(ledger, number, limit=7) for number in range(60)), return_exceptions=True)
    assert sum(isinstance(one, CallEntry) for one in results) == 7
    assert {one.code for one in results if isinstance(one, QuotaExceeded)} == {"tenant_concurrency_exceeded"}


async def test_of_many_at_once_each_of_many_small_processes_takes_one(ledger: CallLedger) -> None:
    for number in range(6):
        await ledger.heartbeat(process(f"mp_{number}", slots=1))
    results = await asyncio.gather(*(_reserve(ledger, number) for number in range(20)), return_exceptions=True)
    assert sorted(one.process_id for one in results if isinstance(one, CallEntry)) == [f"mp_{number}" for number in range(6)]


async def test_of_many_with_the_same_key_at_once_all_get_the_same_call(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    tries = (_reserve(ledger, number, order(key="k", body="b")) for number in range(10))
    assert len({one.call_id for one in await asyncio.gather(*tries)}) == 1
    with pytest.raises(QuotaExceeded):
        await _reserve(ledger, 20, limit=1)


async def test_a_lower_limit_counts_the_calls_that_are_there(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    for number in range(4):
        await _reserve(ledger, number, limit=4)
    await ledger.release("barber", call_id(0), EndReason.CALLER_HANGUP, NOON)
    for limit in (1, 2, 3):
        with pytest.raises(QuotaExceeded):
            await _reserve(ledger, 5, limit=limit)
    assert (await _reserve(ledger, 5, limit=4)).state == "ready"


async def test_a_process_that_can_carry_fewer_takes_no_more_until_calls_have_ended(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=3))
    for number in range(3):
        await _reserve(ledger, number)
    await ledger.heartbeat(process(slots=2))
    await ledger.release("barber", call_id(2), EndReason.CALLER_HANGUP, NOON)
    with pytest.raises(QuotaExceeded):
        await _reserve(ledger, 4)
    await ledger.release("barber", call_id(0), EndReason.CALLER_HANGUP, NOON)
    assert (await _reserve(ledger, 5)).process_id == "mp_1"


async def test_a_call_that_another_process_takes_up_counts_there(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_1", slots=2))
    entry = await _reserve(ledger, 1)
    await ledger.heartbeat(process("mp_2", slots=1))
    assert (await ledger.redeem("barber", entry.call_id, nonce="n1", process_id="mp_2", now=NOON)).process_id == "mp_2"
    for number in (2, 3):
        assert (await _reserve(ledger, number)).process_id == "mp_1"
    with pytest.raises(QuotaExceeded):
        await _reserve(ledger, 4)
    await ledger.request_end("barber", entry.call_id)
    assert (await ledger.heartbeat(process("mp_2", slots=1))).to_end == (entry.call_id,)
    await ledger.release("barber", entry.call_id, EndReason.TENANT_ENDED, NOON)
    assert (await _reserve(ledger, 5)).process_id == "mp_2"


async def test_a_call_that_is_not_connected_ends_when_it_is_asked_to(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=1))
    await _reserve(ledger, 1, order(key="k").model_copy(update={"caller": Caller(phone="+972501234567")}), limit=1)
    over = await ledger.request_end("barber", call_id(1))
    assert (over.state, over.end_reason, over.end_requested) == ("ended", EndReason.TENANT_ENDED, True)
    assert over.order.caller == Caller()
    assert await ledger.request_end("barber", call_id(1)) == over == await ledger.get("barber", call_id(1)), "again changes nothing"
    assert await ledger.release("barber", call_id(1), EndReason.LOST, NOON) is False, "it has ended once"
    told = await ledger.heartbeat(process(slots=1))
    assert (told.ready, told.to_end, told.orphaned) == ((), (), ())
    assert (await _reserve(ledger, 2, limit=1)).seats_used == 1, "its seat and its slot are free"
    with pytest.raises(NotAuthorised, match="is over") as refused:
        await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    assert refused.value.code == "ticket_used"
    with pytest.raises(Conflict, match="is over") as repeated:
        await _reserve(ledger, 3, order(key="k"))
    assert repeated.value.code == "call_already_connected"


async def test_an_end_takes_nothing_from_whoever_has_the_places_of_a_lapsed_call(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=1))
    await _reserve(ledger, 1)
    later = NOON + timedelta(seconds=LEASE_S)
    await ledger.heartbeat(process(slots=1, seen_at=later))
    await _reserve(ledger, 2, now=later)
    assert (await ledger.request_end("barber", call_id(1))).state == "ended"
    with pytest.raises(QuotaExceeded):
        await _reserve(ledger, 3, now=later)
    assert (await ledger.redeem("barber", call_id(2), nonce="n2", process_id="mp_1", now=later)).state == "active"


async def test_a_caller_who_connects_while_the_end_is_asked_for_meets_it_once_either_way(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=20))
    for number in range(10):
        await _reserve(ledger, number)

    async def connect(number: int) -> bool:
        try:
            await ledger.redeem("barber", call_id(number), nonce=f"n{number}", process_id="mp_1", now=NOON)
        except NotAuthorised as refused:
            assert refused.code == "ticket_used"
            return False
        return True

    async def race(number: int) -> bool:
        both = [connect(number), ledger.request_end("barber", call_id(number))]
        first, second = await asyncio.gather(*(both if number % 2 else reversed(both)))
        return bool(first if number % 2 else second)

    connected = await asyncio.gather(*(race(number) for number in range(10)))
    living = {call_id(number) for number in range(10) if connected[number]}
    assert set((await ledger.heartbeat(process(slots=20))).to_end) == living, "a call that was connected ends as living calls do"
    for number in range(10):
        entry = await ledger.get("barber", call_id(number))
        assert (entry.state, entry.end_reason) == (("active", None) if connected[number] else ("ended", EndReason.TENANT_ENDED))
        assert await ledger.release("barber", call_id(number), EndReason.TENANT_ENDED, NOON) is connected[number], "each ends once"
    assert (await _reserve(ledger, 20, limit=1)).seats_used == 1


async def test_a_process_that_comes_back_still_has_its_calls(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_1", slots=2))
    await _reserve(ledger, 1)
    await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    later = NOON + timedelta(seconds=30)
    await ledger.heartbeat(process("mp_2", slots=1, seen_at=later))
    await ledger.heartbeat(process("mp_1", slots=2, seen_at=later))
    assert (await ledger.heartbeat(process("mp_2", slots=1, seen_at=later))).orphaned == ()
    for number in (2, 3):
        await _reserve(ledger, number, now=later)
    with pytest.raises(QuotaExceeded):
        await _reserve(ledger, 4, now=later)


async def test_a_call_is_nobody_elses_to_take_up_or_give_back(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await _reserve(ledger, 1)
    with pytest.raises(NotFound) as refused:
        await ledger.redeem("pizza", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    assert refused.value.code == "call_not_found"
    await ledger.release("pizza", call_id(1), EndReason.CAPACITY, NOON)
    assert (await ledger.get("barber", call_id(1))).state == "ready"


async def test_the_same_key_is_a_new_call_when_the_process_of_the_first_has_died(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_dead"))
    await _reserve(ledger, 1, order(key="k", body="b"))
    later = NOON + timedelta(seconds=20)  # the lease still runs
    await ledger.heartbeat(process("mp_alive", seen_at=later))
    again = await _reserve(ledger, 2, order(key="k", body="b"), limit=1, now=later)
    assert (again.call_id, again.process_id) == (call_id(2), "mp_alive")
    third = await _reserve(ledger, 3, order(key="k", body="b"), limit=1, nonce="newer", now=later)
    assert (third.call_id, third.nonce) == (call_id(2), "newer")


async def test_a_reservation_tells_how_many_the_tenant_has_and_a_refusal_too(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    assert [(await _reserve(ledger, number, limit=2)).seats_used for number in (1, 2)] == [1, 2]
    with pytest.raises(QuotaExceeded) as refused:
        await _reserve(ledger, 3, limit=2)
    assert refused.value.usage == (2, 2)


async def test_a_tenant_that_is_alone_may_use_every_slot(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_1", slots=3))
    await ledger.heartbeat(process("mp_2", slots=4))
    for number in range(7):
        await _reserve(ledger, number)
    with pytest.raises(QuotaExceeded) as refused:
        await _reserve(ledger, 8)
    assert refused.value.code == "no_engine_slot"


async def test_of_two_tenants_none_takes_the_last_slots_beyond_its_share(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=10))
    await _reserve(ledger, 0, order(tenant_id="pizza"))
    for number in range(1, 9):
        await _reserve(ledger, number)
    with pytest.raises(QuotaExceeded) as refused:
        await _reserve(ledger, 9)
    assert (refused.value.code, refused.value.usage) == ("fair_share_exceeded", (8, 5))
    assert refused.value.retry_after_s > 0
    await _reserve(ledger, 10, order(tenant_id="pizza"))
    for number in range(1, 5):  # what the large one gives back goes to the small one, until they are even
        await ledger.release("barber", call_id(number), EndReason.CALLER_HANGUP, NOON)
        if number < 4:
            with pytest.raises(QuotaExceeded) as refused:
                await _reserve(ledger, 20 + number)
            assert refused.value.code == "fair_share_exceeded"
        await _reserve(ledger, 30 + number, order(tenant_id="pizza" if number < 4 else "barber"))
    assert (await ledger.get("pizza", call_id(33))).state == "ready"


async def test_a_tenant_that_weighs_more_is_due_more(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=8))
    heavy = order().model_copy(update={"weight": 3})
    await _reserve(ledger, 0, order(tenant_id="pizza"))
    await _reserve(ledger, 1, order(tenant_id="pizza"))
    for number in range(2, 7):
        await _reserve(ledger, number, heavy)
    with pytest.raises(QuotaExceeded) as refused:  # 2 of 8 are the light one's share
        await _reserve(ledger, 10, order(tenant_id="pizza"))
    assert (refused.value.code, refused.value.usage) == ("fair_share_exceeded", (2, 2))
    assert (await _reserve(ledger, 7, heavy)).seats_used == 6


async def test_racers_of_one_tenant_leave_another_its_slot(ledger: CallLedger) -> None:
    for name in ("mp_1", "mp_2"):
        await ledger.heartbeat(process(name, slots=5))
    await _reserve(ledger, 0, order(tenant_id="pizza"))
    results = await asyncio.gather(*(_reserve(ledger, number) for number in range(1, 41)), return_exceptions=True)
    assert sum(isinstance(one, CallEntry) for one in results) == 8
    assert {one.code for one in results if isinstance(one, QuotaExceeded)} == {"fair_share_exceeded"}
    assert (await _reserve(ledger, 50, order(tenant_id="pizza"))).state == "ready"


async def test_a_call_knows_where_its_process_is_reached(ledger: CallLedger) -> None:
    await ledger.heartbeat(process().model_copy(update={"url": "ws://10.0.3.7:8000"}))
    await _reserve(ledger, 1)
    assert (await ledger.get("barber", call_id(1))).process_url == "ws://10.0.3.7:8000"


async def test_a_refusal_says_when_room_comes(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=2))
    await _reserve(ledger, 1, order(max_duration_s=240), limit=1)
    with pytest.raises(QuotaExceeded) as own:
        await _reserve(ledger, 2, limit=1, now=NOON + timedelta(seconds=1))
    assert (own.value.code, own.value.retry_after_s) == ("tenant_concurrency_exceeded", LEASE_S - 1)
    await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    await _reserve(ledger, 3, order(max_duration_s=300), now=NOON + timedelta(seconds=9))
    with pytest.raises(QuotaExceeded) as lease:
        await _reserve(ledger, 4, now=NOON + timedelta(seconds=9))
    assert (lease.value.code, lease.value.retry_after_s) == ("no_engine_slot", LEASE_S)
    await ledger.redeem("barber", call_id(3), nonce="n3", process_id="mp_1", now=NOON + timedelta(seconds=9))
    with pytest.raises(QuotaExceeded) as calls:
        await _reserve(ledger, 5, now=NOON + timedelta(seconds=9))
    assert calls.value.retry_after_s == 161, "291 s and 360 s are left to two calls: the first of them ends after 160.9 s on average"


# --- the tenant's standing -----------------------------------------------------------------------------------------------------


async def test_a_call_is_made_only_while_the_tenant_stands_as_it_was_read(beside: tuple[CallLedger, DocumentStore]) -> None:
    ledger, documents = beside
    await ledger.heartbeat(process())
    assert (await _reserve(ledger, 1, standing=0)).state == "ready"
    with pytest.raises(Conflict) as refused:
        await _reserve(ledger, 2, standing=1)
    assert refused.value.code == "conflict"
    (version,) = await documents.write("barber", Put(HEAD_KEY, {"state": "active"}))
    assert (await _reserve(ledger, 3, standing=version)).state == "ready"
    await documents.write("barber", Put(HEAD_KEY, {"state": "suspended"}))
    for stale in (0, version):
        with pytest.raises(Conflict):
            await _reserve(ledger, 4, standing=stale)
    with pytest.raises(NotFound):
        await ledger.get("barber", call_id(4))
    assert (await _reserve(ledger, 5)).seats_used == 3, "a refused one holds no seat, and who names no standing is not asked for it"


async def test_a_repeated_call_gets_no_fresh_ticket_either(beside: tuple[CallLedger, DocumentStore]) -> None:
    ledger, documents = beside
    await ledger.heartbeat(process())
    await documents.write("barber", Put(HEAD_KEY, {"state": "active"}))
    await _reserve(ledger, 1, order(key="k"), standing=1)
    await documents.write("barber", Put(HEAD_KEY, {"state": "suspended"}))
    with pytest.raises(Conflict) as refused:
        await _reserve(ledger, 2, order(key="k"), nonce="fresh", standing=1)
    assert refused.value.code == "conflict"
    assert (await ledger.get("barber", call_id(1))).nonce == "n1"


async def test_a_head_that_has_expired_is_none(beside: tuple[CallLedger, DocumentStore]) -> None:
    ledger, documents = beside
    await ledger.heartbeat(process())
    await documents.write("barber", Put(HEAD_KEY, {"state": "deleted"}, expires_at=NOON - timedelta(seconds=1)))
    assert (await _reserve(ledger, 1, standing=0)).state == "ready"


async def test_suspended_in_the_middle_of_a_rush_no_call_is_made_after_it_was_said(beside: tuple[CallLedger, DocumentStore]) -> None:
    ledger, documents = beside
    await ledger.heartbeat(process(slots=40))
    await documents.write("barber", Put(HEAD_KEY, {"state": "active"}))
    said = False

    async def suspend() -> None:
        nonlocal said
        await documents.write("barber", Put(HEAD_KEY, {"state": "suspended"}))
        said = True

    async def create(number: int) -> bool:
        """Whether a call was made of a request that began when the suspension had been answered."""
        after = said
        try:
            await _reserve(ledger, number, standing=1)
        except (Conflict, Unavailable):
            return False
        return after

    made_late = await asyncio.gather(*(create(number) for number in range(10)), suspend(), *(create(number) for number in range(10, 30)))
    assert not any(made_late)
    with pytest.raises(Conflict):
        await _reserve(ledger, 99, standing=1)
