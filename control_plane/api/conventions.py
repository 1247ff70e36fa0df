"""The conventions of every route, kept in one place: rate limits, Idempotency-Key, entity tags of what is read, audit of what is changed
and of who listens.

One ASGI step behind the guard, which has said who asks (``principal``) and for what (``operation_id``). A request without an operation of
ours passes untouched.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.access.matrix import MATRIX, Rule
from control_plane.access.principal import Principal
from control_plane.api.books import Books
from control_plane.api.etags import body_tag, none_match
from control_plane.api.held import HeldAnswer, Tag, whole_body
from control_plane.api.problems import answer, problem_of, retry_after_s
from control_plane.services.audit import Deed
from control_plane.services.idempotency import KeptAnswer, KeyedRequest, Reservation, fingerprint
from control_plane.services.rates import WINDOW_S, Budget
from nexus.context import current
from nexus.domain.tenancy import PLATFORM
from nexus.errors import NexusError, QuotaExceeded, StoreError

OWN_IDEMPOTENCY = frozenset({"createCall"})
"""Repeats of these are answered by the use case itself: a repeated ``POST /calls`` gives a fresh ticket."""
UNAUDITED = frozenset({"createCall", "initSession", "openConversation", "sendMessage", "endConversation"})
"""Talking is use, not administration: calls leave records of their own."""
AUDITED_READS = frozenset({"getRecording"})
"""Reading that leaves an event, as it hands out what was said with nothing left out; without the event nothing is handed out."""
WITHOUT_EFFECT = frozenset({"validateConfig"})
"""POST only for the sake of a body."""
ERASING = frozenset({"deleteTenant"})
_OBJECT_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_TENANT_ITSELF = re.compile(r"/v1/tenants/[^/]+")
_log = logging.getLogger("nexus.api")


def is_change(operation_id: str, method: str, matrix: Mapping[str, Rule] = MATRIX) -> bool:
    """Whether an operation changes something: told by its method, but for what is POST only for the sake of a body."""
    rule = matrix.get(operation_id)
    reads = method in ("GET", "HEAD", "OPTIONS") or operation_id in WITHOUT_EFFECT
    return not reads and not (rule is not None and rule.permission.endswith(":read"))


def takes_key(operation_id: str, method: str) -> bool:
    """Whether the conventions honour an Idempotency-Key of the operation, if it changes something."""
    return method == "POST" and operation_id not in OWN_IDEMPOTENCY


def is_tagged(operation_id: str, method: str) -> bool:
    """Whether the operation shows one object, which has an entity tag."""
    return method == "GET" and operation_id.startswith("get")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the conventions see it."""

    operation_id: str
    method: str
    path: str
    owner: str
    principal: Principal
    headers: Headers
    changes: bool

    @property
    def keyed(self) -> bool:
        """Whether an Idempotency-Key is ours to honour."""
        return "idempotency-key" in self.headers and self.changes and takes_key(self.operation_id, self.method)

    @property
    def audited(self) -> bool:
        """Whether its success leaves an event."""
        return self.operation_id in AUDITED_READS or (self.changes and self.operation_id not in UNAUDITED)

    @property
    def tagged(self) -> bool:
        """Whether its answer is one object that has an entity tag."""
        return is_tagged(self.operation_id, self.method)


class Conventions:
    """Wraps an ASGI application.

    Args:
        app: what stands behind.
        books: what is kept.
    """

    def __init__(self, app: ASGIApp, books: Books) -> None:
        self._app = app
        self._books = books

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        asked = self._asked(scope) if scope["type"] == "http" else None
        if asked is None:
            await self._app(scope, receive, send)
            return
        budget = await self._books.rates.take(asked.owner, asked.principal.kind.value)
        out = _limits_told(send, budget)
        try:
            _check(budget)
            reservation: Reservation | None = None
            if asked.keyed:
                body, receive = await whole_body(receive)
                begun = await self._books.idempotency.begin(_keyed(asked, scope, body))
                if isinstance(begun, KeptAnswer):
                    await _again(begun)(scope, receive, out)
                    return
                reservation = begun
        except NexusError as error:
            await _refused(error)(scope, receive, out)
            return
        await self._answer(_Work(asked, reservation), scope, receive, out)

    async def _answer(self, work: _Work, scope: Scope, receive: Receive, send: Send) -> None:
        held = HeldAnswer(send)
        kept = False
        try:
            await self._app(scope, receive, held)
            if held.told:  # too long to hold, or a stream: it went out as it came
                return
            whole = held.whole()
            if work.asked.audited and held.status < 400:
                lost = await self._note(work.asked, scope, held.status, whole)
                if lost is not None and not work.asked.changes:
                    await _refused(lost)(scope, receive, send)
                    return
            if work.reservation is not None and held.status < 300:
                await self._books.idempotency.keep(work.reservation, whole)
                kept = True
            await held.release(_unchanged(work.asked, whole))
        finally:
            if work.reservation is not None and not kept:
                await self._books.idempotency.free(work.reservation)

    async def _note(self, asked: Asked, scope: Scope, status: int, whole: KeptAnswer) -> StoreError | None:
        """Why an event could not be written, if one could not. A change has been made by then: its answer must not fail for want of one."""
        deed = Deed(
            actor_kind=str(asked.principal.kind),
            actor_id=asked.principal.id,
            operation=asked.operation_id,
            object_id=_object_of(asked, scope, whole),
            request_id=current().request_id,
            status=status,
            address=str((scope.get("client") or ("",))[0]),
        )
        lost = None
        for owner in sorted(_audited_for(asked)):
            try:
                await self._books.audit.note(owner, deed)
            except StoreError as error:
                lost = error
                _log.error("audit event lost (%s): %s by %s %s", error.code, deed.operation, deed.actor_kind, deed.actor_id)
        return lost

    def _asked(self, scope: Scope) -> Asked | None:
        state = scope.get("state", {})
        operation_id, principal = state.get("operation_id", ""), state.get("principal")
        if not operation_id or not isinstance(principal, Principal):
            return None
        return Asked(
            operation_id=operation_id,
            method=scope["method"],
            path=scope["path"],
            owner=current().tenant_id or PLATFORM,
            principal=principal,
            headers=Headers(scope=scope),
            changes=is_change(operation_id, scope["method"], self._books.matrix),
        )


