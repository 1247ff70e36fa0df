"""A call while it lives: what was ordered, where it stands, how it ended."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class EndReason(StrEnum):
    """Why a call ended: a closed list (docs/glossary.md says what each means)."""

    CALLER_HANGUP = "caller_hangup"
    AGENT_HANGUP = "agent_hangup"
    TENANT_ENDED = "tenant_ended"
    MAX_DURATION = "max_duration"
    NO_INPUT = "no_input"
    IDLE_SOCKET = "idle_socket"
    CONNECT_TIMEOUT = "connect_timeout"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    ENGINE_LOST = "engine_lost"
    CAPACITY = "capacity"
    DRAINING_FORCED = "draining_forced"
    TOOL_REQUESTED_END = "tool_requested_end"
    POLICY = "policy"
    CONSENT_REFUSED = "consent_refused"
    CALLER_LOST = "caller_lost"
    PROTOCOL_ERROR = "protocol_error"
    LOST = "lost"
    INTERNAL_ERROR = "internal_error"


OriginalStatus = Literal["COMPLETED", "DISCONNECTED", "ERROR"]
RecordStatus = Literal["completed", "failed", "abandoned"]

ORIGINAL_STATUS: MappingProxyType[EndReason, OriginalStatus] = MappingProxyType(
    {
        EndReason.CALLER_HANGUP: "COMPLETED",
        EndReason.AGENT_HANGUP: "COMPLETED",
        EndReason.TENANT_ENDED: "COMPLETED",
        EndReason.MAX_DURATION: "COMPLETED",
        EndReason.NO_INPUT: "COMPLETED",
        EndReason.TOOL_REQUESTED_END: "COMPLETED",
        EndReason.POLICY: "COMPLETED",
        EndReason.CONSENT_REFUSED: "COMPLETED",
        EndReason.IDLE_SOCKET: "DISCONNECTED",
        EndReason.CONNECT_TIMEOUT: "DISCONNECTED",
        EndReason.CALLER_LOST: "DISCONNECTED",
        EndReason.DRAINING_FORCED: "DISCONNECTED",
        EndReason.PROTOCOL_ERROR: "ERROR",
        EndReason.ENGINE_UNAVAILABLE: "ERROR",
        EndReason.ENGINE_LOST: "ERROR",
        EndReason.CAPACITY: "ERROR",
        EndReason.LOST: "ERROR",
        EndReason.INTERNAL_ERROR: "ERROR",
    }
)
"""The original's status by end reason: the one table (architecture decision 11)."""

RECORD_STATUS: MappingProxyType[OriginalStatus, RecordStatus] = MappingProxyType(
    {"COMPLETED": "completed", "DISCONNECTED": "abandoned", "ERROR": "failed"}
)


class Value(BaseModel):
    """A frozen value that crosses a process; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Caller(Value):
    """What is known of the caller. ``phone`` is E.164 or empty and never leaves private objects."""

    phone: str = ""
    name: str = ""
    external_id: str = ""


class CallerTrace(Value):
    """What a record may say of the caller: a keyed hash and the last four digits."""

    hash: str = ""
    last4: str = ""

    @staticmethod
    def of(phone: str, pepper: bytes) -> CallerTrace:
        """Hash ``phone`` with ``pepper`` (HMAC-SHA256, 32 hex digits); empty in, empty out."""
        digits = "".join(character for character in phone if character.isdigit())
        if not digits:
            return CallerTrace()
        return CallerTrace(hash=hmac.new(pepper, digits.encode(), hashlib.sha256).hexdigest()[:32], last4=digits[-4:])


RecordingWish = Literal["inherit", "off"]
"""Whether a call is recorded: as its tenant's configuration says, or not at all, as the caller has refused beforehand."""


class CallOrder(Value):
    """What ``POST /calls`` asks for. ``config_version`` stays, whatever is published meanwhile (0: edited in place).

    ``weight``: how much of scarce slots the tenant is due, beside the others'.
    """

    tenant_id: str
    config_hash: str
    config_version: int = 0
    caller: Caller = Caller()
    metadata: dict[str, str] = Field(default_factory=dict)
    max_duration_s: int | None = None
    test: bool = False
    idempotency_key: str = ""
    body_hash: str = ""
    weight: int = Field(default=1, ge=1)
    recording: RecordingWish = Field(default="inherit", exclude_if=lambda wish: wish == "inherit")
    """Not written where it asks for nothing: a media process of the former release, which knows no such field, takes the call too."""


LineKind = Literal["say", "inject"]
LineMode = Literal["now", "next"]


class LineOrder(Value):
    """A line that somebody outside has for a living call.

    ``say``: the agent speaks it, ``now`` in place of what it is saying, ``next`` after that. ``inject``: nobody hears it; the agent knows
    it from its next answer on (always ``next``).
    """

    order_id: str
    kind: LineKind
    text: str
    mode: LineMode = "next"


CallState = Literal["ready", "active", "ended"]


class CallEntry(Value):
    """One call in the ledger: ``ready`` while its ticket waits, ``active`` while connected, then ``ended``.

    ``nonce`` is the id of the newest ticket: an older one is spent. ``lease_expires_at`` is when a ready call gives its seat and
    slot back. ``end_requested`` is the flag that ``:end`` sets and the media process sees at its next heartbeat. ``seats_used`` is how
    many calls the tenant had when this one was reserved, itself included. ``process_url`` is where the process that was chosen is
    reached by other processes (empty: it is not).
    """

    call_id: str
    order: CallOrder
    state: CallState = "ready"
    nonce: str
    process_id: str
    created_at: datetime
    lease_expires_at: datetime
    end_requested: bool = False
    end_reason: EndReason | None = None
    seats_used: int = 1
    process_url: str = ""
    lines: tuple[LineOrder, ...] = ()
    """Not taken by the media process yet; it is given each once."""


class MediaProcess(Value):
    """One media process in the ledger. It is dead when ``seen_at`` is older than ten seconds. One that ``yields`` is given a call only
    where no other has room: its platform waits for it to leave."""

    process_id: str
    url: str
    engine: str
    slots: int
    draining: bool = False
    yields: bool = False
    seen_at: datetime
