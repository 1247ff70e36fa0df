"""Where the platform may send a request that a tenant asked for: public addresses only, whatever names and numbers say. Pure.

**Source:** OWASP Server-Side Request Forgery Prevention; the IANA special-purpose address registries (by way of ``ipaddress``); RFC 6052
(NAT64), RFC 3056 (6to4), RFC 4380 (Teredo), RFC 4291 section 2.5.5 (IPv4 inside IPv6).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

HTTPS_PORTS = frozenset({443, 8443})
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
LONGEST_URL = 2_000
_NAT64, _LOCAL_NAT64 = ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48")
_OLD_MAPPED = ipaddress.ip_network("::/96")
_ALSO_INNER = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("fec0::/10"))
"""``ipaddress`` takes part of the first (one cloud's metadata lives there), and all of the second (site-local), for global."""
_INNER_NAMES = ("localhost", "local", "localdomain", "internal", "intranet", "home.arpa", "lan")
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """A request to send. ``headers`` and ``body`` hold secrets: neither is logged."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class OutboundAnswer:
    """What came of it.

    Attributes:
        status: of the answer; None where none came, and ``error`` then says why: url_not_allowed, address_not_allowed, unreachable,
            tls_failed, timeout, broken.
        arrived: False where the request certainly never reached anybody.
        cut: the body was longer than asked for.
    """

    status: int | None
    duration_ms: float
    error: str = ""
    arrived: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: bool = False


def target_fault(url: str, ports: frozenset[int] | None = HTTPS_PORTS) -> str:
    """What is wrong with an address as a target, before any name is resolved; empty when nothing is.

    Args:
        ports: which are taken; None: any.
    """
    parts = parts_of(url)
    if parts is None or not parts.hostname:
        return "Give an absolute https URL without user name, password and fragment."
    if parts.scheme != "https":
        return "Only https is spoken to others."
    if ports is not None and (parts.port or 443) not in ports:
        return f"The port is one of {', '.join(str(port) for port in sorted(ports))}."
    return _host_fault(parts.hostname)


def parts_of(url: str) -> SplitResult | None:
    """The parts of an absolute http or https URL that everybody reads in the same way; None for any other text."""
    if len(url) > LONGEST_URL or not url.isascii() or any(character.isspace() or not character.isprintable() for character in url):
        return None
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        return None
    return parts if fine and "@" not in parts.netloc and "#" not in url and "\\" not in url else None


def _host_fault(host: str) -> str:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return _name_fault(host)
    return "" if is_public(host) else "It must be a public address, not one of a private network."


def _name_fault(host: str) -> str:
    labels = host.removesuffix(".").split(".")
    if not all(_NAME.fullmatch(label) for label in labels):
        return "The host is no name of a machine."
    # 127.1, 0x7f000001, 2130706433: resolvers take a last label that is a number for an address.
    if _NUMBER.fullmatch(labels[-1]):
        return "Write the address with four numbers, or a name."
    name = ".".join(labels).lower()
    if any(name == inner or name.endswith("." + inner) for inner in _INNER_NAMES):
        return "It must be a public name, not one of a private network."
    return ""


def is_public(address: str) -> bool:
    """Whether an IP address is somewhere on the public internet; IPv4 addresses inside IPv6 ones are taken out first."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = _inside(found)
        if inner is not None or found in _LOCAL_NAT64:
            return inner is not None and _is_global(inner)
    return _is_global(found)


def is_loopback(address: str) -> bool:
    """Whether an IP address is this very machine."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    inner = any(address in network for network in _ALSO_INNER if network.version == address.version)
    return address.is_global and not (inner or address.is_multicast or address.is_reserved or address.is_unspecified)


def _inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64 or (address in _OLD_MAPPED and not address.is_unspecified):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
