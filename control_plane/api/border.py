"""The border every HTTP request crosses: request id, guards, body limit, safe headers, a last answer when code breaks.

One ASGI middleware. Sockets pass through untouched: their door has guards of its own.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.api.guards import DoorPolicy, check_content_type, check_host, check_origin, sane_request_id
from control_plane.api.problems import answer, problem, problem_of
from nexus.context import working_for
from nexus.domain.ids import check_tenant_id
from nexus.errors import NexusError, RequestRejected

BODY_DEADLINE_S = 30.0
_API_PATHS = ("/v1/", "/health", "/init-session")
_TENANT_PATH = re.compile(r"/v1/tenants/([^/]+)")
_CONTENT_POLICY = (
    "default-src 'self'; connect-src 'self'{others}; img-src 'self' data:; media-src 'self' blob:; "
    "base-uri 'none'; object-src 'none'; form-action 'none'; frame-ancestors 'none'"
)
_BROWSER_KEY = "bearer nx_pub_"
_log = logging.getLogger("nexus.api")


@dataclass(frozen=True, slots=True)
class BorderRules:
    """What the border enforces.

    Attributes:
        socket_origin: where pages of ours may open calls besides here.
        sign_in_origins: where they ask while a person signs in.
    """

    door: DoorPolicy
    new_request_id: Callable[[], str]
    socket_origin: str = ""
    sign_in_origins: tuple[str, ...] = ()


class Border:
    """Wraps an ASGI application.

    Args:
        app: what stands behind the border.
        rules: what it enforces.
    """

    def __init__(self, app: ASGIApp, rules: BorderRules) -> None:
        self._app = app
        self._rules = rules
        others = "".join(f" {origin}" for origin in (rules.socket_origin, *rules.sign_in_origins) if origin)
        self._content_policy = _CONTENT_POLICY.format(others=others)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = sane_request_id(Headers(scope=scope).get("x-request-id", "")) or self._rules.new_request_id()
        # No tenant yet: the guard binds it, to what the credential reaches.
        with working_for(tenant_id="", call_id="", request_id=request_id):
            await self._cross(scope, receive, _Answer(send, self._headers(scope["path"], request_id)), request_id)

    async def _cross(self, scope: Scope, receive: Receive, send: _Answer, request_id: str) -> None:
        started = time.monotonic()
        try:
            self._guard(scope)
            body = await _read_body(receive, self._rules.door.max_body_bytes, Headers(scope=scope))
            if body:
                check_content_type(Headers(scope=scope).get("content-type", ""))
            await self._app(scope, _replay(body, receive), send)
        except NexusError as error:
            await answer(problem_of(error, request_id))(scope, receive, send)
        except Exception:  # the supervised border: a defect must answer like any error, and leave its traceback in the log only
            with working_for(tenant_id=_tenant_of(scope["path"])):
                _log.exception("request broke: %s %s", scope["method"], scope["path"])
            if not send.status:
                told = problem("internal_error", "Something broke on our side; the request id finds it in the logs.", request_id)
                await answer(told)(scope, receive, send)
        with working_for(tenant_id=_tenant_of(scope["path"])):
            _log.info("%s %s %s %.0f ms", scope["method"], scope["path"], send.status, (time.monotonic() - started) * 1000.0)

    def _guard(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        check_host(self._rules.door, host)
        if headers.get("authorization", "").lower().startswith(_BROWSER_KEY):
            return  # such a key names its origins itself; the guard holds the page to them
        check_origin(self._rules.door, scope["method"], host, headers.get("origin", ""), headers.get("sec-fetch-site", ""))

    def _headers(self, path: str, request_id: str) -> dict[str, str]:
        headers = {
            "X-Request-Id": request_id,
            "Content-Security-Policy": self._content_policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if path.startswith(_API_PATHS):
            headers["Cache-Control"] = "no-store"
        return headers


class _Answer:
    """Passes the answer on with our headers, and remembers its status (0 before it starts)."""

    def __init__(self, send: Send, headers: dict[str, str]) -> None:
        self._send = send
        self._headers = headers
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                headers.setdefault(name, value)
        await self._send(message)


async def _read_body(receive: Receive, limit_bytes: int, headers: Headers) -> bytes:
    """The whole body. Raises RequestRejected ``message_too_large`` or ``request_timeout``."""
    declared = headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit_bytes:
        raise _too_large(limit_bytes)
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            return await _gather(receive, limit_bytes)
    except TimeoutError as error:
        raise RequestRejected("request_timeout", f"The request's body did not arrive within {BODY_DEADLINE_S:.0f} s.") from error


async def _gather(receive: Receive, limit_bytes: int) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read already, then whatever comes after it (the client going away)."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _too_large(limit_bytes: int) -> RequestRejected:
    return RequestRejected("message_too_large", f"A request's body has at most {limit_bytes} bytes.")


def _tenant_of(path: str) -> str:
    found = _TENANT_PATH.match(path)
    try:
        return check_tenant_id(found[1]) if found else ""
    except RequestRejected:
        return ""
