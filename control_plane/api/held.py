"""An answer held back until it is whole, and a request's body read ahead: what the conventions need of HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Send

from control_plane.services.idempotency import KeptAnswer

LONGEST_HELD_BYTES = 1_000_000
_KEPT_HEADERS = ("content-type", "location", "etag", "content-disposition")


@dataclass(frozen=True, slots=True)
class Tag:
    """An answer's entity tag, and whether the client has it already."""

    value: str = ""
    unchanged: bool = False


class HeldAnswer:
    """Holds an answer back until it is whole. One that is too long goes through as it comes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message = {}
        self._body = bytearray()
        self.told = False
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if self.told:
            await self._send(message)
        elif message["type"] == "http.response.start":
            self._start, self.status = message, message["status"]
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if message.get("more_body", False) and len(self._body) > LONGEST_HELD_BYTES:
                await self._let_go(more=True)

    def whole(self) -> KeptAnswer:
        """The answer, with those of its headers that a repeat gives again."""
        headers = MutableHeaders(scope=self._start)
        kept = tuple((name, headers[name]) for name in _KEPT_HEADERS if name in headers)
        return KeptAnswer(self.status, kept, bytes(self._body))

    async def release(self, tag: Tag) -> None:
        """Send it, with its tag, or only that it is unchanged."""
        headers = MutableHeaders(scope=self._start)
        if tag.value:
            headers["ETag"] = tag.value
        if tag.unchanged:
            self._start["status"] = 304
            self._body.clear()
            for name in ("content-length", "content-type"):
                del headers[name]
        await self._let_go(more=False)

    async def _let_go(self, *, more: bool) -> None:
        self.told = True
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": bytes(self._body), "more_body": more})
        self._body.clear()


async def whole_body(receive: Receive) -> tuple[bytes, Receive]:
    """The body, which the border has read and bounded, and a ``receive`` that gives it once more."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    first: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return bytes(body), again
