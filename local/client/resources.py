"""Calls and what comes of them. Lists: ``page`` gives one, ``each`` goes through all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast

from local.client import schemas
from local.client.wire import Wire, given, tenant_path


class Calls:
    """Ordering calls."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def create(
        self, tenant_id: str, *, phone: str = "", test: bool = False, metadata: Mapping[str, str] | None = None
    ) -> schemas.CreatedCall:
        """Reserve a call: the socket's URL and its ticket."""
        body: dict[str, Any] = {
            "channel": "websocket",
            "caller": {"phone": phone} if phone else {},
            "test": test,
            "metadata": metadata or {},
        }
        return cast(schemas.CreatedCall, self._wire.post(tenant_path(tenant_id, "calls"), body))

    def get(self, tenant_id: str, call_id: str) -> schemas.CallDetail:
        """A call as it stands."""
        return cast(schemas.CallDetail, self._wire.get(tenant_path(tenant_id, "calls", call_id)))

    def end(self, tenant_id: str, call_id: str) -> schemas.CallDetail:
        """Ask for its end."""
        return cast(schemas.CallDetail, self._wire.post(tenant_path(tenant_id, "calls", f"{call_id}:end")))

    def say(self, tenant_id: str, call_id: str, text: str, *, mode: Literal["now", "next"] = "next") -> schemas.LineDetail:
        """Have the agent say a line in it."""
        body = {"text": text, "mode": mode}
        return cast(schemas.LineDetail, self._wire.post(tenant_path(tenant_id, "calls", f"{call_id}:say"), body))

    def inject(self, tenant_id: str, call_id: str, text: str) -> schemas.LineDetail:
        """Tell its agent something."""
        return cast(schemas.LineDetail, self._wire.post(tenant_path(tenant_id, "calls", f"{call_id}:inject"), {"text": text}))


class Sessions:
    """Finished calls."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def page(self, tenant_id: str, **where: object) -> schemas.SessionPage:
        """One page, newest first."""
        return cast(schemas.SessionPage, self._wire.get(tenant_path(tenant_id, "sessions"), **where))

    def each(self, tenant_id: str, **where: object) -> Iterator[schemas.SessionItem]:
        """All, newest first."""
        return self._wire.each(tenant_path(tenant_id, "sessions"), **where)

    def get(self, tenant_id: str, call_id: str) -> schemas.SessionDetail:
        """One, joined with its analysis."""
        return cast(schemas.SessionDetail, self._wire.get(tenant_path(tenant_id, "sessions", call_id)))

    def recording(self, tenant_id: str, call_id: str) -> schemas.RecordingDetail:
        """From where its sound can be read for a few minutes."""
        return cast(schemas.RecordingDetail, self._wire.get(tenant_path(tenant_id, "sessions", call_id, "recording")))


class Leads:
    """What calls were worth."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def page(self, tenant_id: str, **where: object) -> schemas.LeadPage:
        """One page, newest call first."""
        return cast(schemas.LeadPage, self._wire.get(tenant_path(tenant_id, "leads"), **where))

    def each(self, tenant_id: str, **where: object) -> Iterator[schemas.LeadDetail]:
        """All, newest call first."""
        return self._wire.each(tenant_path(tenant_id, "leads"), **where)

    def csv(self, tenant_id: str, **where: object) -> Iterator[str]:
        """All as CSV, in parts: the head is in the first one alone."""
        cursor = ""
        while True:
            told = self._wire.ask("GET", tenant_path(tenant_id, "leads:export"), params=given({**where, "cursor": cursor}))
            yield told.text.split("\r\n", 1)[1] if cursor else told.text
            cursor = told.next_cursor
            if not cursor:
                return


class Conversations:
    """Talking with an agent in text."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def open(self, tenant_id: str, phone: str = "") -> schemas.ConversationDetail:
        """Begin."""
        body = {"customer_phone": phone} if phone else {}
        return cast(schemas.ConversationDetail, self._wire.post(tenant_path(tenant_id, "conversations"), body))

    def say(self, tenant_id: str, conversation_id: str, text: str) -> schemas.MessageAnswer:
        """One line and its reply."""
        return cast(
            schemas.MessageAnswer, self._wire.post(tenant_path(tenant_id, "conversations", conversation_id, "messages"), {"text": text})
        )


class Reports:
    """What was used, and who changed what."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def usage(self, tenant_id: str, first_day: str = "", last_day: str = "") -> schemas.UsageDetail:
        """Days with calls and their sum; the last 30 days unless told."""
        return cast(schemas.UsageDetail, self._wire.get(tenant_path(tenant_id, "usage"), **{"from": first_day, "to": last_day}))

    def audit_events(self, tenant_id: str, **where: object) -> Iterator[schemas.AuditEventDetail]:
        """All, newest first; of the platform where no tenant is named."""
        return self._wire.each(tenant_path(tenant_id, "audit-events") if tenant_id else "/v1/audit-events", **where)
