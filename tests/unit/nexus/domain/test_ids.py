"""Ids: their form, their order, and what may stand in a path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.adapters.identifiers import UlidIds
from nexus.domain.ids import RESERVED_TENANT_IDS, check_call_id, check_tenant_id, ulid
from nexus.errors import RequestRejected

MOMENTS = st.integers(0, 2**48 - 1)
ENTROPY = st.binary(min_size=10, max_size=10)


@given(MOMENTS, ENTROPY)
def test_a_ulid_makes_a_call_id(at_ms: int, entropy: bytes) -> None:
    made = ulid(at_ms, entropy)
    assert len(made) == 26
    assert check_call_id(f"call_{made}") == f"call_{made}"


@given(MOMENTS, ENTROPY, MOMENTS, ENTROPY)
def test_ulids_sort_by_time_then_by_entropy(one_ms: int, one: bytes, other_ms: int, other: bytes) -> None:
    assert (ulid(one_ms, one) < ulid(other_ms, other)) == ((one_ms, one) < (other_ms, other))


def test_the_ends_of_the_range() -> None:
    assert ulid(0, bytes(10)) == "0" * 26
    assert ulid(2**48 - 1, b"\xff" * 10) == "7" + "Z" * 25


def test_the_time_is_in_the_first_ten_characters() -> None:
    """The example time of the ULID specification."""
    assert ulid(1_469_918_176_385, bytes(10))[:10] == "01ARYZ6S41"


def test_a_thousand_fresh_ids_are_in_order_and_of_the_form() -> None:
    made = [UlidIds().new("call")] + [ids.new("call") for ids in [UlidIds()] for _ in range(1000)]
    assert made[1:] == sorted(set(made[1:])) and len(made) == 1001
    assert [check_call_id(one) for one in made] == made


@given(st.from_regex(r"[a-z0-9][a-z0-9_-]{1,62}", fullmatch=True).filter(lambda slug: slug not in RESERVED_TENANT_IDS))
def test_slugs_are_tenants(slug: str) -> None:
    assert check_tenant_id(slug) == slug


@given(st.text(max_size=70))
def test_any_other_text_is_refused_with_our_word(text: str) -> None:
    try:
        assert set(check_tenant_id(text)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
    except RequestRejected as refused:
        assert refused.code == "invalid_tenant_id"


@pytest.mark.parametrize("reserved", sorted(RESERVED_TENANT_IDS))
def test_reserved_words_are_no_tenants(reserved: str) -> None:
    with pytest.raises(RequestRejected):
        check_tenant_id(reserved)
