"""Webhooks: which events there are, how a message is signed, when it is tried again. Pure.

**Source:** the Standard Webhooks specification (github.com/standard-webhooks/standard-webhooks): the three headers, the ``whsec_`` secret,
HMAC-SHA-256 over ``id.timestamp.body``, several signatures in one header while secrets rotate.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from nexus.domain.call import Value
from nexus.domain.ids import ulid

API_VERSION = "2026-11-21"
SECRET_PREFIX = "whsec_"  # noqa: S105 (a prefix)
SECRET_BYTES = 32
RETRY_AFTER_S = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""The waits between attempts: from 5 seconds to 24 hours, so that a message is tried eleven times in about three days and a half."""
MOST_ATTEMPTS = len(RETRY_AFTER_S) + 1
LONGEST_WAIT_S = RETRY_AFTER_S[-1]
PAUSE_AFTER = timedelta(days=5)
PAUSE_AFTER_FAILURES = 10
GONE = 410


class EventType(StrEnum):
    """What a tenant can be told of."""

    CALL_ENDED = "call.ended"
    CALL_ARTIFACTS_READY = "call.artifacts_ready"
    CALL_ANALYZED = "call.analyzed"
    WEBHOOK_PAUSED = "webhook.paused"
    WEBHOOK_TEST = "webhook.test"


class Event(Value):
    """Something that happened, as it is sent: the same bytes for every receiver and every attempt."""

    id: str
    type: EventType
    api_version: str = API_VERSION
    created_at: datetime
    tenant_id: str
    data: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one attempt to send. ``status`` is None where no answer came; ``error`` then says why in one word."""

    status: int | None
    duration_ms: float
    error: str = ""
    retry_after_s: int = 0

    @property
    def ok(self) -> bool:
        """Whether the receiver took the message."""
        return self.status is not None and 200 <= self.status < 300


def event_id(happened_at: datetime, *what: str) -> str:
    """``evt_`` and a ULID that is the same for the same happening, so that telling it twice is telling it once.

    Args:
        what: everything that makes this happening another than the next: tenant, call, type, number of the reading.
    """
    entropy = hashlib.sha256("\x00".join(what).encode()).digest()
    return f"evt_{ulid(int(happened_at.timestamp() * 1000), entropy)}"


def new_secret(entropy: bytes) -> str:
    """``whsec_`` and the base64 of ``SECRET_BYTES`` random bytes."""
    return SECRET_PREFIX + base64.b64encode(entropy).decode()


def signed_headers(message_id: str, sent_at: datetime, body: bytes, secrets: Sequence[str]) -> Mapping[str, str]:
    """The three headers of one attempt; one signature for each live secret."""
    stamp = str(int(sent_at.timestamp()))
    signatures = " ".join(sign(message_id, stamp, body, secret) for secret in secrets)
    return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": signatures}


def sign(message_id: str, stamp: str, body: bytes, secret: str) -> str:
    """``v1,`` and the base64 of the HMAC. Raises ValueError for a secret that is none."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a webhook secret is whsec_ and base64") from error
    digest = hmac.new(key, b".".join((message_id.encode(), stamp.encode(), body)), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def next_attempt(message_id: str, attempts: int, failed_at: datetime, retry_after_s: int = 0) -> datetime | None:
    """When a message that failed ``attempts`` times is tried again; None when it is given up.

    The wait varies by up to a tenth with the message, so that what failed together does not come back together.

    Args:
        retry_after_s: what the receiver asked for; it can lengthen the wait, up to a day.
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    wait_s = max(RETRY_AFTER_S[attempts - 1], min(retry_after_s, LONGEST_WAIT_S))
    share = int.from_bytes(hashlib.sha256(f"{message_id}/{attempts}".encode()).digest()[:2], "big") / 65_535
    return failed_at + timedelta(seconds=wait_s * (1 + share / 10))


def pause_reason(status: int | None, failures: int, failing_since: datetime, now: datetime) -> Literal["", "gone", "failing"]:
    """Whether a receiver that just failed is to be left alone: it said 410, or nothing has reached it for days."""
    if status == GONE:
        return "gone"
    return "failing" if failures >= PAUSE_AFTER_FAILURES and now - failing_since >= PAUSE_AFTER else ""
