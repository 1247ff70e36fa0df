"""Laws of page cursors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.services.cursors import Listing, page_of, read_cursor, sign_cursor
from nexus.errors import RequestRejected

KEY = b"k" * 32
texts = st.text(max_size=20)
listings = st.builds(Listing, kind=texts, tenant_id=texts, where=texts)
ids = st.text(min_size=1, max_size=40)


@given(listings, ids)
def test_a_cursor_reads_back(listing: Listing, last_id: str) -> None:
    assert read_cursor(KEY, listing, sign_cursor(KEY, listing, last_id)) == last_id


@given(listings, listings, ids)
def test_it_fits_no_other_list(one: Listing, other: Listing, last_id: str) -> None:
    if one != other:
        with pytest.raises(RequestRejected, match="invalid_cursor"):
            read_cursor(KEY, other, sign_cursor(KEY, one, last_id))


@given(st.text(min_size=1))
def test_whatever_is_sent_only_our_error_comes_back(junk: str) -> None:
    with pytest.raises(RequestRejected, match="invalid_cursor"):
        read_cursor(KEY, Listing("sessions", "t"), junk)


def test_fields_do_not_run_into_each_other() -> None:
    cursor = sign_cursor(KEY, Listing("a", "bc"), "x")
    with pytest.raises(RequestRejected):
        read_cursor(KEY, Listing("ab", "c"), cursor)


def test_another_key_refuses() -> None:
    with pytest.raises(RequestRejected):
        read_cursor(b"o" * 32, Listing("a", "b"), sign_cursor(KEY, Listing("a", "b"), "x"))


@given(st.lists(st.integers(0, 10**6), max_size=12), st.integers(1, 10))
def test_a_page_shows_at_most_its_limit_and_tells_of_more(rows: list[int], limit: int) -> None:
    page = page_of(KEY, Listing("a", "b"), rows[: limit + 1], limit, str)
    assert list(page.data) == rows[:limit]
    assert (page.next_cursor is not None) == (len(rows) > limit)
