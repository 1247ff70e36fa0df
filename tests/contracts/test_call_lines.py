"""Every ledger: lines for living calls are taken by the call's own process, in order, each once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from nexus.adapters.memory import MemoryCallLedger
from nexus.adapters.rules import MOST_LINES
from nexus.adapters.sqlite import Database, SqliteCallLedger
from nexus.domain.call import EndReason, LineOrder
from nexus.errors import Conflict, NotFound, QuotaExceeded
from nexus.ports.calls import CallLinesTaken, LiveLedger
from tests.aws import AWS, aws
from tests.fakes.stored import NOON, call_id, order, process


@pytest.fixture(params=["memory", "sqlite", *AWS])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> LiveLedger:
    match request.param:
        case "memory":
            return MemoryCallLedger()
        case "sqlite":
            return SqliteCallLedger(Database(tmp_path / "nexus.sqlite"))
    return aws(request).ledger


def line(number: int) -> LineOrder:
    return LineOrder(order_id=f"order_{number}", kind="say", text=f"Line {number}", mode="now")


async def _ready(ledger: LiveLedger, number: int = 1) -> None:
    await ledger.heartbeat(process())
    await ledger.reserve(order(), call_id=call_id(number), nonce="n", tenant_limit=9, lease_s=60, now=NOON)


async def _active(ledger: LiveLedger, number: int = 1) -> None:
    await _ready(ledger, number)
    await ledger.redeem("barber", call_id(number), nonce="n", process_id="mp_1", now=NOON)


async def test_lines_are_taken_in_order_and_once(ledger: LiveLedger) -> None:
    await _active(ledger)
    for number in (1, 2, 3):
        await ledger.request_line("barber", call_id(1), line(number))
    assert (await ledger.heartbeat(process())).lines == (CallLinesTaken(call_id(1), (line(1), line(2), line(3))),)
    assert (await ledger.heartbeat(process())).lines == ()
    await ledger.request_line("barber", call_id(1), line(4))
    assert (await ledger.heartbeat(process())).lines == (CallLinesTaken(call_id(1), (line(4),)),)


async def test_only_the_process_that_holds_the_call_takes_them(ledger: LiveLedger) -> None:
    await _active(ledger)
    await ledger.request_line("barber", call_id(1), line(1))
    assert (await ledger.heartbeat(process("mp_2"))).lines == ()
    assert len((await ledger.heartbeat(process())).lines) == 1


async def test_an_order_to_end_and_lines_do_not_disturb_each_other(ledger: LiveLedger) -> None:
    await _active(ledger)
    await ledger.request_line("barber", call_id(1), line(1))
    await ledger.request_end("barber", call_id(1))
    told = await ledger.heartbeat(process())
    assert (told.to_end, [one.lines for one in told.lines]) == ((call_id(1),), [(line(1),)])
    assert (await ledger.get("barber", call_id(1))).end_requested
    with pytest.raises(Conflict):
        await ledger.request_line("barber", call_id(1), line(2))


async def test_a_call_that_does_not_live_takes_none(ledger: LiveLedger) -> None:
    await _ready(ledger)
    with pytest.raises(Conflict) as early:
        await ledger.request_line("barber", call_id(1), line(1))
    await ledger.redeem("barber", call_id(1), nonce="n", process_id="mp_1", now=NOON)
    await ledger.request_line("barber", call_id(1), line(1))
    await ledger.release("barber", call_id(1), EndReason.CALLER_HANGUP, NOON)
    with pytest.raises(Conflict) as late:
        await ledger.request_line("barber", call_id(1), line(2))
    assert (early.value.code, late.value.code) == ("call_not_active", "call_not_active")
    assert (await ledger.get("barber", call_id(1))).lines == (), "what was not said is not kept"
    assert (await ledger.heartbeat(process())).lines == ()


async def test_strangers_find_no_call(ledger: LiveLedger) -> None:
    await _active(ledger)
    for tenant, number in (("pizza", 1), ("barber", 2)):
        with pytest.raises(NotFound) as refused:
            await ledger.request_line(tenant, call_id(number), line(1))
        assert refused.value.code == "call_not_found"


async def test_the_queue_is_bounded_and_says_so(ledger: LiveLedger) -> None:
    await _active(ledger)
    for number in range(MOST_LINES):
        await ledger.request_line("barber", call_id(1), line(number))
    with pytest.raises(QuotaExceeded) as refused:
        await ledger.request_line("barber", call_id(1), line(99))
    assert (refused.value.code, refused.value.usage) == ("too_many_lines", (MOST_LINES, MOST_LINES))
    await ledger.heartbeat(process())
    await ledger.request_line("barber", call_id(1), line(99))


async def test_many_who_order_while_a_heartbeat_takes_lose_and_double_nothing(ledger: LiveLedger) -> None:
    await _active(ledger)
    taken: list[str] = []

    async def beat(at: int) -> None:
        told = await ledger.heartbeat(process(seen_at=NOON + timedelta(milliseconds=at)))
        taken.extend(each.order_id for one in told.lines for each in one.lines)

    await asyncio.gather(*(ledger.request_line("barber", call_id(1), line(number)) for number in range(5)), *(beat(at) for at in range(3)))
    await beat(10)
    assert sorted(taken) == [f"order_{number}" for number in range(5)]
