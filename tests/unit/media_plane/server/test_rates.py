"""How often sockets may be opened: by address and by tenant, each on its own, and never more memory than is given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_plane.server.rates import MOST_COUNTED, CameFrom, ConnectLimits, ConnectRates
from nexus.errors import QuotaExceeded
from tests.fakes.hand_clock import HandClock


def rates(by_tenant: int = 0, by_address: int = 0, proxies: int = 0) -> tuple[ConnectRates, HandClock]:
    clock = HandClock()
    return ConnectRates(ConnectLimits(by_tenant, by_address, proxies), clock), clock


def refusal(counted: ConnectRates, came: CameFrom) -> QuotaExceeded | None:
    try:
        counted.check_address(came)
    except QuotaExceeded as refused:
        return refused
    return None


def test_a_minutes_number_at_once_then_as_they_become_due() -> None:
    counted, clock = rates(by_address=6)
    caller = CameFrom("203.0.113.7")
    assert [refusal(counted, caller) for _ in range(6)] == [None] * 6
    refused = refusal(counted, caller)
    assert refused is not None and (refused.code, refused.retry_after_s) == ("rate_limited", 10)
    assert refusal(counted, CameFrom("203.0.113.8")) is None, "another address has its own"
    clock.pass_ms(9_000)
    again = refusal(counted, caller)
    assert again is not None and again.retry_after_s == 1
    clock.pass_ms(1_000)
    assert refusal(counted, caller) is None
    assert refusal(counted, caller) is not None


@pytest.mark.parametrize(
    ("came", "same_as"),
    [
        (CameFrom("10.0.0.1", "203.0.113.7"), "203.0.113.7"),
        (CameFrom("10.0.0.1", "6.6.6.6, 203.0.113.7"), "203.0.113.7"),
        (CameFrom("10.0.0.1", "6.6.6.6, 203.0.113.7", relayed_by="proc_forged"), "203.0.113.7"),
        (CameFrom("10.0.0.1", "6.6.6.6, 203.0.113.7:50123"), "203.0.113.7"),
        (CameFrom("10.0.0.1", "[2001:db8:1:2::9]:50123"), "2001:db8:1:2::1"),
        (CameFrom("10.0.0.1", "[::ffff:203.0.113.7]"), "203.0.113.7"),
        (CameFrom("203.0.113.7"), "203.0.113.7"),
        (CameFrom("::ffff:203.0.113.7"), "203.0.113.7"),
    ],
)
def test_the_address_is_the_one_our_own_proxy_saw(came: CameFrom, same_as: str) -> None:
    counted, _ = rates(by_address=1, proxies=1)
    assert refusal(counted, CameFrom("10.0.0.2", same_as)) is None
    assert refusal(counted, came) is not None


def test_without_proxies_of_our_own_nothing_forwarded_is_believed() -> None:
    counted, _ = rates(by_address=1)
    assert refusal(counted, CameFrom("203.0.113.7", "1.1.1.1")) is None
    assert refusal(counted, CameFrom("203.0.113.7", "2.2.2.2")) is not None


def test_one_network_of_ipv6_is_one_caller() -> None:
    counted, _ = rates(by_address=1)
    assert refusal(counted, CameFrom("2001:db8:1:2::1")) is None
    assert refusal(counted, CameFrom("2001:db8:1:2:ffff::9")) is not None
    assert refusal(counted, CameFrom("2001:db8:1:3::1")) is None


@pytest.mark.parametrize("came", [CameFrom("127.0.0.1"), CameFrom("::1"), CameFrom(""), CameFrom("10.0.3.4", relayed_by="proc_2")])
def test_this_machine_and_our_own_relays_are_not_counted(came: CameFrom) -> None:
    counted, _ = rates(by_address=1, proxies=1)
    assert [refusal(counted, came) for _ in range(3)] == [None] * 3


def test_a_stranger_who_calls_himself_a_relay_is_counted() -> None:
    counted, _ = rates(by_address=1)
    assert [refusal(counted, CameFrom("9.9.9.9", relayed_by="proc_2")) is None for _ in range(2)] == [True, False]


def test_tenants_are_counted_apart_and_zero_is_any_number() -> None:
    counted, _ = rates(by_tenant=1)
    counted.check_tenant("barber")
    counted.check_tenant("pizza")
    with pytest.raises(QuotaExceeded):
        counted.check_tenant("barber")
    assert [refusal(counted, CameFrom("203.0.113.7")) for _ in range(500)] == [None] * 500


def test_strangers_by_the_million_cost_no_memory() -> None:
    counted, _ = rates(by_address=1)
    for number in range(MOST_COUNTED + 50):
        assert refusal(counted, CameFrom(f"{20 + number // 65_536}.{number // 256 % 256}.{number % 256}.1")) is None
    assert len(counted._buckets) == MOST_COUNTED


@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=200), st.integers(1, 60))
def test_no_minute_grants_more_than_two_minutes_number(waits_ms: list[int], limit: int) -> None:
    counted, clock = rates(by_tenant=limit)
    granted: list[float] = []
    for wait_ms in waits_ms:
        clock.pass_ms(wait_ms)
        try:
            counted.check_tenant("barber")
            granted.append(clock.monotonic_ms())
        except QuotaExceeded:
            pass
    for begin in granted:
        assert sum(begin <= at < begin + 60_000 for at in granted) <= 2 * limit
