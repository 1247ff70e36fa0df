"""What the API takes and gives: the shapes behind the OpenAPI document."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from nexus.domain.call import EndReason, LineKind, LineMode, RecordingWish, RecordStatus
from nexus.domain.lead import Evidence, ExtraField, LeadObject, LeadStatus
from nexus.domain.session import RecordingStatus, SessionRecord, ToolStatus, TranscriptEvent, Turn
from nexus.domain.tenant import BargeIn, Limits, Recording, VoiceSettings

CALL_ID = "call_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"
_SEPARATORS = re.compile(r"[\s().\-/]")


def _plain_phone(value: Any) -> Any:
    return _SEPARATORS.sub("", value) if isinstance(value, str) else value


Phone = Annotated[
    str,
    BeforeValidator(_plain_phone),
    Field(
        pattern=r"^(\+?[0-9]{5,15})?$",
        description="international form; spaces, dashes and brackets are dropped",
        examples=["+493055501234"],
    ),
]
MetadataKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Metadata = Annotated[dict[MetadataKey, Annotated[str, StringConstraints(max_length=500)]], Field(max_length=50)]


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Given(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


# --- tenants -----------------------------------------------------------------------------------------------------------------


TenantStatus = Annotated[
    Literal["active", "suspended", "deleting", "broken"],
    Field(description="broken: the configuration has faults; only an active tenant takes calls"),
]
CONFIG_VERSION = "what new calls are started with; 0: the tenant's folder, edited in place; null: nothing yet"


class TenantItem(_Given):
    """A tenant in the list."""

    id: str = Field(examples=["barber_shop_demo"])
    object: Literal["tenant"] = "tenant"
    name: str
    status: TenantStatus
    config_version: int | None = Field(default=None, description=CONFIG_VERSION)
    config_hash: str | None = Field(default=None, examples=["sha256:5f0c…"])
    faults: tuple[str, ...] = Field(default=(), description="every fault of a broken configuration, with its place and fix")


class TenantDetail(_Given):
    """A tenant, and what may be shown of its configuration to everybody: neither prompt, nor knowledge, nor the settings of its tools.

    What comes from the configuration is null while there is none.
    """

    id: str = Field(examples=["barber_shop_demo"])
    object: Literal["tenant"] = "tenant"
    name: str
    status: TenantStatus
    allowed_origins: tuple[str, ...] = Field(default=(), description="further pages that may open this tenant's calls")
    language: str
    timezone: str
    created_at: datetime | None = Field(description="null for a tenant that so far lies in a folder only")
    config_version: int | None = Field(description=CONFIG_VERSION)
    config_hash: str | None = None
    greeting: str | None = None
    first_speaker: Literal["agent", "caller"] | None = None
    voice_settings: VoiceSettings | None = None
    enabled_tools: tuple[str, ...] = ()
    barge_in: BargeIn | None = None
    limits: Limits | None = None
    recording: Recording | None = None
    has_knowledge_base: bool = False


class TenantPage(_Given):
    data: tuple[TenantItem, ...]
    has_more: bool
    next_cursor: str | None


# --- calls -------------------------------------------------------------------------------------------------------------------


class CallerBody(_Asked):
    """What the client knows of the caller. It stays out of records, which keep a hash and the last four digits."""

    phone: Phone = ""
    name: str = Field(default="", max_length=200)
    external_id: str = Field(default="", max_length=200)


class CallBody(_Asked):
    """A call to be made."""

    channel: Literal["websocket"] = "websocket"
    caller: CallerBody = CallerBody()
    metadata: Metadata = Field(default_factory=dict, description="kept with the session; sessions can be filtered by it")
    max_duration_s: int | None = Field(
        default=None, ge=5, le=7200, description="shorter than the tenant's limit; a longer wish is cut to it"
    )
    test: bool = Field(default=False, description="marks the session as a test")
    recording: RecordingWish = Field(
        default="inherit",
        description="off: not recorded, whatever the tenant's configuration says; for a caller who refused beforehand",
    )


class SocketDoor(_Given):
    """Where and how the call is opened."""

    url: str = Field(examples=[f"ws://localhost:8000/v1/calls/{CALL_ID}"])
    subprotocol: Literal["nexus.v1"] = "nexus.v1"
    ticket: str = Field(description="send it as the subprotocol token.<ticket> beside nexus.v1, or as Authorization: Bearer")
    expires_at: datetime
    single_use: Literal[True] = True


class ConcurrentCalls(_Given):
    used: int = Field(description="with this call, when it was reserved")
    max: int


class CallLimits(_Given):
    concurrent_calls: ConcurrentCalls
    max_duration_s: int


class CreatedCall(_Given):
    """A call that waits for its caller."""

    id: str = Field(examples=[CALL_ID])
    object: Literal["call"] = "call"
    status: Literal["ready"] = "ready"
    tenant_id: str
    config_version: int = Field(description="what the call stays with, whatever is published meanwhile; 0: the tenant's folder")
    config_hash: str
    engine: str = Field(examples=["cascade"])
    websocket: SocketDoor
    limits: CallLimits
    created_at: datetime
    metadata: dict[str, str]
    test: bool


class CallDetail(_Given):
    """A call as it stands. ``abandoned`` also means that its ticket was never used."""

    id: str = Field(examples=[CALL_ID])
    object: Literal["call"] = "call"
    status: Literal["ready", "active"] | RecordStatus
    tenant_id: str
    config_version: int
    config_hash: str
    created_at: datetime
    max_duration_s: int | None
    end_requested: bool
    end_reason: EndReason | None
    metadata: dict[str, str]
    test: bool


class SayBody(_Asked):
    """What the agent is to say in a living call: ``now`` in place of what it is saying, ``next`` after that."""

    text: str = Field(min_length=1, max_length=1000)
    mode: LineMode = "next"


class InjectBody(_Asked):
    """What the agent is to know from its next answer on; the caller does not hear it."""

    text: str = Field(min_length=1, max_length=2000)


class LineDetail(_Given):
    """A line that waits for its call, which takes it within two seconds; the session's ``lines`` say when it was carried out."""

    id: str = Field(examples=["order_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"])
    object: Literal["line"] = "line"
    call_id: str
    kind: LineKind
    mode: LineMode


