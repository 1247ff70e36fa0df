"""Entity tags as RFC 9110 compares them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.api.etags import body_tag, check_match, matched_version, none_match, version_tag
from nexus.errors import RequestRejected

CURRENT = version_tag(7)


@pytest.mark.parametrize("sent", [CURRENT, f'"x", {CURRENT}', f'{CURRENT},"x"', "*", f" {CURRENT} "])
def test_a_change_of_the_present_state_passes(sent: str) -> None:
    check_match(sent, CURRENT)


@pytest.mark.parametrize("sent", ['"v8"', f"W/{CURRENT}", "v7", f'"x{CURRENT}"', '"v7', '"x"'])
def test_a_change_of_another_state_does_not(sent: str) -> None:
    with pytest.raises(RequestRejected, match="precondition_failed"):
        check_match(sent, CURRENT)


@pytest.mark.parametrize("sent", ["*", CURRENT])
def test_where_nothing_is_nothing_matches(sent: str) -> None:
    with pytest.raises(RequestRejected, match="precondition_failed"):
        check_match(sent, "")


def test_a_change_without_a_tag_passes_only_where_none_is_asked_for() -> None:
    check_match("", CURRENT, required=False)
    with pytest.raises(RequestRejected, match="precondition_required"):
        check_match("", CURRENT)
    assert matched_version("", required=False) is None and matched_version("*") is None
    with pytest.raises(RequestRejected, match="precondition_required"):
        matched_version("")


@given(version=st.integers(0, 10**18 - 1))
def test_a_version_comes_back_out_of_its_tag(version: int) -> None:
    assert matched_version(version_tag(version)) == version


@pytest.mark.parametrize("sent", ['"7"', "v7", 'W/"v7"', '"v-7"', '"v7", "v8"', '"v' + "9" * 30 + '"', body_tag(b"x")])
def test_a_tag_that_is_no_version_is_another_state(sent: str) -> None:
    with pytest.raises(RequestRejected, match="precondition_failed"):
        matched_version(sent)


@given(one=st.binary(max_size=50), other=st.binary(max_size=50))
def test_bytes_and_their_tag_are_equal_together(one: bytes, other: bytes) -> None:
    assert (body_tag(one) == body_tag(other)) == (one == other)
    assert none_match(body_tag(one), body_tag(other)) == (one == other)
    assert none_match(f"W/{body_tag(one)}", body_tag(one)) and none_match("*", body_tag(one))


@given(sent=st.text(max_size=40))
def test_whatever_is_sent_breaks_nothing(sent: str) -> None:
    none_match(sent, CURRENT)
    try:
        check_match(sent, CURRENT)
    except RequestRejected as error:
        assert error.code in ("precondition_failed", "precondition_required")
