"""Every call ledger: an order that is repeated, and one whose tenant has changed meanwhile."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from nexus.domain.tenancy import HEAD_KEY
from nexus.errors import Conflict, NotAuthorised, NotFound, QuotaExceeded, RequestRejected, Unavailable
from nexus.ports.calls import CallLedger
from nexus.ports.documents import DocumentStore, Put
from tests.contracts.reserving import LEASE_S, reserve_call
from tests.fakes.stored import NOON, call_id, order, process


async def test_the_same_key_gives_the_same_call_and_spends_the_older_ticket(ledger: CallLedger) -> None:
    await ledger.heartbeat(process(slots=1))
    await reserve_call(ledger, 1, order(key="k", body="b"))
    later = NOON + timedelta(seconds=30)
    await ledger.heartbeat(process(slots=1, seen_at=later))
    again = await reserve_call(ledger, 2, order(key="k", body="b"), limit=1, nonce="newer", now=later)
    assert (again.call_id, again.nonce, again.lease_expires_at) == (call_id(1), "newer", later + timedelta(seconds=LEASE_S))
    with pytest.raises(NotAuthorised):
        await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=later)
    assert (await ledger.redeem("barber", call_id(1), nonce="newer", process_id="mp_1", now=later)).state == "active"


async def test_a_key_with_another_body_is_refused(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await reserve_call(ledger, 1, order(key="k", body="b"))
    with pytest.raises(RequestRejected) as refused:
        await reserve_call(ledger, 2, order(key="k", body="c"))
    assert refused.value.code == "idempotency_key_reused"


async def test_the_key_of_a_call_that_has_begun_is_refused(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await reserve_call(ledger, 1, order(key="k"))
    await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    with pytest.raises(Conflict) as refused:
        await reserve_call(ledger, 2, order(key="k"))
    assert refused.value.code == "call_already_connected"


async def test_keys_of_two_tenants_are_strangers(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    await reserve_call(ledger, 1, order(key="k"))
    assert (await reserve_call(ledger, 2, order(tenant_id="pizza", key="k"))).call_id == call_id(2)


async def test_of_many_with_the_same_key_at_once_all_get_the_same_call(ledger: CallLedger) -> None:
    await ledger.heartbeat(process())
    tries = (reserve_call(ledger, number, order(key="k", body="b")) for number in range(10))
    assert len({one.call_id for one in await asyncio.gather(*tries)}) == 1
    with pytest.raises(QuotaExceeded):
        await reserve_call(ledger, 20, limit=1)


async def test_the_same_key_is_a_new_call_when_the_process_of_the_first_has_died(ledger: CallLedger) -> None:
    await ledger.heartbeat(process("mp_dead"))
    await reserve_call(ledger, 1, order(key="k", body="b"))
    later = NOON + timedelta(seconds=20)  # the lease still runs
    await ledger.heartbeat(process("mp_alive", seen_at=later))
    again = await reserve_call(ledger, 2, order(key="k", body="b"), limit=1, now=later)
    assert (again.call_id, again.process_id) == (call_id(2), "mp_alive")
    third = await reserve_call(ledger, 3, order(key="k", body="b"), limit=1, nonce="newer", now=later)
    assert (third.call_id, third.nonce) == (call_id(2), "newer")


async def test_a_call_is_made_only_while_the_tenant_stands_as_it_was_read(beside: tuple[CallLedger, DocumentStore]) -> None:
    ledger, documents = beside
    await ledger.heartbeat(process())
    assert (await reserve_call(ledger, 1, standing=0)).state == "ready"
    with pytest.raises(Conflict) as refused:
        await reserve_call(ledger, 2, standing=1)
    assert refused.value.code == "conflict"
    (version,) = await documents.write("barber", Put(HEAD_KEY, {"state": "active"}))
    assert (await reserve_call(ledger, 3, standing=version)).state == "ready"
    await documents.write("barber", Put(HEAD_KEY, {"state": "suspended"}))
    for stale in (0, version):
        with pytest.raises(Conflict):
            await reserve_call(ledger, 4, standing=stale)
    with pytest.raises(NotFound):
        await ledger.get("barber", call_id(4))
    assert (await reserve_call(ledger, 5)).seats_used == 3, "a refused one holds no seat, and who names no standing is not asked for it"


async def test_a_repeated_call_gets_no_fresh_ticket_either(beside: tuple[CallLedger, DocumentStore]) -> None:
    ledger, documents = beside
    await ledger.heartbeat(process())
    await documents.write("barber", Put(HEAD_KEY, {"state": "active"}))
    await reserve_call(ledger, 1, order(key="k"), standing=1)
    await documents.write("barber", Put(HEAD_KEY, {"state": "suspended"}))
    with pytest.raises(Conflict) as refused:
        await reserve_call(ledger, 2, order(key="k"), nonce="fresh", standing=1)
    assert refused.value.code == "conflict"
    assert (await ledger.get("barber", call_id(1))).nonce == "n1"


async def test_a_head_that_has_expired_is_none(beside: tuple[CallLedger, DocumentStore]) -> None:
    ledger, documents = beside
    await ledger.heartbeat(process())
    await documents.write("barber", Put(HEAD_KEY, {"state": "deleted"}, expires_at=NOON - timedelta(seconds=1)))
    assert (await reserve_call(ledger, 1, standing=0)).state == "ready"


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
            await reserve_call(ledger, number, standing=1)
        except (Conflict, Unavailable):
            return False
        return after

    made_late = await asyncio.gather(*(create(number) for number in range(10)), suspend(), *(create(number) for number in range(10, 30)))
    assert not any(made_late)
    with pytest.raises(Conflict):
        await reserve_call(ledger, 99, standing=1)
