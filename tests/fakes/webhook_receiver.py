"""Receivers of webhooks: one in memory that answers as it is told, and one on a loopback port."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from nexus.domain.webhook import Sent


@dataclass
class ToldSender:
    """A ``WebhookSender`` without a network: gives ``answers`` in turn, then 204; keeps what it was given."""

    answers: list[Sent] = field(default_factory=list)
    sent: list[tuple[str, Mapping[str, str], Mapping[str, Any]]] = field(default_factory=list)

    def check(self, url: str) -> None:
        """Every address is fine."""

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Sent:
        self.sent.append((url, headers, json.loads(body)))
        return self.answers.pop(0) if self.answers else Sent(204, 1.0)

    @property
    def ids(self) -> list[str]:
        """The webhook-id of each attempt."""
        return [headers["webhook-id"] for _, headers, _ in self.sent]

    @property
    def types(self) -> list[str]:
        """The type of each event that was sent."""
        return [str(body["type"]) for _, _, body in self.sent]


@dataclass
class Receiver:
    """A web server of a tenant. ``statuses`` are answered in turn, then 204; ``extra`` are further header lines of each answer."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    extra: str = ""
    body: bytes = b""
    hold: bool = False
    default_status: int = 204
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            async with self.arrived:
                self.requests.append((first, headers, body))
                self.arrived.notify_all()
            if self.hold:
                await reader.read(1)  # until the sender gives up
                return
            status = self.statuses.pop(0) if self.statuses else self.default_status
            head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(self.body)}\r\n{self.extra}Connection: close\r\n\r\n"
            writer.write(head.encode() + self.body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def wait_for(self, count: int) -> None:
        """Until so many requests have arrived."""
        async with asyncio.timeout(20), self.arrived:
            await self.arrived.wait_for(lambda: len(self.requests) >= count)

    def events(self) -> list[dict[str, Any]]:
        """The bodies, oldest first."""
        return [json.loads(body) for _, _, body in self.requests]


def signature_holds(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether a message is signed with the secret, told as the specification's own libraries tell it."""
    key = base64.b64decode(secret.split("_", 1)[1])
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(one == f"v1,{expected}" for one in headers["webhook-signature"].split(" "))


@asynccontextmanager
async def receiver(**given: Any) -> AsyncIterator[Receiver]:
    """Serve on a loopback port of its own choosing."""
    made = Receiver(**given)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
    try:
        yield made
    finally:
        server.close()
