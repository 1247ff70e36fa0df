"""Every call ledger: who gets a slot when there are few, and what those are told who get none."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from nexus.domain.call import CallEntry, EndReason
from nexus.errors import QuotaExceeded
from nexus.ports.calls import CallLedger
from tests.contracts.reserving import LEASE_S, reserve_call
from tests.fakes.stored import NOON, call_id, order, process


async def test_two_hundred_at_once_on_ten_slots_let_ten_in(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=10))
    results = await asyncio.gather(*(reserve_call(ledger, number, limit=500) for number in range(200)), return_exceptions=True)
    assert sum(isinstance(one, CallEntry) for one in results) == 10
    assert {one.code for one in results if isinstance(one, QuotaExceeded)} == {"no_engine_slot"}


async def test_a_tenant_at_its_limit_does_not_hold_up_another(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await reserve_call(ledger, 1, limit=1)
    with pytest.raises(QuotaExceeded) as refused:
        await reserve_call(ledger, 2, limit=1)
    assert refused.value.code == "tenant_concurrency_exceeded"
    assert (await reserve_call(ledger, 3, order(tenant_id="pizza"), limit=1)).state == "ready"


async def test_calls_go_where_most_slots_are_free(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_small", slots=2))
    await ledger.heartbeat(process("mp_large", slots=4))
    taken = Counter([(await reserve_call(ledger, number)).process_id for number in range(6)])
    assert taken == {"mp_large": 4, "mp_small": 2}


async def test_a_process_that_yields_is_given_a_call_only_where_no_other_has_room(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_old", slots=9, yields=True))
    await ledger.heartbeat(process("mp_new", slots=2))
    assert [(await reserve_call(ledger, number)).process_id for number in range(3)] == ["mp_new", "mp_new", "mp_old"]
    await ledger.heartbeat(process("mp_old", slots=9))
    await ledger.heartbeat(process("mp_newer", slots=4))
    assert (await reserve_call(ledger, 3)).process_id == "mp_old", "it does no longer"


@pytest.mark.parametrize("case", ["none", "dead", "draining"])
async def test_without_a_process_that_takes_calls_there_is_no_slot(ledger: CallLedger, case: str) -> None:
    if case != "none":
        age_s = 11 if case == "dead" else 0
        await ledger.heartbeat(process(seen_at=NOON - timedelta(seconds=age_s), draining=case == "draining"))
    with pytest.raises(QuotaExceeded) as refused:
        await reserve_call(ledger, 1)
    assert refused.value.code == "no_engine_slot"
    assert refused.value.retry_after_s > 0


async def test_sixty_at_once_of_a_tenant_with_seven_seats_let_seven_in(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=50))
    results = await asyncio.gather(*(reserve_call(ledger, number, limit=7) for number in range(60)), return_exceptions=True)
    assert sum(isinstance(one, CallEntry) for one in results) == 7
    assert {one.code for one in results if isinstance(one, QuotaExceeded)} == {"tenant_concurrency_exceeded"}


async def test_of_many_at_once_each_of_many_small_processes_takes_one(ledger: CallLedger) -> None:
    for number in range(6):
        await ledger.heartbeat(process(f"mp_{number}", slots=1))
    results = await asyncio.gather(*(reserve_call(ledger, number) for number in range(20)), return_exceptions=True)
    assert sorted(one.process_id for one in results if isinstance(one, CallEntry)) == [f"mp_{number}" for number in range(6)]


async def test_a_lower_limit_counts_the_calls_that_are_there(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    for number in range(4):
        await reserve_call(ledger, number, limit=4)
    await ledger.release("barber", call_id(0), EndReason.CALLER_HANGUP, NOON)
    for limit in (1, 2, 3):
        with pytest.raises(QuotaExceeded):
            await reserve_call(ledger, 5, limit=limit)
    assert (await reserve_call(ledger, 5, limit=4)).state == "ready"


async def test_a_process_that_can_carry_fewer_takes_no_more_until_calls_have_ended(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=3))
    for number in range(3):
        await reserve_call(ledger, number)
    await ledger.heartbeat(process(slots=2))
    await ledger.release("barber", call_id(2), EndReason.CALLER_HANGUP, NOON)
    with pytest.raises(QuotaExceeded):
        await reserve_call(ledger, 4)
    await ledger.release("barber", call_id(0), EndReason.CALLER_HANGUP, NOON)
    assert (await reserve_call(ledger, 5)).process_id == "mp_1"


async def test_a_reservation_tells_how_many_the_tenant_has_and_a_refusal_too(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    assert [(await reserve_call(ledger, number, limit=2)).seats_used for number in (1, 2)] == [1, 2]
    with pytest.raises(QuotaExceeded) as refused:
        await reserve_call(ledger, 3, limit=2)
    assert refused.value.usage == (2, 2)


async def test_a_tenant_that_is_alone_may_use_every_slot(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_1", slots=3))
    await ledger.heartbeat(process("mp_2", slots=4))
    for number in range(7):
        await reserve_call(ledger, number)
    with pytest.raises(QuotaExceeded) as refused:
        await reserve_call(ledger, 8)
    assert refused.value.code == "no_engine_slot"


async def test_of_two_tenants_none_takes_the_last_slots_beyond_its_share(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=10))
    await reserve_call(ledger, 0, order(tenant_id="pizza"))
    for number in range(1, 9):
        await reserve_call(ledger, number)
    with pytest.raises(QuotaExceeded) as refused:
        await reserve_call(ledger, 9)
    assert (refused.value.code, refused.value.usage) == ("fair_share_exceeded", (8, 5))
    assert refused.value.retry_after_s > 0
    await reserve_call(ledger, 10, order(tenant_id="pizza"))
    for number in range(1, 5):  # what the large one gives back goes to the small one, until they are even
        await ledger.release("barber", call_id(number), EndReason.CALLER_HANGUP, NOON)
        if number < 4:
            with pytest.raises(QuotaExceeded) as refused:
                await reserve_call(ledger, 20 + number)
            assert refused.value.code == "fair_share_exceeded"
        await reserve_call(ledger, 30 + number, order(tenant_id="pizza" if number < 4 else "barber"))
    assert (await ledger.get("pizza", call_id(33))).state == "ready"


async def test_a_tenant_that_weighs_more_is_due_more(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=8))
    heavy = order().model_copy(update={"weight": 3})
    await reserve_call(ledger, 0, order(tenant_id="pizza"))
    await reserve_call(ledger, 1, order(tenant_id="pizza"))
    for number in range(2, 7):
        await reserve_call(ledger, number, heavy)
    with pytest.raises(QuotaExceeded) as refused:  # 2 of 8 are the light one's share
        await reserve_call(ledger, 10, order(tenant_id="pizza"))
    assert (refused.value.code, refused.value.usage) == ("fair_share_exceeded", (2, 2))
    assert (await reserve_call(ledger, 7, heavy)).seats_used == 6


async def test_racers_of_one_tenant_leave_another_its_slot(ledger: CallLedger) -> None:
    for name in ("mp_1", "mp_2"):
        await ledger.heartbeat(process(name, slots=5))
    await reserve_call(ledger, 0, order(tenant_id="pizza"))
    results = await asyncio.gather(*(reserve_call(ledger, number) for number in range(1, 41)), return_exceptions=True)
    assert sum(isinstance(one, CallEntry) for one in results) == 8
    assert {one.code for one in results if isinstance(one, QuotaExceeded)} == {"fair_share_exceeded"}
    assert (await reserve_call(ledger, 50, order(tenant_id="pizza"))).state == "ready"


async def test_a_refusal_says_when_room_comes(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=2))
    await reserve_call(ledger, 1, order(max_duration_s=240), limit=1)
    with pytest.raises(QuotaExceeded) as own:
        await reserve_call(ledger, 2, limit=1, now=NOON + timedelta(seconds=1))
    assert (own.value.code, own.value.retry_after_s) == ("tenant_concurrency_exceeded", LEASE_S - 1)
    await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    await reserve_call(ledger, 3, order(max_duration_s=300), now=NOON + timedelta(seconds=9))
    with pytest.raises(QuotaExceeded) as lease:
        await reserve_call(ledger, 4, now=NOON + timedelta(seconds=9))
    assert (lease.value.code, lease.value.retry_after_s) == ("no_engine_slot", LEASE_S)
    await ledger.redeem("barber", call_id(3), nonce="n3", process_id="mp_1", now=NOON + timedelta(seconds=9))
    with pytest.raises(QuotaExceeded) as calls:
        await reserve_call(ledger, 5, now=NOON + timedelta(seconds=9))
    assert calls.value.retry_after_s == 161, "291 s and 360 s are left to two calls: the first of them ends after 160.9 s on average"
