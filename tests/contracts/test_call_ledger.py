"""Every call ledger: seats, slots, leases, single use."""

from __future__ import annotations

import asyncio
from datetime import timedelta, timezone

import pytest

from nexus.domain.call import CallEntry, Caller, EndReason
from nexus.errors import Conflict, NotAuthorised, NotFound, QuotaExceeded
from nexus.ports.calls import CallLedger, CallRef
from tests.contracts.reserving import LEASE_S, reserve_call
from tests.fakes.stored import NOON, call_id, order, process


async def test_a_call_is_reserved_redeemed_and_released(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    ready = await reserve_call(ledger, 1)
    assert (ready.state, ready.process_id, ready.lease_expires_at) == ("ready", "mp_1", NOON + timedelta(seconds=LEASE_S))
    active = await ledger.redeem("barber", ready.call_id, nonce="n1", process_id="mp_1", now=NOON)
    assert active.state == "active"
    await ledger.release("barber", ready.call_id, EndReason.CALLER_HANGUP, NOON)
    assert (await ledger.get("barber", ready.call_id)).end_reason is EndReason.CALLER_HANGUP


async def test_a_call_ends_once(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await reserve_call(ledger, 1)
    assert await ledger.release("barber", call_id(1), EndReason.CALLER_HANGUP, NOON) is True
    assert await ledger.release("barber", call_id(1), EndReason.LOST, NOON) is False
    assert await ledger.release("barber", call_id(9), EndReason.LOST, NOON) is False
    assert (await ledger.get("barber", call_id(1))).end_reason is EndReason.CALLER_HANGUP


async def test_an_active_call_keeps_its_seat_and_an_ended_one_gives_it_back(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=1))
    await reserve_call(ledger, 1)
    await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    later = NOON + timedelta(minutes=10)
    await ledger.heartbeat(process(slots=1, seen_at=later))
    with pytest.raises(QuotaExceeded):
        await reserve_call(ledger, 2, now=later)
    await ledger.release("barber", call_id(1), EndReason.CALLER_HANGUP, later)
    assert (await reserve_call(ledger, 3, now=later)).process_id == "mp_1"


async def test_a_process_is_alive_for_ten_seconds(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(seen_at=NOON - timedelta(seconds=9)))
    assert (await reserve_call(ledger, 1)).state == "ready"


async def test_a_lapsed_lease_frees_the_slot_and_the_ticket_is_too_late(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=1))
    await reserve_call(ledger, 1)
    later = NOON + timedelta(seconds=LEASE_S)
    await ledger.heartbeat(process(slots=1, seen_at=later))
    assert (await reserve_call(ledger, 2, now=later)).state == "ready"
    with pytest.raises(NotAuthorised) as refused:
        await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=later)
    assert refused.value.code == "ticket_expired"


@pytest.mark.parametrize("connected", [False, True])
async def test_calls_of_a_dead_process_hold_no_seat(ledger: CallLedger, connected: bool) -> None:
    await ledger.heartbeat(process("mp_dead"))
    await reserve_call(ledger, 1, limit=1)
    if connected:
        await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_dead", now=NOON)
    later = NOON + timedelta(seconds=20)
    await ledger.heartbeat(process("mp_alive", seen_at=later))
    assert (await reserve_call(ledger, 2, limit=1, now=later)).process_id == "mp_alive"


async def test_active_calls_of_a_dead_process_are_told_until_somebody_releases_them(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_dead"))
    await reserve_call(ledger, 1)
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
    await reserve_call(ledger, 1)
    await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_dead", now=NOON)
    told = await asyncio.gather(*(ledger.release("barber", call_id(1), EndReason.LOST, NOON) for _ in range(5)))
    assert sorted(told) == [False, False, False, False, True]


async def test_a_nonce_burns_once_even_when_many_try(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await reserve_call(ledger, 1)
    tries = (ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON) for _ in range(20))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, CallEntry) for one in results) == 1
    assert {one.code for one in results if isinstance(one, NotAuthorised)} == {"ticket_used"}


