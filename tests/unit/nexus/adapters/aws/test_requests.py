"""How many requests each operation makes: the table in docs/dynamodb.md is what is measured."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from nexus.adapters.aws import AwsStores
from nexus.domain.call import EndReason
from nexus.ports.documents import Put
from nexus.ports.sessions import SessionFilter
from tests.fakes.aws_line import AwsLine
from tests.fakes.stored import NOON, analysis, call_id, order, private, process, record, row, turn_noted

DOCUMENT = Path(__file__).parents[5] / "docs" / "dynamodb.md"
Operation = Callable[[AwsStores], Awaitable[object]]


async def _reserve(stores: AwsStores, number: int, key: str = "") -> object:
    return await stores.ledger.reserve(order(key=key), call_id=call_id(number), nonce="n", tenant_limit=9, lease_s=60, now=NOON)


async def _given(stores: AwsStores) -> None:
    """One of everything; of calls one that is connected (1) and three that wait, 2 with a key."""
    await stores.documents.write("barber", Put("a", {}))
    await stores.ledger.heartbeat(process())
    for number, key in ((1, ""), (2, "k"), (3, ""), (7, "")):
        await _reserve(stores, number, key)
    await stores.ledger.redeem("barber", call_id(1), nonce="n", process_id="mp_1", now=NOON)
    await stores.sessions.put(row(1))
    await stores.leads.put(analysis(1))
    await stores.tool_values.put("barber", "k", 1)
    await stores.effects.begin("barber", call_id(1), "e", "book")
    await stores.journal.append(call_id(1), (turn_noted(0, "a"),))
    await stores.archive.put(record(1), private(1, days=1))


# One after the other, over the same stores.
OPERATIONS: dict[str, Operation] = {
    "documents.get": lambda stores: stores.documents.get("barber", "a"),
    "documents.list": lambda stores: stores.documents.list("barber", "", limit=1),
    "documents.write": lambda stores: stores.documents.write("barber", Put("a", {}, expected=1), Put("b", {})),
    "documents.write, one new": lambda stores: stores.documents.write("barber", Put("c", {}, expected=0)),
    "tool_values.get": lambda stores: stores.tool_values.get("barber", "k"),
    "tool_values.put": lambda stores: stores.tool_values.put("barber", "k", 2),
    "tool_values.put, new only": lambda stores: stores.tool_values.put("barber", "new", 2, new_only=True),
    "tool_values.list": lambda stores: stores.tool_values.list("barber", ""),
    "tool_values.delete": lambda stores: stores.tool_values.delete("barber", "k"),
    "effects.begin": lambda stores: stores.effects.begin("barber", call_id(1), "f", "book"),
    "effects.finish": lambda stores: stores.effects.finish("barber", call_id(1), "e", output="done"),
    "effects.forget": lambda stores: stores.effects.forget("barber", call_id(1), "e"),
    "sessions.put": lambda stores: stores.sessions.put(row(2)),
    "sessions.list": lambda stores: stores.sessions.list("barber", SessionFilter(), limit=1),
    "sessions.list, by status": lambda stores: stores.sessions.list("barber", SessionFilter(status="completed"), limit=1),
    "sessions.has": lambda stores: stores.sessions.has("barber", call_id(1)),
    "leads.put": lambda stores: stores.leads.put(analysis(2)),
    "leads.get": lambda stores: stores.leads.get("barber", call_id(1)),
    "leads.list": lambda stores: stores.leads.list("barber", limit=1),
    "leads.list, by outcome": lambda stores: stores.leads.list("barber", limit=1, outcome="unknown"),
    "ledger.heartbeat": lambda stores: stores.ledger.heartbeat(process("mp_2")),
    "ledger.heartbeat, calls wait": lambda stores: stores.ledger.heartbeat(process()),
    "ledger.reserve": lambda stores: _reserve(stores, 4),
    "ledger.reserve, with a fresh key": lambda stores: _reserve(stores, 5, "new"),
    "ledger.reserve, repeated": lambda stores: _reserve(stores, 6, "k"),
    "ledger.redeem": lambda stores: stores.ledger.redeem("barber", call_id(3), nonce="n", process_id="mp_1", now=NOON),
    "ledger.redeem, elsewhere": lambda stores: stores.ledger.redeem("barber", call_id(7), nonce="n", process_id="mp_2", now=NOON),
    "ledger.release": lambda stores: stores.ledger.release("barber", call_id(1), EndReason.CALLER_HANGUP, NOON),
    "ledger.get": lambda stores: stores.ledger.get("barber", call_id(3)),
    "ledger.request_end": lambda stores: stores.ledger.request_end("barber", call_id(3)),
    "ledger.request_end, not connected": lambda stores: stores.ledger.request_end("barber", call_id(4)),
    "journal.append, the first": lambda stores: stores.journal.append(call_id(2), (turn_noted(1, "b"),)),
    "journal.append, later": lambda stores: stores.journal.append(call_id(1), (turn_noted(1, "b"),)),
    "journal.read": lambda stores: stores.journal.read(call_id(1)),
    "journal.open_calls": lambda stores: stores.journal.open_calls(),
    "journal.discard": lambda stores: stores.journal.discard(call_id(1)),
    "archive.put": lambda stores: stores.archive.put(record(2), private(2)),
    "archive.put, again": lambda stores: stores.archive.put(record(1), private(1)),
    "archive.get": lambda stores: stores.archive.get("barber", call_id(1)),
    "archive.get_private": lambda stores: stores.archive.get_private("barber", call_id(1)),
    "archive.list_calls": lambda stores: stores.archive.list_calls("barber"),
    "archive.delete_expired": lambda stores: stores.archive.delete_expired(NOON.replace(month=12)),
}


def documented() -> dict[str, str]:
    """What the document says: the first two columns of its table of operations."""
    rows = re.findall(r"^\| `([a-z_.]+)`([^|]*) \| ([^|]+?) \|", DOCUMENT.read_text(), re.MULTILINE)
    return {name + more: requests for name, more, requests in rows}


async def test_operations_make_the_requests_that_the_document_says(lossy_stores: tuple[AwsStores, AwsLine]) -> None:
    stores, line = lossy_stores
    await _given(stores)
    made: dict[str, str] = {}
    for name, operation in OPERATIONS.items():
        line.counted.clear()
        await operation(stores)
        made[name] = ", ".join(f"{request} {times}" for request, times in sorted(line.counted.items()))
    assert made == documented()