# --- sessions and leads ------------------------------------------------------------------------------------------------------


class SessionItem(_Given):
    """A session in the list."""

    id: str = Field(examples=[CALL_ID])
    object: Literal["session"] = "session"
    tenant_id: str
    status: RecordStatus
    end_reason: EndReason
    started_at: datetime
    ended_at: datetime
    duration_ms: float
    engine: str
    turns: int
    tool_calls: int
    caller_last4: str
    outcome: str = Field(description="what the analysis says came of the call; empty while there is none")
    config_version: int | None = Field(
        description="the version of the configuration that the call ran with; 0: the tenant's folder; null: not kept by the first release"
    )
    metadata: dict[str, str]
    test: bool


class SessionPage(_Given):
    data: tuple[SessionItem, ...]
    has_more: bool
    next_cursor: str | None


class AnalysisDetail(_Given):
    """How the intelligence came about."""

    schema_version: int
    lead_id: str
    created_at: datetime
    started_at: datetime | None = Field(description="when this reading was begun; null: not kept by the first release")
    model: str
    status: Literal["done", "fallback"] = Field(description="fallback: the model failed and only what is certain stands in the lead")
    error: str
    reading: int
    evidence: tuple[Evidence, ...]
    fields: tuple[ExtraField, ...]


class Reanalysis(_Given):
    """A reading that is wanted."""

    object: Literal["reanalysis"] = "reanalysis"
    session_id: str
    reading: int = Field(description="the session's analysis is this one as soon as its reading says so")
    status: Literal["queued"] = "queued"


class SessionDetail(SessionRecord):
    """A whole session: the archived record, joined with its analysis (null while there is none)."""

    intelligence: LeadObject | None
    analysis: AnalysisDetail | None
    trace_id: str = Field(description="of the call's trace, where traces are kept (docs/operations.md); it follows from the id")


class Transcript(_Given):
    """What was said, as turns and as the events of the original format."""

    object: Literal["transcript"] = "transcript"
    session_id: str
    turns: tuple[Turn, ...]
    events: tuple[TranscriptEvent, ...]


class RecordingDetail(_Given):
    """The sound of a call. ``url`` works for anybody until ``expires_at``."""

    object: Literal["recording"] = "recording"
    session_id: str
    url: str
    expires_at: datetime
    status: RecordingStatus
    code: str
    media_type: str
    channels: int
    sample_rate_hz: int
    duration_ms: float
    bytes: int
    sha256: str
    delete_after: datetime | None


class LeadDetail(_Given):
    """What one call was worth."""

    id: str = Field(examples=["lead_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"])
    object: Literal["lead"] = "lead"
    tenant_id: str
    session_id: str
    created_at: datetime
    call_started_at: datetime
    model: str
    status: Literal["done", "fallback"] = Field(
        description="of the reading; fallback: the model failed, only what is certain stands in lead"
    )
    error: str
    lead_status: LeadStatus = Field(description="where a person stands with it")
    reading: int = Field(description="how often the call has been read")
    lead: LeadObject
    evidence: tuple[Evidence, ...] = Field(description="where each filled field comes from: the index of a turn, or what else")
    fields: tuple[ExtraField, ...] = Field(description="the tenant's own fields (lead_fields), each with its turn")


class LeadChange(_Asked):
    """What a person notes on a lead."""

    lead_status: LeadStatus


class LeadPage(_Given):
    data: tuple[LeadDetail, ...]
    has_more: bool
    next_cursor: str | None


# --- conversations -----------------------------------------------------------------------------------------------------------


class InitSessionBody(_Asked):
    tenant_id: str = Field(examples=["barber_shop_demo"])
    customer_phone: Phone = ""


class InitSessionAnswer(_Given):
    """The original's answer, and the id under which the conversation goes on."""

    status: Literal["success"] = "success"
    request_id: str
    session_id: str
    tenant_id: str
    active_tools: tuple[str, ...]
    greeting: str


class ConversationBody(_Asked):
    customer_phone: Phone = ""


class ConversationDetail(_Given):
    id: str
    object: Literal["conversation"] = "conversation"
    tenant_id: str
    active_tools: tuple[str, ...]
    greeting: str


class MessageBody(_Asked):
    text: str = Field(min_length=1, max_length=4000, examples=["Do you have time tomorrow at ten?"])


class ToolTold(_Given):
    name: str
    status: ToolStatus
    arguments: dict[str, Any]
    output: str
    duration_ms: float


class MessageAnswer(_Given):
    object: Literal["message"] = "message"
    reply: str
    tools: tuple[ToolTold, ...]
    ended: bool = Field(description="the agent has closed the conversation")
