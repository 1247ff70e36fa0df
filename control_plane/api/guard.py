"""The guard: before any route runs, who asks is found out, and whether they may.

One ASGI step behind the border. It finds the operation by the very routes that will answer, asks the authenticator for the principal and
the matrix for the decision, and binds both to the request: ``request.state.principal`` and ``operation_id``, ``access.principal.asking()``
and the tenant of ``nexus.context``. A second look on each route (``guarded``) refuses what came around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.access.decision import authorise
from control_plane.access.matrix import MATRIX, Rule
from control_plane.access.principal import PUBLIC, Kind, Principal, asked_by
from control_plane.api.problems import answer, problem_of
from control_plane.services.authentication import Authenticator
from nexus.context import current, working_for
from nexus.domain.ids import check_tenant_id
from nexus.errors import NexusError, NotAuthorised, NotFound, RequestRejected

_BROWSER_HEADERS = "authorization, content-type, idempotency-key, x-request-id"
_TOLD_HEADERS = "location, retry-after, x-request-id"
_PREFLIGHT_MAX_AGE_S = 600
_CALLS = re.compile(r"/v1/tenants/([^/]+)/calls")


@dataclass(frozen=True, slots=True)
class Gate:
    """What the guard is given: who knows principals, what they may, which routes there are (more may be made while it stands)."""

    authenticator: Authenticator
    routes: Sequence[BaseRoute] = ()
    matrix: Mapping[str, Rule] = field(default_factory=lambda: MATRIX)
    decide: Callable[..., None] = authorise


class Guard:
    """Wraps an ASGI application.

    Args:
        app: what stands behind the guard.
        gate: what it decides with.
    """

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if is_preflight(scope, headers):
            await (await self._preflight(scope, headers))(scope, receive, send)
            return
        found = self._operation(scope)
        if found is None:  # no route of ours: the router answers 404 or 405, or a page of the console
            await self._app(scope, receive, send)
            return
        operation_id, tenant_id = found
        try:
            principal = await self._admit(operation_id, tenant_id, headers)
        except NexusError as error:
            await refusal(error)(scope, receive, send)
            return
        scope.setdefault("state", {}).update(principal=principal, operation_id=operation_id)
        with asked_by(principal), working_for(tenant_id=tenant_id or principal.tenant_id):
            await self._app(scope, receive, _readable(send, principal, headers))

    async def _admit(self, operation_id: str, tenant_id: str, headers: Headers) -> Principal:
        rule = self._gate.matrix.get(operation_id)
        if rule is not None and rule.reach == "public":
            return PUBLIC
        shown = headers.getlist("authorization")
        if len(shown) > 1:
            raise NotAuthorised("credential_invalid", "Send one header Authorization, not several.")
        principal = await self._gate.authenticator.principal(shown[0] if shown else "", headers.get("origin", ""))
        self._gate.decide(principal, operation_id, tenant_id, matrix=self._gate.matrix)
        if tenant_id:  # whoever may reach every tenant still names one: nothing is counted, noted or looked up under what is no tenant's id
            check_tenant_id(tenant_id)
        return principal

    def _operation(self, scope: Scope) -> tuple[str, str] | None:
        for route in self._gate.routes:
            match, found = route.matches(scope)
            if match is Match.FULL and isinstance(route, APIRoute):
                return route.operation_id or "", str(found.get("path_params", {}).get("tenant_id", ""))
        return None

    async def _preflight(self, scope: Scope, headers: Headers) -> Response:
        """A browser asks whether a page of another origin may order a call. What is not allowed is answered without any permission."""
        origin = headers.get("origin", "")
        found = _CALLS.fullmatch(scope["path"])
        if found is None or headers.get("access-control-request-method") != "POST":
            return Response(status_code=204, headers={"Vary": "Origin"})
        try:
            allowed = await self._gate.authenticator.page_may_call(check_tenant_id(found[1]), origin)
        except RequestRejected:
            allowed = False
        except NexusError as error:
            return refusal(error)
        return Response(status_code=204, headers=_permission(origin) if allowed else {"Vary": "Origin"})


def is_preflight(scope: Scope, headers: Headers) -> bool:
    """Whether a browser asks for permission before a request of another origin (Fetch standard, CORS-preflight request)."""
    return scope["method"] == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def refusal(error: NexusError) -> Response:
    """The problem document; 401 says how to prove who one is (RFC 6750 section 3)."""
    headers = {"WWW-Authenticate": _challenge(error)} if isinstance(error, NotAuthorised) else {}
    told = problem_of(error, current().request_id)
    return answer(told, headers=headers if told.status == 401 else {})


async def guarded(request: Request) -> None:
    """The second look, on every route: what did not pass the guard with this very operation is refused as a defect of ours."""
    route = request.scope.get("route")
    passed = getattr(request.state, "operation_id", None)
    if not isinstance(getattr(request.state, "principal", None), Principal) or passed != getattr(route, "operation_id", ""):
        raise RuntimeError(f"{request.method} {request.url.path} reached its route without the guard")


def principal_of(request: Request) -> Principal:
    """Who the request is for, as the guard found."""
    return cast(Principal, request.state.principal)


@contextmanager
def entered(request: Request, tenant_id: str) -> Iterator[None]:
    """Work for a tenant that the request names outside of its path, after the same decision as for one in the path.

    Raises:
        NotFound: ``tenant_not_found``.
        NotAuthorised: ``forbidden``.
    """
    authorise(principal_of(request), request.state.operation_id, tenant_id)
    with working_for(tenant_id=tenant_id):
        yield


def order_within_mode(request: Request, *, test: bool) -> None:
    """Raises NotAuthorised ``forbidden`` where a key of test mode orders a real call."""
    if principal_of(request).test and not test:
        raise NotAuthorised("forbidden", 'This key is of test mode and orders test calls only: send "test": true, or use a live key.')


def seen_within_mode(request: Request, *, test: bool, missing: str) -> None:
    """Raises NotFound with the code ``missing`` where a key of test mode looks at a real call: to such a key there are none."""
    if principal_of(request).test and not test:
        raise NotFound(missing, "There is no such call for this tenant.")


def _challenge(error: NexusError) -> str:
    if error.code == "credential_missing":
        return 'Bearer realm="nexus"'
    return f'Bearer realm="nexus", error="invalid_token", error_description="{error.code}"'


def _permission(origin: str) -> dict[str, str]:
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": _BROWSER_HEADERS,
        "Access-Control-Max-Age": str(_PREFLIGHT_MAX_AGE_S),
        "Vary": "Origin",
    }


def _readable(send: Send, principal: Principal, headers: Headers) -> Send:
    """With a publishable key the page, whose origin has been checked, may read the answer."""
    if principal.kind is not Kind.PUBLISHABLE_KEY:
        return send

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            answered = MutableHeaders(scope=message)
            answered["Access-Control-Allow-Origin"] = headers.get("origin", "")
            answered["Access-Control-Expose-Headers"] = _TOLD_HEADERS
            answered.add_vary_header("Origin")
        await send(message)

    return told
