"""A key is done once: answered again, told in flight, given back, and readable by nobody who has only the store."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.services.idempotency import (
    KEPT,
    LEASE_S,
    LONGEST_ANSWER_BYTES,
    IdempotencyBook,
    KeptAnswer,
    KeyedRequest,
    Reservation,
    fingerprint,
)
from nexus.errors import Conflict, NexusError, QuotaExceeded, RequestRejected, Unavailable
from nexus.ports.documents import DocumentStore, Put
from tests.fakes.faulty_documents import FaultyDocuments
from tests.fakes.wall_clock import WallClock

REQUEST = KeyedRequest("barber_shop", "api_key:key_1", "createApiKey", "3f1c9a52", "f" * 64)
ANSWER = KeptAnswer(201, (("location", "/v1/x"),), b'{"id":"key_2","secret":"nx_live_SECRET"}')


@pytest.fixture
def book(documents: DocumentStore, wall: WallClock) -> IdempotencyBook:
    return IdempotencyBook(documents, wall, b"s" * 32)


async def reserved(book: IdempotencyBook, request: KeyedRequest = REQUEST) -> Reservation:
    begun = await book.begin(request)
    assert isinstance(begun, Reservation)
    return begun


async def test_what_was_answered_is_answered_again_for_a_day(book: IdempotencyBook, wall: WallClock) -> None:
    await book.keep(await reserved(book), ANSWER)
    assert await book.begin(REQUEST) == ANSWER
    wall.go(KEPT.total_seconds() - 1)
    assert await book.begin(REQUEST) == ANSWER
    wall.go(2)
    await reserved(book)


async def test_another_body_is_refused_while_the_first_is_done_and_after(book: IdempotencyBook) -> None:
    other = replace(REQUEST, fingerprint="0" * 64)
    first = await reserved(book)
    with pytest.raises(RequestRejected, match="idempotency_key_reused"):
        await book.begin(other)
    await book.keep(first, ANSWER)
    with pytest.raises(RequestRejected, match="idempotency_key_reused"):
        await book.begin(other)


@pytest.mark.parametrize(
    "change", [{"owner": "pizza_shop"}, {"principal": "api_key:key_9"}, {"operation_id": "rotateApiKey"}, {"key": "x"}]
)
async def test_the_key_of_somebody_or_something_else_is_another_key(book: IdempotencyBook, change: dict[str, str]) -> None:
    await book.keep(await reserved(book), ANSWER)
    await reserved(book, replace(REQUEST, **change))


async def test_one_of_many_at_once_does_the_work(book: IdempotencyBook) -> None:
    begun = await asyncio.gather(*(book.begin(REQUEST) for _ in range(12)), return_exceptions=True)
    assert sum(isinstance(each, Reservation) for each in begun) == 1
    told = [each for each in begun if isinstance(each, NexusError)]
    assert len(told) == 11 and {each.code for each in told} == {"idempotency_in_flight"}
    assert all(isinstance(each, QuotaExceeded) and each.retry_after_s > 0 and each.retryable for each in told)


async def test_a_crash_frees_the_key_when_its_lease_ends(book: IdempotencyBook, wall: WallClock) -> None:
    crashed = await reserved(book)
    wall.go(LEASE_S - 1)
    with pytest.raises(QuotaExceeded):
        await book.begin(REQUEST)
    wall.go(2)
    again = await reserved(book)
    await book.keep(crashed, KeptAnswer(201, (), b"late"))  # it was only slow: what the second one answers holds
    await book.keep(again, ANSWER)
    assert await book.begin(REQUEST) == ANSWER


async def test_what_a_slow_one_answers_at_last_changes_nothing(book: IdempotencyBook, wall: WallClock) -> None:
    slow = await reserved(book)
    wall.go(LEASE_S + 1)
    await book.keep(await reserved(book), ANSWER)
    await book.keep(slow, KeptAnswer(201, (), b"late"))
    assert await book.begin(REQUEST) == ANSWER


async def test_of_two_that_take_over_from_a_crash_one_works(book: IdempotencyBook, wall: WallClock) -> None:
    await reserved(book)
    wall.go(LEASE_S + 1)
    begun = await asyncio.gather(*(book.begin(REQUEST) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(each, Reservation) for each in begun) == 1


async def test_a_refused_request_leaves_its_key_free(book: IdempotencyBook) -> None:
    await book.free(await reserved(book))
    await reserved(book, replace(REQUEST, fingerprint="0" * 64))


async def test_a_slow_one_cannot_free_what_another_has_taken_over(book: IdempotencyBook, wall: WallClock) -> None:
    slow = await reserved(book)
    wall.go(LEASE_S + 1)
    await reserved(book)
    await book.free(slow)
    with pytest.raises(QuotaExceeded, match="idempotency_in_flight"):
        await book.begin(REQUEST)


async def test_the_store_shows_no_answer_and_no_key(book: IdempotencyBook, documents: DocumentStore, wall: WallClock) -> None:
    await book.keep(await reserved(book), ANSWER)
    (kept,) = await documents.list("barber_shop", "", limit=10)
    everything = json.dumps(kept.body) + kept.key
    assert "SECRET" not in everything and REQUEST.key not in everything and "TlX" not in everything
    with pytest.raises(Conflict, match="no longer"):  # another server's secret does not open it
        await IdempotencyBook(documents, wall, b"t" * 32).begin(REQUEST)


async def test_an_answer_opens_under_its_own_key_alone(book: IdempotencyBook, documents: DocumentStore) -> None:
    await book.keep(await reserved(book), ANSWER)
    (kept,) = await documents.list("barber_shop", "", limit=10)
    other = replace(REQUEST, key="other")
    await reserved(book, other)
    (place,) = [one.key for one in await documents.list("barber_shop", "", limit=10) if one.key != kept.key]
    await documents.write("barber_shop", Put(place, kept.body))
    with pytest.raises(Conflict, match="no longer"):
        await book.begin(other)


async def test_an_answer_too_long_to_keep_is_never_done_twice(book: IdempotencyBook) -> None:
    await book.keep(await reserved(book), KeptAnswer(200, (), b"x" * (LONGEST_ANSWER_BYTES + 1)))
    with pytest.raises(Conflict, match="too long"):
        await book.begin(REQUEST)
    other = replace(REQUEST, key="other")
    longest = KeptAnswer(200, (), b"\xff" * LONGEST_ANSWER_BYTES)
    await book.keep(await reserved(book, other), longest)
    assert await book.begin(other) == longest


@pytest.mark.parametrize("key", ["", "x" * 256, "ключ", "a\nb", "a\x00"])
async def test_a_key_that_is_none_is_refused(book: IdempotencyBook, key: str) -> None:
    with pytest.raises(RequestRejected, match="invalid_request"):
        await book.begin(replace(REQUEST, key=key))


async def test_a_store_that_fails_afterwards_costs_the_repeat_alone(documents: DocumentStore, wall: WallClock) -> None:
    faulty = FaultyDocuments(documents)
    book = IdempotencyBook(faulty, wall, b"s" * 32)
    first = await reserved(book)
    faulty.failure = Unavailable("store_unavailable", "no")
    await book.keep(first, ANSWER)
    await book.free(first)
    with pytest.raises(Unavailable):
        await book.begin(REQUEST)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


@given(body=st.dictionaries(st.text(), JSON))
def test_white_space_and_order_do_not_matter(body: dict[str, object]) -> None:
    turned = dict(reversed([*body.items()]))
    plain = fingerprint("POST", "/v1/x?", json.dumps(body).encode())
    assert plain == fingerprint("POST", "/v1/x?", json.dumps(turned, indent=3).encode())
    assert plain != fingerprint("POST", "/v1/y?", json.dumps(body).encode())


@given(one=st.binary(max_size=40), other=st.binary(max_size=40))
def test_other_bytes_have_another_fingerprint(one: bytes, other: bytes) -> None:
    def value(body: bytes) -> object:
        try:
            return json.dumps(json.loads(body), sort_keys=True)
        except ValueError:
            return body

    assert (fingerprint("POST", "/", one) == fingerprint("POST", "/", other)) == (value(one) == value(other))


def test_a_body_that_nests_too_deeply_has_a_fingerprint_all_the_same() -> None:
    assert fingerprint("POST", "/", b"[" * 100_000) != fingerprint("POST", "/", b"[" * 100_001)
