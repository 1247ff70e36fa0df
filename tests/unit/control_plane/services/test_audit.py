"""Events are kept for their time, listed newest first, filtered, and tell no address."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from control_plane.services.audit import AuditBook, AuditEvent, AuditFilter, AuditRules, Deed
from nexus.adapters.memory import MemoryDocumentStore
from nexus.domain.ids import ulid
from nexus.errors import RequestRejected
from nexus.ports.documents import DocumentStore
from tests.fakes.wall_clock import WallClock


class WallIds:
    """Ids by the test's clock."""

    def __init__(self, wall: WallClock) -> None:
        self._wall, self._made = wall, 0

    def new(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}_{ulid(int(self._wall.now().timestamp() * 1000), self._made.to_bytes(10))}"


def deed(operation: str = "publishConfig", actor: str = "key_1", object_id: str = "3") -> Deed:
    return Deed("api_key", actor, operation, object_id, "req_1", 200, "203.0.113.7")


@pytest.fixture
def book(documents: DocumentStore, wall: WallClock) -> AuditBook:
    return AuditBook(documents, WallIds(wall), wall, AuditRules(timedelta(days=30), b"k" * 32))


async def everything(book: AuditBook, where: AuditFilter, limit: int) -> list[AuditEvent]:
    found, cursor = list[AuditEvent](), ""
    while True:
        page = await book.list("barber_shop", where, limit=limit, cursor=cursor)
        assert len(page.data) <= limit
        found += page.data
        if page.next_cursor is None:
            return found
        cursor = page.next_cursor


async def test_pages_show_each_event_once_newest_first(book: AuditBook, wall: WallClock) -> None:
    noted = []
    for _ in range(25):
        noted.append(await book.note("barber_shop", deed()))
        wall.go(1)
    assert await everything(book, AuditFilter(), 7) == noted[::-1]
    assert await everything(book, AuditFilter(), 25) == noted[::-1]


async def test_another_owner_sees_nothing(book: AuditBook) -> None:
    await book.note("barber_shop", deed())
    assert (await book.list("pizza_shop", AuditFilter(), limit=10)).data == ()


async def test_filters_are_joined_by_and(book: AuditBook, wall: WallClock) -> None:
    noted = []
    for at in range(12):
        operation, actor = ("endCall", "publishConfig")[at % 2], ("anna", "key_1", "key_2")[at % 3]
        noted.append(await book.note("barber_shop", deed(operation, actor, f"o{at}")))
        wall.go(60)
    assert await everything(book, AuditFilter(operation="endCall", actor_id="anna"), 2) == [noted[6], noted[0]]
    assert await everything(book, AuditFilter(object_id="o4"), 5) == [noted[4]]
    between = AuditFilter(from_=noted[3].at, before=noted[6].at)
    assert await everything(book, between, 2) == [noted[5], noted[4], noted[3]]


async def test_a_rare_filter_over_many_events_ends_each_page_in_bounded_work(wall: WallClock) -> None:
    book = AuditBook(MemoryDocumentStore(wall.now), WallIds(wall), wall, AuditRules(timedelta(days=30), b"k" * 32))
    rare = await book.note("barber_shop", deed("deleteTenant"))
    for _ in range(2100):
        wall.go(0.001)
        await book.note("barber_shop", deed())
    page = await book.list("barber_shop", AuditFilter(operation="deleteTenant"), limit=5)
    assert page.data == () and page.next_cursor
    assert await everything(book, AuditFilter(operation="deleteTenant"), 5) == [rare]


async def test_events_go_when_their_time_is_over(book: AuditBook, wall: WallClock) -> None:
    await book.note("barber_shop", deed())
    wall.go(30 * 86400 - 1)
    assert len(await everything(book, AuditFilter(), 5)) == 1
    wall.go(2)
    assert await everything(book, AuditFilter(), 5) == []


async def test_addresses_are_told_apart_but_not_told(book: AuditBook, documents: DocumentStore) -> None:
    one = await book.note("barber_shop", deed())
    same = await book.note("barber_shop", deed())
    elsewhere = await book.note("pizza_shop", deed())
    assert one.address_hash == same.address_hash != elsewhere.address_hash
    rows = await documents.list("barber_shop", "audit/", limit=10)
    assert "203.0.113.7" not in json.dumps([dict(row.body) for row in rows])


async def test_a_cursor_is_bound_to_owner_and_filter(book: AuditBook, wall: WallClock) -> None:
    for _ in range(3):
        await book.note("barber_shop", deed())
        await book.note("pizza_shop", deed())
        wall.go(1)
    cursor = (await book.list("barber_shop", AuditFilter(), limit=1)).next_cursor or ""
    for owner, where in (("pizza_shop", AuditFilter()), ("barber_shop", AuditFilter(operation="endCall"))):
        with pytest.raises(RequestRejected, match="invalid_cursor"):
            await book.list(owner, where, limit=1, cursor=cursor)


async def test_the_event_is_what_was_done(book: AuditBook, wall: WallClock) -> None:
    event = await book.note("barber_shop", deed("endCall", "anna", "call_1"))
    assert isinstance(event.at, datetime) and event.at == wall.now()
    assert (event.actor_kind, event.actor_id, event.operation, event.object_id, event.status) == (
        "api_key",
        "anna",
        "endCall",
        "call_1",
        200,
    )
