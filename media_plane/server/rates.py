"""How often sockets may be opened: by an address, by a tenant. Counted in this process alone, before any store is asked."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass

from nexus.clock import Clock
from nexus.errors import QuotaExceeded

MOST_COUNTED = 10_000
_MINUTE_MS = 60_000.0
_V6_HOUSEHOLD = 64
"""One customer's network is given so many bits: an address of IPv6 says nothing, its network does."""


@dataclass(frozen=True, slots=True)
class ConnectLimits:
    """Handshakes a minute, refused ones included; 0: any number. ``proxies``: so many of our own stand before us, each of which adds the
    address that it sees to ``X-Forwarded-For``."""

    by_tenant: int = 0
    by_address: int = 0
    proxies: int = 0


@dataclass(frozen=True, slots=True)
class CameFrom:
    """Where a handshake came from: the peer of the connection, and what it forwarded for whom."""

    peer: str = ""
    forwarded_for: str = ""
    relayed_by: str = ""


@dataclass(slots=True)
class _Bucket:
    left: float
    at_ms: float


class ConnectRates:
    """Grants handshakes: a full minute's number at once, then as they become due again."""

    def __init__(self, limits: ConnectLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def check_address(self, came: CameFrom) -> None:
        """Count a handshake by where it comes from. Raises QuotaExceeded ``rate_limited``."""
        caller = _caller_of(came, self._limits.proxies)
        if caller:
            self._take(f"address {caller}", self._limits.by_address, "this address")

    def check_tenant(self, tenant_id: str) -> None:
        """Count a handshake with a tenant's good ticket. Raises QuotaExceeded ``rate_limited``."""
        self._take(f"tenant {tenant_id}", self._limits.by_tenant, "this tenant")

    def _take(self, key: str, limit: int, whose: str) -> None:
        if limit == 0:
            return
        now_ms = self._clock.monotonic_ms()
        bucket = self._buckets.pop(key, None) or _Bucket(limit, now_ms)
        bucket.left = min(limit, bucket.left + (now_ms - bucket.at_ms) * limit / _MINUTE_MS)
        bucket.at_ms = now_ms
        self._remember(key, bucket)
        if bucket.left < 1.0:
            wait_s = math.ceil((1.0 - bucket.left) * _MINUTE_MS / limit / 1000.0)
            raise QuotaExceeded(
                "rate_limited", f"Sockets are opened too fast from {whose}: at most {limit} a minute.", retry_after_s=wait_s
            )
        bucket.left -= 1.0

    def _remember(self, key: str, bucket: _Bucket) -> None:
        """The one counted longest ago is forgotten first: it has the most left."""
        self._buckets[key] = bucket
        if len(self._buckets) > MOST_COUNTED:
            del self._buckets[next(iter(self._buckets))]


def _caller_of(came: CameFrom, proxies: int) -> str:
    """The caller's network; empty for those who are not counted: this machine itself, and another of our processes that relays.

    **Source:** RFC 7239 section 8.1: of what was forwarded, only what our own proxies have written is to be believed.
    """
    hops = [hop.strip() for hop in came.forwarded_for.split(",") if hop.strip()]
    told = _without_port(hops[-proxies]) if proxies and len(hops) >= proxies else came.peer
    try:
        address = ipaddress.ip_address(told)
    except ValueError:
        return told
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_loopback or (came.relayed_by and not hops and address.is_private):
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _V6_HOUSEHOLD), strict=False))
    return str(address)


def _without_port(hop: str) -> str:
    """Some proxies write the port too (``203.0.113.7:50123``, ``[2001:db8::1]:50123``), which is another one for each socket."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