@dataclass(frozen=True, slots=True)
class _Work:
    """A request that is being done, and the key that it is done under."""

    asked: Asked
    reservation: Reservation | None


def _audited_for(asked: Asked) -> set[str]:
    """Whose event it is. What becomes of a tenant itself is the operator's too: it is known when the tenant's own documents are gone."""
    if asked.operation_id in ERASING:
        return {PLATFORM}  # nothing may be written behind the job that erases
    return {asked.owner, PLATFORM} if _TENANT_ITSELF.fullmatch(asked.path) else {asked.owner}


def _unchanged(asked: Asked, whole: KeptAnswer) -> Tag:
    if not asked.tagged or whole.status != 200:
        return Tag()
    tag = dict(whole.headers).get("etag") or body_tag(whole.body)
    return Tag(tag, none_match(asked.headers.get("if-none-match", ""), tag))


def _object_of(asked: Asked, scope: Scope, whole: KeptAnswer) -> str:
    """What was changed: the last id of the path, for something new the id it was given."""
    if _TENANT_ITSELF.fullmatch(asked.path):
        return current().tenant_id
    names = [str(value) for name, value in scope.get("path_params", {}).items() if name != "tenant_id"]
    location = dict(whole.headers).get("location", "").rstrip("/").rpartition("/")[2]
    for found in (*names[-1:], location, _id_in(whole.body), current().tenant_id):
        if _OBJECT_ID.fullmatch(found):
            return found
    return ""


def _id_in(body: bytes) -> str:
    try:
        told = json.loads(body)
    except ValueError:
        return ""
    return str(told.get("id", "")) if isinstance(told, dict) else ""


def _keyed(asked: Asked, scope: Scope, body: bytes) -> KeyedRequest:
    target = f"{asked.path}?{scope.get('query_string', b'').decode('latin-1')}"
    return KeyedRequest(
        owner=asked.owner,
        principal=f"{asked.principal.kind}:{asked.principal.id}",
        operation_id=asked.operation_id,
        key=asked.headers["idempotency-key"],
        fingerprint=fingerprint(asked.method, target, body),
    )


def _check(budget: Budget | None) -> None:
    """Raises QuotaExceeded ``rate_limited``."""
    if budget is not None and not budget.granted:
        words = f"At most {budget.limit} requests a minute of this kind of credential; wait for Retry-After."
        raise QuotaExceeded("rate_limited", words, retry_after_s=budget.reset_s)


def _refused(error: NexusError) -> Response:
    wait_s = retry_after_s(error)
    headers = {"Retry-After": str(wait_s)} if isinstance(error, QuotaExceeded) else {}
    return answer(problem_of(error, current().request_id), wait_s=wait_s, headers=headers)


def _again(kept: KeptAnswer) -> Response:
    return Response(kept.body, status_code=kept.status, headers={**dict(kept.headers), "Idempotent-Replayed": "true"})


def _limits_told(send: Send, budget: Budget | None) -> Send:
    """Every answer says what is left of the budget.

    **Source:** draft-ietf-httpapi-ratelimit-headers, ``RateLimit-Policy`` and ``RateLimit`` of version 08 and later; the three fields of
    the versions before it are what most clients read today.
    """
    if budget is None:
        return send

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["RateLimit-Policy"] = f'"minute";q={budget.limit};w={WINDOW_S}'
            headers["RateLimit"] = f'"minute";r={budget.remaining};t={budget.reset_s}'
            headers["RateLimit-Limit"] = str(budget.limit)
            headers["RateLimit-Remaining"] = str(budget.remaining)
            headers["RateLimit-Reset"] = str(budget.reset_s)
        await send(message)

    return told
