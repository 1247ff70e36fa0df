"""An answer that is lost on the way: the client sends again, and nobody takes his own writing for somebody else's."""

from __future__ import annotations

from nexus.adapters.aws import AwsStores
from nexus.domain.call import EndReason
from nexus.ports.tools import Effect
from nexus.tools import Stored
from tests.fakes.aws_line import AwsLine
from tests.fakes.stored import NOON, call_id, order, private, process, record, turn_noted

Lossy = tuple[AwsStores, AwsLine]


async def test_who_took_the_slot_is_not_told_that_it_is_taken(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    line.lose("PutItem")
    assert await stores.tool_values.put("barber", "10:00", "Dana", new_only=True) == Stored("10:00", "Dana", 1)
    assert line.counted["PutItem"] == 2


async def test_who_began_an_effect_may_act(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    line.lose("PutItem")
    assert await stores.effects.begin("barber", call_id(1), "e", "book") == Effect("new")
    assert await stores.effects.begin("barber", call_id(1), "e", "book") == Effect("pending")


async def test_a_journal_holds_each_entry_once(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    await stores.journal.append(call_id(1), (turn_noted(0, "a"),))
    line.lose("PutItem")
    await stores.journal.append(call_id(1), (turn_noted(1, "b"),))
    await stores.journal.append(call_id(1), (turn_noted(2, "c"),))
    assert await stores.journal.read(call_id(1)) == (turn_noted(0, "a"), turn_noted(1, "b"), turn_noted(2, "c"))


async def test_a_call_takes_one_seat_and_burns_its_nonce_for_itself(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    await stores.ledger.heartbeat(process(slots=2))
    line.lose("TransactWriteItems")
    entry = await stores.ledger.reserve(order(), call_id=call_id(1), nonce="n1", tenant_limit=2, lease_s=60, now=NOON)
    line.lose("TransactWriteItems")
    assert (await stores.ledger.redeem("barber", entry.call_id, nonce="n1", process_id="mp_1", now=NOON)).state == "active"
    line.lose("TransactWriteItems")
    await stores.ledger.release("barber", entry.call_id, EndReason.CALLER_HANGUP, NOON)
    assert (await stores.ledger.get("barber", entry.call_id)).end_reason is EndReason.CALLER_HANGUP
    for number in (2, 3):
        await stores.ledger.reserve(order(), call_id=call_id(number), nonce="n", tenant_limit=2, lease_s=60, now=NOON)


async def test_an_archived_session_is_whole(lossy_stores: Lossy) -> None:
    stores, line = lossy_stores
    line.lose("PUT", 2)
    await stores.archive.put(record(), private())
    assert await stores.archive.get("barber", call_id(1)) == record()
    assert await stores.archive.get_private("barber", call_id(1)) == private()
