"""Requests over HTTP: repeated where that is safe, problems as errors."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from nexus.errors import Conflict, NexusError, NotAuthorised, NotFound, QuotaExceeded, RequestRejected, UpstreamError

WORTH_REPEATING = frozenset({"rate_limited", "idempotency_in_flight", "store_unavailable", "conflict"})
"""Problems that pass by themselves, when they say ``retryable``. No room for a call is told at once: who asks decides how long to wait."""
_DEFAULT_WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a request is sent at most, the longest single wait, and what waits."""

    attempts: int = 3
    longest_wait_s: float = 15.0
    wait: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: its JSON, or text where it is none; the entity tag to change the object by; the cursor of an export that goes on."""

    body: dict[str, Any]
    etag: str = ""
    text: str = ""
    next_cursor: str = ""


class Wire:
    """Talks to one server.

    Every POST carries an ``Idempotency-Key``, so every request may be sent again when the connection breaks under it.

    Args:
        http: a client of HTTP with the server's address.
        patience: how often a request is repeated.
    """

    def __init__(self, http: httpx.Client, patience: Patience | None = None) -> None:
        self._http = http
        self._patience = patience or Patience()

    def get(self, path: str, **where: object) -> dict[str, Any]:
        """The JSON at an address; parameters without a value are left out. Raises like ``ask``."""
        return self.ask("GET", path, params=given(where)).body

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str = "") -> dict[str, Any]:
        """Make or do something. ``key``: to repeat the request of an earlier process. Raises like ``ask``."""
        return self.ask("POST", path, json=body, headers={"Idempotency-Key": key or str(uuid.uuid4())}).body

    def each(self, path: str, **where: object) -> Iterator[Any]:
        """Every row of a list, page after page."""
        cursor = ""
        while True:
            page = self.get(path, cursor=cursor, **where)
            yield from page["data"]
            if not page.get("has_more"):
                return
            cursor = page["next_cursor"]

    def ask(self, method: str, path: str, **request: Any) -> Told:
        """One request and its answer.

        Raises:
            UpstreamError: ``engine_unreachable``: nothing answers there; any problem of status 5xx.
            NotFound, NotAuthorised, Conflict, QuotaExceeded, RequestRejected: the server's problem, with its code and words.
        """
        for attempt in range(1, self._patience.attempts + 1):
            last = attempt == self._patience.attempts
            try:
                answer = self._http.request(method, path, **request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                raise self._unreachable() from error
            except httpx.TransportError as error:
                if last:
                    raise self._unreachable() from error
                self._patience.wait(_DEFAULT_WAIT_S)
                continue
            told = _told(answer)
            if answer.is_success:
                return told
            wait_s = _wait_s(answer, told.body)
            if last or wait_s is None or wait_s > self._patience.longest_wait_s:
                raise problem_of(answer, told.body)
            self._patience.wait(wait_s)
        raise self._unreachable()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _unreachable(self) -> UpstreamError:
        return UpstreamError("engine_unreachable", f"Nothing answers at {str(self._http.base_url).rstrip('/')}: start it with `make run`.")


def problem_of(answer: httpx.Response, body: Mapping[str, Any]) -> NexusError:
    """A problem document as the error that it tells of."""
    said = str(body.get("detail") or f"HTTP {answer.status_code}")
    every = body.get("errors") or []
    details = "; ".join(_placed(error) for error in every if str(error.get("detail", "")) not in said)
    code, words = str(body.get("code") or "invalid_request"), " ".join(part for part in (said, details) if part)
    match answer.status_code:
        case 401 | 403:
            return NotAuthorised(code, words)
        case 404:
            return NotFound(code, words)
        case 409 if "retry-after" not in answer.headers:
            return Conflict(code, words)
        case 409 | 429:
            return QuotaExceeded(code, words, retry_after_s=_seconds(answer))
        case status if status >= 500:
            return UpstreamError(code, words, retryable=bool(body.get("retryable")))
    return RequestRejected(code, words)


def _placed(error: Mapping[str, Any]) -> str:
    """A fault with its place in the body, where that is told."""
    place, detail = error.get("pointer"), str(error.get("detail", ""))
    return f"{place}: {detail}" if place else detail


def _wait_s(answer: httpx.Response, body: Mapping[str, Any]) -> float | None:
    """How long to wait before the request is sent again; None where that is pointless."""
    if body.get("code") not in WORTH_REPEATING or not body.get("retryable"):
        return None
    return float(_seconds(answer))


def _seconds(answer: httpx.Response) -> int:
    told = answer.headers.get("retry-after", "")
    return int(told) if told.isdigit() else int(_DEFAULT_WAIT_S)


def _told(answer: httpx.Response) -> Told:
    etag, cursor = answer.headers.get("etag", ""), answer.headers.get("x-next-cursor", "")
    if "json" not in answer.headers.get("content-type", ""):
        return Told({} if answer.is_success else {"detail": answer.text[:200]}, etag, answer.text, cursor)
    try:
        body = answer.json()
    except ValueError:
        body = {"detail": answer.text[:200]}
    return Told(body if isinstance(body, dict) else {"data": body}, etag, answer.text, cursor)


def given(where: Mapping[str, object]) -> dict[str, str]:
    """Parameters that have a value, as text."""
    return {name: _text(value) for name, value in where.items() if value not in (None, "")}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def tenant_path(tenant_id: str, *rest: str) -> str:
    """The path of a tenant, or of something of it."""
    return "/".join(("/v1/tenants", tenant_id, *rest))
