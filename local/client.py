"""A thin client of the control plane's REST, for the command line."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

from nexus.errors import NexusError, RequestRejected, UpstreamError


class ControlPlane:
    """Talks to a running server. ``api_key`` is shown with every request, where it asks for one.

    Raises:
        UpstreamError: ``engine_unreachable``: nothing listens there.
        RequestRejected: the server's problem, with its code and words.
    """

    def __init__(self, base_url: str, api_key: str = "") -> None:
        self._base_url = base_url.rstrip("/")
        shown = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(base_url=self._base_url, timeout=30.0, trust_env=False, headers=shown)

    def create_call(self, tenant_id: str, *, phone: str = "", test: bool = False) -> dict[str, Any]:
        """Reserve a call; the 201 body with the socket's URL and ticket."""
        body = {"channel": "websocket", "caller": {"phone": phone} if phone else {}, "test": test}
        return self._ask("POST", f"/v1/tenants/{tenant_id}/calls", json=body, headers={"Idempotency-Key": str(uuid.uuid4())})

    def tenants(self) -> list[dict[str, Any]]:
        """Every tenant with its status."""
        return self._data("/v1/tenants", {})

    def sessions(self, tenant_id: str, **where: str) -> list[dict[str, Any]]:
        """Newest first."""
        return self._data(f"/v1/tenants/{tenant_id}/sessions", where)

    def session(self, tenant_id: str, call_id: str) -> dict[str, Any]:
        """One session, joined with its analysis."""
        return self._ask("GET", f"/v1/tenants/{tenant_id}/sessions/{call_id}")

    def leads(self, tenant_id: str, **where: str) -> list[dict[str, Any]]:
        """Newest first."""
        return self._data(f"/v1/tenants/{tenant_id}/leads", where)

    def open_conversation(self, tenant_id: str, phone: str) -> dict[str, Any]:
        """Begin a text conversation."""
        return self._ask("POST", f"/v1/tenants/{tenant_id}/conversations", json={"customer_phone": phone} if phone else {})

    def say(self, tenant_id: str, conversation_id: str, text: str) -> dict[str, Any]:
        """One line of a text conversation, and its reply."""
        return self._ask("POST", f"/v1/tenants/{tenant_id}/conversations/{conversation_id}/messages", json={"text": text})

    def ready(self) -> dict[str, Any]:
        """The readiness report."""
        return self._ask("GET", "/health/ready")

    def _data(self, path: str, where: dict[str, str]) -> list[dict[str, Any]]:
        answer = self._ask("GET", path, params={name: value for name, value in where.items() if value})
        rows: list[dict[str, Any]] = answer["data"]
        return rows

    def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise UpstreamError("engine_unreachable", f"Nothing answers at {self._base_url}: start it with `make run`.") from error
        body = _json(answer)
        if answer.is_success:
            return body
        raise _problem(answer.status_code, body)


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {"detail": answer.text[:200]}
    return body if isinstance(body, dict) else {"data": body}


def _problem(status: int, body: dict[str, Any]) -> NexusError:
    said = str(body.get("detail") or f"HTTP {status}")
    every = (str(error.get("detail", "")) for error in body.get("errors") or [])
    details = "; ".join(detail for detail in every if detail not in said)
    words = " ".join(part for part in (said, details) if part)
    return RequestRejected(str(body.get("code") or "invalid_request"), words)