async def test_a_stranger_nonce_and_a_stranger_call_are_refused(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await reserve_call(ledger, 1)
    with pytest.raises(NotAuthorised) as wrong:
        await ledger.redeem("barber", call_id(1), nonce="other", process_id="mp_1", now=NOON)
    assert wrong.value.code == "ticket_used"
    with pytest.raises(NotFound) as unknown:
        await ledger.redeem("barber", call_id(2), nonce="n1", process_id="mp_1", now=NOON)
    assert unknown.value.code == "call_not_found"


async def test_another_tenant_cannot_see_or_end_a_call(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await reserve_call(ledger, 1)
    for refusal in (ledger.get("pizza", call_id(1)), ledger.request_end("pizza", call_id(1)), ledger.get("barber", call_id(2))):
        with pytest.raises(NotFound) as refused:
            await refusal
        assert refused.value.code == "call_not_found"
    assert not (await ledger.get("barber", call_id(1))).end_requested


async def test_a_wish_to_end_reaches_the_holding_process_only(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_1"))
    await reserve_call(ledger, 1)
    await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    assert (await ledger.request_end("barber", call_id(1))).end_requested
    assert (await ledger.heartbeat(process("mp_2"))).to_end == ()
    assert (await ledger.heartbeat(process("mp_1"))).to_end == (call_id(1),)
    await ledger.release("barber", call_id(1), EndReason.TENANT_ENDED, NOON)
    assert (await ledger.heartbeat(process("mp_1"))).to_end == ()


async def test_a_process_is_told_of_the_calls_that_wait_for_it(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_1"))
    entry = await reserve_call(ledger, 1)
    assert (await ledger.heartbeat(process("mp_1"))).ready == (entry,)
    assert (await ledger.heartbeat(process("mp_2"))).ready == ()
    await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    assert (await ledger.heartbeat(process("mp_1"))).ready == ()


async def test_a_call_whose_lease_has_passed_waits_no_longer(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    entry = await reserve_call(ledger, 1)
    last = entry.lease_expires_at - timedelta(milliseconds=1)
    assert (await ledger.heartbeat(process(seen_at=last))).ready == (entry,)
    assert (await ledger.heartbeat(process(seen_at=entry.lease_expires_at))).ready == ()


async def test_a_released_call_waits_no_longer(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await reserve_call(ledger, 1)
    await ledger.release("barber", call_id(1), EndReason.CAPACITY, NOON)
    assert (await ledger.heartbeat(process())).ready == ()


async def test_times_of_other_zones_are_the_same_moments(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(seen_at=NOON.astimezone(timezone(timedelta(hours=-8)))))
    await reserve_call(ledger, 1, now=NOON.astimezone(timezone(timedelta(hours=9))))
    with pytest.raises(NotAuthorised):
        await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON + timedelta(seconds=LEASE_S + 1))


async def test_an_ended_call_keeps_nothing_personal(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    ordered = order().model_copy(update={"caller": order().caller.model_copy(update={"phone": "+972501234567"})})
    await reserve_call(ledger, 1, ordered)
    await ledger.release("barber", call_id(1), EndReason.CALLER_HANGUP, NOON)
    assert (await ledger.get("barber", call_id(1))).order.caller.phone == ""


async def test_a_call_that_another_process_takes_up_counts_there(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_1", slots=2))
    entry = await reserve_call(ledger, 1)
    await ledger.heartbeat(process("mp_2", slots=1))
    assert (await ledger.redeem("barber", entry.call_id, nonce="n1", process_id="mp_2", now=NOON)).process_id == "mp_2"
    for number in (2, 3):
        assert (await reserve_call(ledger, number)).process_id == "mp_1"
    with pytest.raises(QuotaExceeded):
        await reserve_call(ledger, 4)
    await ledger.request_end("barber", entry.call_id)
    assert (await ledger.heartbeat(process("mp_2", slots=1))).to_end == (entry.call_id,)
    await ledger.release("barber", entry.call_id, EndReason.TENANT_ENDED, NOON)
    assert (await reserve_call(ledger, 5)).process_id == "mp_2"


async def test_a_call_that_is_not_connected_ends_when_it_is_asked_to(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=1))
    await reserve_call(ledger, 1, order(key="k").model_copy(update={"caller": Caller(phone="+972501234567")}), limit=1)
    over = await ledger.request_end("barber", call_id(1))
    assert (over.state, over.end_reason, over.end_requested) == ("ended", EndReason.TENANT_ENDED, True)
    assert over.order.caller == Caller()
    assert await ledger.request_end("barber", call_id(1)) == over == await ledger.get("barber", call_id(1)), "again changes nothing"
    assert await ledger.release("barber", call_id(1), EndReason.LOST, NOON) is False, "it has ended once"
    told = await ledger.heartbeat(process(slots=1))
    assert (told.ready, told.to_end, told.orphaned) == ((), (), ())
    assert (await reserve_call(ledger, 2, limit=1)).seats_used == 1, "its seat and its slot are free"
    with pytest.raises(NotAuthorised, match="is over") as refused:
        await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    assert refused.value.code == "ticket_used"
    with pytest.raises(Conflict, match="is over") as repeated:
        await reserve_call(ledger, 3, order(key="k"))
    assert repeated.value.code == "call_already_connected"


async def test_an_end_takes_nothing_from_whoever_has_the_places_of_a_lapsed_call(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=1))
    await reserve_call(ledger, 1)
    later = NOON + timedelta(seconds=LEASE_S)
    await ledger.heartbeat(process(slots=1, seen_at=later))
    await reserve_call(ledger, 2, now=later)
    assert (await ledger.request_end("barber", call_id(1))).state == "ended"
    with pytest.raises(QuotaExceeded):
        await reserve_call(ledger, 3, now=later)
    assert (await ledger.redeem("barber", call_id(2), nonce="n2", process_id="mp_1", now=later)).state == "active"


async def test_a_caller_who_connects_while_the_end_is_asked_for_meets_it_once_either_way(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=20))
    for number in range(10):
        await reserve_call(ledger, number)

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
    assert (await reserve_call(ledger, 20, limit=1)).seats_used == 1


async def test_a_process_that_comes_back_still_has_its_calls(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_1", slots=2))
    await reserve_call(ledger, 1)
    await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    later = NOON + timedelta(seconds=30)
    await ledger.heartbeat(process("mp_2", slots=1, seen_at=later))
    await ledger.heartbeat(process("mp_1", slots=2, seen_at=later))
    assert (await ledger.heartbeat(process("mp_2", slots=1, seen_at=later))).orphaned == ()
    for number in (2, 3):
        await reserve_call(ledger, number, now=later)
    with pytest.raises(QuotaExceeded):
        await reserve_call(ledger, 4, now=later)


async def test_a_call_is_nobody_elses_to_take_up_or_give_back(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await reserve_call(ledger, 1)
    with pytest.raises(NotFound) as refused:
        await ledger.redeem("pizza", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    assert refused.value.code == "call_not_found"
    await ledger.release("pizza", call_id(1), EndReason.CAPACITY, NOON)
    assert (await ledger.get("barber", call_id(1))).state == "ready"


async def test_a_call_knows_where_its_process_is_reached(ledger: CallLedger) -> None:
    await ledger.heartbeat(process().model_copy(update={"url": "ws://10.0.3.7:8000"}))
    await reserve_call(ledger, 1)
    assert (await ledger.get("barber", call_id(1))).process_url == "ws://10.0.3.7:8000"
