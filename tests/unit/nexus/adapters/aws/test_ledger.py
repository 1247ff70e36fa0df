"""The ledger in DynamoDB where it differs from the others: conditions instead of locks, and a network between."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.adapters.aws import AwsStores, aws_stores, keys
from nexus.adapters.aws.items import item
from nexus.adapters.aws.keys import TenantContext
from nexus.adapters.aws.ledger import DynamoCallLedger
from nexus.adapters.aws.table import Table
from nexus.adapters.memory import MemoryCallLedger
from nexus.domain.call import CallEntry, EndReason
from nexus.errors import NexusError, NotAuthorised, QuotaExceeded, StoreError, Unavailable
from nexus.ports.calls import CallLedger, CallRef, LedgerOrders
from tests.aws import items_of
from tests.fakes.aws_line import AwsLine
from tests.fakes.stored import NOON, call_id, order, process

Lossy = tuple[AwsStores, AwsLine]
ATTEMPTS = 3


async def reserve(ledger: CallLedger, number: int, *, key: str = "", limit: int = 100, now: datetime = NOON) -> CallEntry:
    return await ledger.reserve(order(key=key), call_id=call_id(number), nonce=f"n{number}", tenant_limit=limit, lease_s=60, now=now)


async def carry(ledger: CallLedger, number: int, *, limit: int = 100) -> None:
    await reserve(ledger, number, limit=limit)
    await ledger.redeem("barber", call_id(number), nonce=f"n{number}", process_id="mp_1", now=NOON)


# --- what the network does -----------------------------------------------------------------------------------------------------


async def test_a_call_whose_redemption_nobody_heard_of_gives_its_slot_back_with_the_next_heartbeat(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    await stores.ledger.heartbeat(process(slots=1))
    await reserve(stores.ledger, 1)
    line.lose("TransactWriteItems", ATTEMPTS)
    with pytest.raises(Unavailable):
        await stores.ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    with pytest.raises(QuotaExceeded):
        await reserve(stores.ledger, 2)
    await stores.ledger.heartbeat(process(slots=1))
    assert (await stores.ledger.get("barber", call_id(1))).state == "ended"
    await carry(stores.ledger, 3)


async def test_a_cancelled_redemption_that_happens_all_the_same_is_taken_back(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    await stores.ledger.heartbeat(process(slots=1))
    await reserve(stores.ledger, 1)
    on_its_way, caller_has_gone = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold() -> None:
        loop.call_soon_threadsafe(on_its_way.set)
        asyncio.run_coroutine_threadsafe(caller_has_gone.wait(), loop).result(5)

    line.before("TransactWriteItems", hold)
    redeeming = asyncio.create_task(stores.ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON))
    await on_its_way.wait()
    redeeming.cancel()
    await asyncio.wait([redeeming])
    await stores.ledger.heartbeat(process(slots=1))  # too early: it has not happened yet
    caller_has_gone.set()
    async with asyncio.timeout(5):
        while (await stores.ledger.get("barber", call_id(1))).state == "ready":  # noqa: ASYNC110  (another machine's work)
            await asyncio.sleep(0)
    await stores.ledger.heartbeat(process(slots=1))
    assert (await stores.ledger.get("barber", call_id(1))).state == "ended"


async def test_a_ticket_tried_again_after_a_bad_moment_is_good_and_its_call_stays(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    await stores.ledger.heartbeat(process(slots=1))
    await reserve(stores.ledger, 1)
    line.refuse("TransactWriteItems", ATTEMPTS)
    with pytest.raises(Unavailable):
        await stores.ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    await stores.ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    await stores.ledger.heartbeat(process(slots=1))
    assert (await stores.ledger.get("barber", call_id(1))).state == "active"


async def test_a_release_that_did_not_get_through_is_made_with_the_next_heartbeat(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    await stores.ledger.heartbeat(process(slots=1))
    await carry(stores.ledger, 1)
    line.refuse("TransactWriteItems", ATTEMPTS)
    with pytest.raises(Unavailable):
        await stores.ledger.release("barber", call_id(1), EndReason.NO_INPUT, NOON)
    await stores.ledger.heartbeat(process(slots=1))
    assert (await stores.ledger.get("barber", call_id(1))).end_reason is EndReason.NO_INPUT
    await carry(stores.ledger, 2)


# --- who comes in between ------------------------------------------------------------------------------------------------------


def others(stores: AwsStores, do: Callable[[DynamoCallLedger], Awaitable[object]]) -> Callable[[], None]:
    """What another machine does meanwhile, over connections of its own."""

    async def run() -> None:
        own = aws_stores(replace(stores.connection.place, workers=2))
        try:
            await do(own.ledger)
        finally:
            own.close()

    return lambda: asyncio.run(run())


async def test_a_seat_counts_of_a_process_that_comes_back_in_that_moment(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    await stores.ledger.heartbeat(process("mp_1"))
    await carry(stores.ledger, 1)
    later = NOON + timedelta(seconds=20)
    await stores.ledger.heartbeat(process("mp_2", seen_at=later))
    line.before("TransactWriteItems", others(stores, lambda ledger: ledger.heartbeat(process("mp_1", seen_at=later))))
    with pytest.raises(QuotaExceeded) as refused:
        await reserve(stores.ledger, 2, limit=1, now=later)
    assert refused.value.code == "tenant_concurrency_exceeded"
    assert (await stores.ledger.get("barber", call_id(1))).state == "active"


async def test_a_ticket_is_too_late_when_a_clock_ahead_has_given_its_slot_away(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    ahead = NOON + timedelta(seconds=61)
    await stores.ledger.heartbeat(process(slots=1, seen_at=ahead))
    await reserve(stores.ledger, 1)
    line.before("TransactWriteItems", others(stores, lambda ledger: reserve(ledger, 2, now=ahead)))
    with pytest.raises(NotAuthorised) as refused:
        await stores.ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON + timedelta(seconds=59))
    assert refused.value.code == "ticket_expired"
    assert (await stores.ledger.redeem("barber", call_id(2), nonce="n2", process_id="mp_1", now=ahead)).state == "active"


async def test_a_call_taken_up_elsewhere_takes_no_slot_that_another_has_just_got(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    await stores.ledger.heartbeat(process("mp_1", slots=1))
    await reserve(stores.ledger, 1)
    await stores.ledger.heartbeat(process("mp_2", slots=1))
    line.before("TransactWriteItems", others(stores, lambda ledger: reserve(ledger, 2)))
    assert (await stores.ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_2", now=NOON)).state == "active"
    assert (await stores.ledger.redeem("barber", call_id(2), nonce="n2", process_id="mp_2", now=NOON)).state == "active"


async def test_what_has_lost_its_places_is_released_without_touching_theirs(lossy_stores: Lossy) -> None:
    stores, _ = lossy_stores
    ahead = NOON + timedelta(seconds=61)
    await stores.ledger.heartbeat(process(slots=1, seen_at=ahead))
    await reserve(stores.ledger, 1)
    await reserve(stores.ledger, 2, now=ahead)
    await stores.ledger.release("barber", call_id(1), EndReason.CAPACITY, ahead)
    assert (await stores.ledger.get("barber", call_id(1))).state == "ended"
    with pytest.raises(QuotaExceeded):
        await reserve(stores.ledger, 3, now=ahead)


async def test_a_release_meets_a_wish_to_end_and_both_are_kept(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    await stores.ledger.heartbeat(process())
    await carry(stores.ledger, 1)
    line.before("TransactWriteItems", others(stores, lambda ledger: ledger.request_end("barber", call_id(1))))
    await stores.ledger.release("barber", call_id(1), EndReason.CALLER_HANGUP, NOON)
    entry = await stores.ledger.get("barber", call_id(1))
    assert (entry.end_requested, entry.end_reason) == (True, EndReason.CALLER_HANGUP)


async def test_a_caller_who_connects_in_the_moment_of_the_end_has_a_living_call_that_is_ended(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    await stores.ledger.heartbeat(process())
    await reserve(stores.ledger, 1)
    line.before(
        "TransactWriteItems", others(stores, lambda ledger: ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON))
    )
    entry = await stores.ledger.request_end("barber", call_id(1))
    assert (entry.state, entry.end_requested) == ("active", True)
    assert (await stores.ledger.heartbeat(process())).to_end == (call_id(1),)


async def test_a_caller_who_comes_in_the_moment_after_the_end_is_refused(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    await stores.ledger.heartbeat(process(slots=1))
    await reserve(stores.ledger, 1)
    line.before("TransactWriteItems", others(stores, lambda ledger: ledger.request_end("barber", call_id(1))))
    with pytest.raises(NotAuthorised) as refused:
        await stores.ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    assert refused.value.code == "ticket_used"
    assert (await stores.ledger.get("barber", call_id(1))).end_reason is EndReason.TENANT_ENDED
    await carry(stores.ledger, 2)


async def test_an_end_whose_answer_was_lost_is_made_once(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    await stores.ledger.heartbeat(process(slots=1))
    await reserve(stores.ledger, 1)
    line.lose("TransactWriteItems", 1)
    over = await stores.ledger.request_end("barber", call_id(1))
    assert (over.state, over.end_reason) == ("ended", EndReason.TENANT_ENDED)
    await carry(stores.ledger, 2)


async def test_a_dead_process_that_comes_back_in_the_moment_of_being_forgotten_stays(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    await stores.ledger.heartbeat(process("mp_1"))
    later = NOON + timedelta(seconds=20)
    line.before("DeleteItem", others(stores, lambda ledger: ledger.heartbeat(process("mp_1", seen_at=later))))
    await stores.ledger.heartbeat(process("mp_2", slots=1, seen_at=later))
    assert (await reserve(stores.ledger, 1, now=later)).process_id == "mp_1"


async def test_the_key_of_a_call_whose_slot_a_clock_ahead_has_given_away_gives_a_new_call(moto_stores: AwsStores) -> None:
    ledger = moto_stores.ledger
    ahead = NOON + timedelta(seconds=61)
    await ledger.heartbeat(process(slots=1, seen_at=ahead))
    await reserve(ledger, 1, key="k")
    await reserve(ledger, 2, now=ahead)
    with pytest.raises(QuotaExceeded):
        await reserve(ledger, 3, key="k")
    await ledger.release("barber", call_id(2), EndReason.CAPACITY, ahead)
    assert (await reserve(ledger, 4, key="k")).call_id == call_id(4)
    assert (await reserve(ledger, 5, key="k")).call_id == call_id(4)


async def test_a_process_that_comes_back_finds_its_seats_counted_again(moto_stores: AwsStores) -> None:
    ledger = moto_stores.ledger
    await ledger.heartbeat(process("mp_1"))
    await carry(ledger, 1, limit=2)
    later = NOON + timedelta(seconds=20)
    await ledger.heartbeat(process("mp_2", seen_at=later))
    for number in (2, 3):
        assert (await reserve(ledger, number, limit=2, now=later)).process_id == "mp_2"
    await ledger.heartbeat(process("mp_1", seen_at=later))
    await ledger.release("barber", call_id(2), EndReason.CAPACITY, later)
    with pytest.raises(QuotaExceeded):
        await reserve(ledger, 4, limit=2, now=later)


# --- what is left behind -------------------------------------------------------------------------------------------------------


async def test_a_dead_process_is_forgotten_when_its_calls_are_recorded_and_not_before(moto_stores: AwsStores) -> None:
    ledger = moto_stores.ledger
    await ledger.heartbeat(process("mp_1"))
    await carry(ledger, 1)
    alive = process("mp_2", seen_at=NOON + timedelta(days=3))
    assert (await ledger.heartbeat(alive)).orphaned == (CallRef("barber", call_id(1)),)
    await ledger.release("barber", call_id(1), EndReason.LOST, alive.seen_at)
    assert (await ledger.heartbeat(alive)).orphaned == ()
    assert [one["sk"] for one in items_of(moto_stores, "FLEET#main")] == ["PROCESS#mp_2"]


async def test_an_ended_call_leaves_no_place_and_nothing_personal(moto_stores: AwsStores) -> None:
    ledger = moto_stores.ledger
    await ledger.heartbeat(process())
    ordered = order().model_copy(update={"caller": order().caller.model_copy(update={"phone": "+972501234567", "name": "Dana"})})
    await ledger.reserve(ordered, call_id=call_id(1), nonce="n", tenant_limit=1, lease_s=60, now=NOON)
    await ledger.redeem("barber", call_id(1), nonce="n", process_id="mp_1", now=NOON)
    for partition in ("FLEET#main", "TENANT#barber#SEATS", f"FLEET#CALL#{call_id(1)}"):
        assert "501234567" not in str(items_of(moto_stores, partition))
    await ledger.release("barber", call_id(1), EndReason.CALLER_HANGUP, NOON)
    assert items_of(moto_stores, "TENANT#barber#SEATS") == []
    assert "Dana" not in str(items_of(moto_stores, "TENANT#barber#CALLS"))


async def test_what_may_go_says_when(moto_stores: AwsStores) -> None:
    ledger = moto_stores.ledger
    await ledger.heartbeat(process())
    await reserve(ledger, 1, key="k")
    lapses = (NOON + timedelta(seconds=60, hours=1)).timestamp()
    [ready] = items_of(moto_stores, "TENANT#barber#CALLS")
    [seat] = items_of(moto_stores, "TENANT#barber#SEATS")
    assert (ready["expires_s"], seat["expires_s"]) == (lapses, lapses)
    assert [one["expires_s"] for one in items_of(moto_stores, "TENANT#barber#CALLKEYS")] == [(NOON + timedelta(days=1)).timestamp()]
    await ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_1", now=NOON)
    [active] = items_of(moto_stores, "TENANT#barber#CALLS")
    [seat] = items_of(moto_stores, "TENANT#barber#SEATS")
    assert active["expires_s"] == (NOON + timedelta(seconds=60, days=30)).timestamp()
    assert "expires_s" not in seat


async def test_two_fleets_share_a_table_and_no_slot(moto_stores: AwsStores) -> None:
    place = replace(moto_stores.connection.place, fleet="canary")
    canary = aws_stores(place)
    await canary.ledger.heartbeat(process("mp_canary"))
    with pytest.raises(QuotaExceeded):
        await reserve(moto_stores.ledger, 1)
    assert (await reserve(canary.ledger, 1)).process_id == "mp_canary"
    canary.close()


async def test_while_releases_change_over_an_older_process_reads_a_newer_ones_items(moto_stores: AwsStores) -> None:
    await moto_stores.ledger.heartbeat(process("mp_new", slots=1))
    await reserve(moto_stores.ledger, 1)
    table = Table(moto_stores.connection)
    for key in (keys.process("main", "mp_new"), keys.call(TenantContext("barber"), call_id(1))):
        found = await table.get(key)
        assert found is not None
        body = {**json.loads(str(found["body"])), "of_a_later_release": {"a": [1]}}
        if "order" in body:
            body["order"]["another"] = 1
        await table.put({**found, "body": json.dumps(body)})
    assert (await moto_stores.ledger.heartbeat(process("mp_old", slots=1))).ready == ()
    assert (await moto_stores.ledger.redeem("barber", call_id(1), nonce="n1", process_id="mp_new", now=NOON)).state == "active"


@pytest.mark.parametrize("body", ["{", "[]", '{"process_id": 1}'])
async def test_a_broken_item_is_a_fault_of_the_store(moto_stores: AwsStores, body: str) -> None:
    await Table(moto_stores.connection).put(item(keys.process("main", "mp_1"), body=body, seen_us=0))
    with pytest.raises(StoreError):
        await moto_stores.ledger.heartbeat(process("mp_2"))


# --- the same as in memory -----------------------------------------------------------------------------------------------------

tenants = st.sampled_from(["barber", "pizza"])
numbers = st.integers(0, 5)
seconds = st.sampled_from([0, 1, 9, 30, 61])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("heartbeat"), st.sampled_from([1, 2, 3])),
        st.tuples(st.just("reserve"), numbers, tenants, st.sampled_from(["", "k1", "k2"]), st.sampled_from([1, 2, 5])),
        st.tuples(st.just("redeem"), numbers, tenants),
        st.tuples(st.just("release"), numbers, tenants),
        st.tuples(st.just("request_end"), numbers, tenants),
        st.tuples(st.just("pass"), seconds),
    ),
    min_size=5,
    max_size=16,
)


STORIES = itertools.count(1)


class Story:
    """The same steps told to a ledger; what it answered."""

    def __init__(self, ledger: CallLedger, prefix: int) -> None:
        self.ledger = ledger
        self.prefix = prefix
        self.at = NOON + timedelta(days=prefix)

    async def tell(self, step: tuple[object, ...]) -> object:
        if step[0] == "pass":
            self.at += timedelta(seconds=int(str(step[1])))
            return None
        try:
            answer = await self._tell(step)
        except NexusError as error:
            return error.code
        if isinstance(answer, LedgerOrders):
            return sorted(answer.to_end), sorted(one.call_id for one in answer.ready), sorted(one.call_id for one in answer.orphaned)
        return answer

    async def _tell(self, step: tuple[object, ...]) -> object:
        match step:
            case ("heartbeat", int(slots)):
                return await self.ledger.heartbeat(process(f"mp_{self.prefix}", slots=slots, seen_at=self.at))
            case ("reserve", int(number), str(tenant), str(key), int(limit)):
                ordered = order(tenant_id=f"{tenant}{self.prefix}", key=key, body=str(number % 2) if key == "k2" else "")
                return await self.ledger.reserve(ordered, call_id=self._id(number), nonce="n", tenant_limit=limit, lease_s=60, now=self.at)
            case ("redeem", int(number), str(tenant)):
                return await self.ledger.redeem(
                    f"{tenant}{self.prefix}", self._id(number), nonce="n", process_id=f"mp_{self.prefix}", now=self.at
                )
            case ("release", int(number), str(tenant)):
                await self.ledger.release(f"{tenant}{self.prefix}", self._id(number), EndReason.CALLER_HANGUP, self.at)
                return None
            case ("request_end", int(number), str(tenant)):
                return await self.ledger.request_end(f"{tenant}{self.prefix}", self._id(number))
        raise AssertionError(step)

    def _id(self, number: int) -> str:
        return call_id(self.prefix * 100 + number)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(told=steps)
async def test_any_story_of_one_process_is_answered_as_in_memory(emulator_stores: AwsStores, told: list[tuple[object, ...]]) -> None:
    number = next(STORIES)
    ledger = DynamoCallLedger(Table(emulator_stores.connection), f"story{number}")
    ours, memory = Story(ledger, number), Story(MemoryCallLedger(), number)
    used: set[object] = set()
    for step in [("heartbeat", 2), *told]:
        if step[0] == "reserve":
            if step[1] in used:  # ids are fresh
                continue
            used.add(step[1])
        assert await ours.tell(step) == await memory.tell(step), step
