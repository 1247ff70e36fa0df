"""Sends what tenants asked for over HTTPS: each connection goes to the very address that was checked; no redirects, no proxy, bounded time.

**Source:** OWASP Server-Side Request Forgery Prevention; RFC 9110 section 15.4 (redirects are left to whoever asked).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import httpx2

from nexus.domain.outbound import LOOPBACK_NAMES, OutboundAnswer, OutboundRequest, is_loopback, is_public, parts_of, target_fault

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
_CONNECT_SHARE = 0.6
"""Of the deadline: so that a host that does not answer at all is told apart from one that is slow."""


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the machine resolves it."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


@dataclass(frozen=True, slots=True)
class OutboundRules:
    """What is allowed.

    Attributes:
        loopback: plain HTTP to this very machine is allowed too; for development only.
        ports: which are taken; None: any.
        allowed: which resolved addresses may be connected to; tests let their own machine pass.
        trust: the certificates that are believed; None: the system's.
        resolve: turns a host into addresses.
        dial_port: connected to in place of the URL's; for tests.
    """

    loopback: bool = False
    ports: frozenset[int] | None = None
    allowed: Callable[[str], bool] = is_public
    trust: ssl.SSLContext | None = None
    resolve: Resolve = system_resolve
    dial_port: int | None = None


class GuardedHttp:
    """Args: ``rules``: what is allowed."""

    def __init__(self, rules: OutboundRules = OutboundRules()) -> None:
        self._rules = rules
        self._trust = rules.trust
        self._reading = asyncio.Lock()

    def fault(self, url: str) -> str:
        """What is wrong with an address that can never be sent to; empty when nothing is."""
        parts = parts_of(url)
        return "" if parts is not None and self._is_own_machine(parts) else target_fault(url, self._rules.ports)

    async def send(self, request: OutboundRequest, *, deadline_s: float, most_bytes: int) -> OutboundAnswer:
        """One attempt; every failure is in the answer. Cancelled: the connection is closed.

        Args:
            deadline_s: from the name's resolution to the answer's end.
            most_bytes: so much of the answer's body is read.
        """
        began = time.monotonic()
        if self.fault(request.url):
            return _nothing("url_not_allowed", began)
        try:
            async with asyncio.timeout(deadline_s):
                address = await self._address(urlsplit(request.url))
        except TimeoutError:
            return _nothing("timeout", began)
        except (OSError, UnicodeError):
            return _nothing("unreachable", began)
        if address is None:
            return _nothing("address_not_allowed", began)
        try:
            async with asyncio.timeout(max(0.0, deadline_s - (time.monotonic() - began))):
                return await self._exchange(request, address, most_bytes, began, deadline_s)
        except httpx2.ConnectTimeout:
            return _nothing("timeout", began)
        except (ssl.SSLError, httpx2.ConnectError) as error:
            return _nothing("tls_failed" if "CERTIFICATE" in str(error).upper() or "SSL" in str(error).upper() else "unreachable", began)
        except (TimeoutError, httpx2.TimeoutException):
            return OutboundAnswer(None, _since(began), "timeout")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError):
            return OutboundAnswer(None, _since(began), "broken")

    async def _exchange(self, request: OutboundRequest, address: str, most_bytes: int, began: float, deadline_s: float) -> OutboundAnswer:
        parts = urlsplit(request.url)
        port = self._rules.dial_port or _port(parts)
        # The connection goes to the address that was checked; the name stays for the certificate and the Host header.
        pinned = parts._replace(netloc=f"[{address}]:{port}" if ":" in address else f"{address}:{port}").geturl()
        headers = {"accept-encoding": "identity", **request.headers, "host": parts.netloc}
        timeout = httpx2.Timeout(deadline_s, connect=deadline_s * _CONNECT_SHARE)
        verify = await self._certificates()
        extensions = {"sni_hostname": parts.hostname or ""}
        async with (
            httpx2.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False, verify=verify) as http,
            http.stream(request.method, pinned, headers=headers, content=request.body, extensions=extensions) as answer,
        ):
            body = bytearray()
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > most_bytes:
                    break
            cut = len(body) > most_bytes
            told = {name.lower(): value for name, value in answer.headers.items()}
            return OutboundAnswer(answer.status_code, _since(began), headers=told, body=bytes(body[:most_bytes]), cut=cut)

    async def _certificates(self) -> ssl.SSLContext:
        """Read once, in a thread: it takes up to a tenth of a second, which no living call can spare."""
        async with self._reading:
            if self._trust is None:
                self._trust = await asyncio.to_thread(httpx2.create_ssl_context, trust_env=False)
            return self._trust

    async def _address(self, parts: SplitResult) -> str | None:
        """The first address of a host of which every address is allowed."""
        found = await self._rules.resolve(parts.hostname or "", _port(parts))
        allowed = is_loopback if self._is_own_machine(parts) else self._rules.allowed
        return found[0] if found and all(allowed(address) for address in found) else None

    def _is_own_machine(self, parts: SplitResult) -> bool:
        return self._rules.loopback and parts.hostname in LOOPBACK_NAMES


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _nothing(error: str, began: float) -> OutboundAnswer:
    return OutboundAnswer(None, _since(began), error, arrived=False)


def _since(began: float) -> float:
    return (time.monotonic() - began) * 1000.0
