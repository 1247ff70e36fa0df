"""Sends webhooks over HTTPS: to public addresses only (``adapters.outbound``), with a deadline.

**Source:** RFC 9110 section 10.2.3 (Retry-After).
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from nexus.adapters.outbound import GuardedHttp, OutboundRules, Resolve, system_resolve
from nexus.domain.outbound import OutboundRequest, is_public
from nexus.domain.webhook import Sent
from nexus.errors import RequestRejected

__all__ = ["HttpWebhookSender", "SendingRules", "is_public"]

DEADLINE_S = 15.0
MOST_ANSWER_BYTES = 64_000


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
        self._deadline_s = rules.deadline_s
        self._http = GuardedHttp(OutboundRules(loopback=rules.loopback, trust=rules.trust, resolve=rules.resolve))

    def check(self, url: str) -> None:
        """Refuse an address that can never be sent to. Raises RequestRejected ``url_not_allowed``."""
        fault = self._http.fault(url)
        if fault:
            raise RequestRejected("url_not_allowed", fault)

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Sent:
        """One attempt; every failure is in the answer."""
        request = OutboundRequest("POST", url, headers, body)
        answer = await self._http.send(request, deadline_s=self._deadline_s, most_bytes=MOST_ANSWER_BYTES)
        error = "unreachable" if answer.error == "broken" else answer.error
        return Sent(answer.status, answer.duration_ms, error, retry_after_s=_retry_after(answer.headers.get("retry-after", "")))


def _retry_after(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 8 else 0
