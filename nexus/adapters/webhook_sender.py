"""Sends webhooks over HTTPS: to public addresses only, each connection to the very address that was checked, no redirects, with a deadline.

**Source:** OWASP Server-Side Request Forgery Prevention; RFC 6052 (IPv4 inside IPv6 addresses), RFC 9110 section 10.2.3 (Retry-After).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import httpx2

from nexus.domain.webhook import Sent
from nexus.errors import RequestRejected

DEADLINE_S = 15.0
MOST_ANSWER_BYTES = 64_000
_LONGEST_URL = 2_000
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the machine resolves it."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


@dataclass(frozen=True, slots=True)
class SendingRules:
    """What is allowed.

    Attributes:
        loopback: plain HTTP to this very machine is allowed too; for development only.
        deadline_s: how long one attempt may take, from the name's resolution to the answer's end.
        trust: the certificates that are believed; None: the system's.
        resolve: turns a host into addresses.
    """

    loopback: bool = False
    deadline_s: float = DEADLINE_S
    trust: ssl.SSLContext | None = None
    resolve: Resolve = system_resolve


class HttpWebhookSender:
    """Args: ``rules``: what is allowed."""

    def __init__(self, rules: SendingRules = SendingRules()) -> None:
        self._rules = rules

    def check(self, url: str) -> None:
        """Refuse an address that can never be sent to. Raises RequestRejected ``url_not_allowed``."""
        parts = _parts(url)
        if parts is None or not parts.hostname:
            raise _refused("Give an absolute https URL without user name, password and fragment.")
        if self._is_own_machine(parts):
            return
        if parts.scheme != "https":
            raise _refused("A webhook is sent over https only.")
        if parts.hostname in _LOOPBACK_NAMES or _is_private_literal(parts.hostname):
            raise _refused("A webhook goes to a public address, not into a private network.")

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Sent:
        """One attempt; every failure is in the answer."""
        began = time.monotonic()
        try:
            self.check(url)
            async with asyncio.timeout(self._rules.deadline_s):
                return await self._post(url, headers, body, began)
        except RequestRejected:
            return _failed("url_not_allowed", began)
        except (TimeoutError, httpx2.TimeoutException):
            return _failed("timeout", began)
        except (ssl.SSLError, httpx2.ConnectError) as error:
            return _failed("tls_failed" if "CERTIFICATE" in str(error).upper() or "SSL" in str(error).upper() else "unreachable", began)
        except (httpx2.HTTPError, OSError, UnicodeError):
            return _failed("unreachable", began)

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes, began: float) -> Sent:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        address = await self._address(parts, host, port)
        if address is None:
            return _failed("address_not_allowed", began)
        literal = f"[{address}]" if ":" in address else address
        # The connection goes to the address that was checked; the name stays for the certificate and the Host header.
        pinned = parts._replace(netloc=f"{literal}:{port}").geturl()
        verify: ssl.SSLContext | bool = self._rules.trust or True
        async with (
            httpx2.AsyncClient(timeout=self._rules.deadline_s, follow_redirects=False, trust_env=False, verify=verify) as http,
            http.stream(
                "POST", pinned, headers={**headers, "host": parts.netloc}, content=body, extensions={"sni_hostname": host}
            ) as answer,
        ):
            read = 0
            async for piece in answer.aiter_raw():
                read += len(piece)
                if read > MOST_ANSWER_BYTES:
                    break
            return Sent(answer.status_code, _since(began), retry_after_s=_retry_after(answer.headers.get("retry-after", "")))

    async def _address(self, parts: SplitResult, host: str, port: int) -> str | None:
        """The first address of a host of which every address is allowed."""
        found = await self._rules.resolve(host, port)
        allowed = is_loopback if self._is_own_machine(parts) else is_public
        return found[0] if found and all(allowed(address) for address in found) else None

    def _is_own_machine(self, parts: SplitResult) -> bool:
        return self._rules.loopback and parts.hostname in _LOOPBACK_NAMES


def is_public(address: str) -> bool:
    """Whether an IP address is somewhere on the public internet; wrapped IPv4 addresses are unwrapped first."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        wrapped = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            wrapped = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if wrapped is not None:
            return wrapped.is_global and not wrapped.is_multicast
    return found.is_global and not found.is_multicast


def is_loopback(address: str) -> bool:
    """Whether an IP address is this very machine."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _parts(url: str) -> SplitResult | None:
    if len(url) > _LONGEST_URL or not url.isascii() or any(character.isspace() or not character.isprintable() for character in url):
        return None
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        return None
    return parts if fine and "@" not in parts.netloc and not parts.fragment and "\\" not in url else None


def _is_private_literal(host: str) -> bool:
    """Whether the host is an address, in any of the ways a resolver takes one, that is not public."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        try:
            return not is_public(socket.inet_ntoa(socket.inet_aton(host)))  # 127.1, 0x7f000001, 2130706433
        except OSError:
            return False
    return not is_public(host)


def _retry_after(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 8 else 0


def _failed(error: str, began: float) -> Sent:
    return Sent(None, _since(began), error)


def _since(began: float) -> float:
    return (time.monotonic() - began) * 1000.0


def _refused(words: str) -> RequestRejected:
    return RequestRejected("url_not_allowed", words)
