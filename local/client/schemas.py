"""The shapes of the REST API's bodies and answers, by their names in docs/openapi.json.

Written by ``python scripts/client_schemas.py``; do not edit. ``NotRequired`` is what an answer may leave out.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class Actor(TypedDict):
    id: str
    kind: str


class Alive(TypedDict):
    status: NotRequired[Literal["ok"]]


class Amounts(TypedDict):
    call_minutes: float
    call_ms: float
    calls: int
    failed_calls: int
    slot_ms: float
    talk_ms: TalkTimeUsed
    test_calls: int
    tool_calls: int


class AnalysisDetail(TypedDict):
    created_at: str
    error: str
    evidence: list[Evidence]
    fields: list[ExtraField]
    lead_id: str
    model: str
    reading: int
    schema_version: int
    started_at: str | None
    status: Literal["done", "fallback"]


class ApiKeyBody(TypedDict):
    expires_at: NotRequired[str | None]
    kind: NotRequired[Literal["secret", "publishable"]]
    mode: NotRequired[Literal["live", "test"]]
    name: str
    origins: NotRequired[list[str]]
    scopes: NotRequired[list[str]]


class ApiKeyDetail(TypedDict):
    created_at: str
    created_by: str
    expires_at: str | None
    id: str
    kind: Literal["secret", "publishable"]
    last_used_on: str | None
    mode: Literal["live", "test"]
    name: str
    object: NotRequired[Literal["api_key"]]
    origins: list[str]
    revoked_at: str | None
    scopes: list[str]
    secrets: list[LiveSecret]
    status: Literal["active", "expired", "revoked"]
    tenant_id: str


class ApiKeyPage(TypedDict):
    data: list[ApiKeyDetail]
    has_more: bool
    next_cursor: str | None


class AttemptDetail(TypedDict):
    at: str
    duration_ms: float
    error: str
    status: int | None


class AudioFacts(TypedDict):
    corrupt_frames: NotRequired[int]
    dropped_frames: NotRequired[int]
    in_bytes: NotRequired[int]
    in_dropped_ms: NotRequired[float]
    in_ms: NotRequired[float]
    out_bytes: NotRequired[int]
    out_ms: NotRequired[float]
    rms_db: NotRequired[float | None]
    underruns: NotRequired[int]


class AuditEventDetail(TypedDict):
    actor: Actor
    address_hash: str
    at: str
    id: str
    object: NotRequired[Literal["audit_event"]]
    object_id: str
    operation: str
    request_id: str
    status: int


class AuditEventPage(TypedDict):
    data: list[AuditEventDetail]
    has_more: bool
    next_cursor: str | None


class BargeIn(TypedDict):
    enabled: NotRequired[bool]
    greeting_interruptible: NotRequired[bool]
    sensitivity: NotRequired[Literal["low", "medium", "high"]]


class BundledDocument(TypedDict):
    content_type: Literal["text/markdown", "text/plain", "text/html", "text/csv", "application/json"]
    name: str
    text: str


class BundledReceiver(TypedDict):
    description: NotRequired[str]
    events: list[Literal["call.ended", "call.artifacts_ready", "call.analyzed", "webhook.paused"]]
    status: NotRequired[Literal["active", "paused"]]
    url: str


class BundledVersion(TypedDict):
    config: dict[str, JsonValue]
    note: NotRequired[str]
    published_at: str
    rolled_back_to: NotRequired[int | None]
    version: int


class CallBody(TypedDict):
    caller: NotRequired[CallerBody]
    channel: NotRequired[Literal["websocket"]]
    max_duration_s: NotRequired[int | None]
    metadata: NotRequired[dict[str, Any]]
    recording: NotRequired[Literal["inherit", "off"]]
    test: NotRequired[bool]


class CallDetail(TypedDict):
    config_hash: str
    config_version: int
    created_at: str
    end_reason: EndReason | None
    end_requested: bool
    id: str
    max_duration_s: int | None
    metadata: dict[str, str]
    object: NotRequired[Literal["call"]]
    status: Literal["ready", "active"] | Literal["completed", "failed", "abandoned"]
    tenant_id: str
    test: bool


class CallLimits(TypedDict):
    concurrent_calls: ConcurrentCalls
    max_duration_s: int


class CallerBody(TypedDict):
    external_id: NotRequired[str]
    name: NotRequired[str]
    phone: NotRequired[str]


class CallerTrace(TypedDict):
    hash: NotRequired[str]
    last4: NotRequired[str]


class CanaryBody(TypedDict):
    note: NotRequired[str]
    percent: int
    version: NotRequired[int | None]


class CanaryDetail(TypedDict):
    config_hash: str
    percent: int
    started_at: str
    version: int


class CheckResult(TypedDict):
    detail: NotRequired[str]
    ok: bool


class ConcurrentCalls(TypedDict):
    max: int
    used: int


class ConfigDetail(TypedDict):
    canary: CanaryDetail | None
    config: TenantConfig
    config_hash: str
    note: str
    object: NotRequired[Literal["config"]]
    published_at: str | None
    rolled_back_to: int | None
    source: Literal["folder", "published"]
    tenant_id: str
    version: int


class ConfigVerdict(TypedDict):
    config_hash: str | None
    errors: list[Fault]
    object: NotRequired[Literal["config_verdict"]]
    valid: bool
    warnings: list[Fault]


class ConfigVersionItem(TypedDict):
    active: bool
    canary: bool
    config_hash: str
    note: str
    object: NotRequired[Literal["config_version"]]
    published_at: str
    rolled_back_to: int | None
    version: int


class ConfigVersionPage(TypedDict):
    data: list[ConfigVersionItem]
    has_more: bool
    next_cursor: str | None


class ConversationBody(TypedDict):
    customer_phone: NotRequired[str]


class ConversationDetail(TypedDict):
    active_tools: list[str]
    greeting: str
    id: str
    object: NotRequired[Literal["conversation"]]
    tenant_id: str


class CreatedCall(TypedDict):
    config_hash: str
    config_version: int
    created_at: str
    engine: str
    id: str
    limits: CallLimits
    metadata: dict[str, str]
    object: NotRequired[Literal["call"]]
    status: NotRequired[Literal["ready"]]
    tenant_id: str
    test: bool
    websocket: SocketDoor


class DeliveryDetail(TypedDict):
    attempts: list[AttemptDetail]
    created_at: str
    id: str
    next_attempt_at: str | None
    object: NotRequired[Literal["webhook_delivery"]]
    status: Literal["pending", "delivered", "failed"]
    type: EventType
    webhook_id: str


class DeliveryPage(TypedDict):
    data: list[DeliveryDetail]
    has_more: bool
    next_cursor: str | None


class DraftDetail(TypedDict):
    config: dict[str, Any]
    object: NotRequired[Literal["config_draft"]]
    tenant_id: str
    updated_at: str


EndReason = Literal[
    "caller_hangup",
    "agent_hangup",
    "tenant_ended",
    "max_duration",
    "no_input",
    "idle_socket",
    "connect_timeout",
    "engine_unavailable",
    "engine_lost",
    "capacity",
    "draining_forced",
    "tool_requested_end",
    "policy",
    "consent_refused",
    "caller_lost",
    "protocol_error",
    "lost",
    "internal_error",
]


class EngineRotation(TypedDict):
    at_ms: float
    gap_ms: float
    generation: int
    reason: str


EventType = Literal["call.ended", "call.artifacts_ready", "call.analyzed", "webhook.paused", "webhook.test"]


class Evidence(TypedDict):
    field: str
    source: NotRequired[Literal["turn", "tool", "caller_id", "whole_call"]]
    turn: NotRequired[int | None]


class ExtraField(TypedDict):
    evidence_turn: NotRequired[int | None]
    name: str
    value: JsonValue


class FailedItem(TypedDict):
    code: str
    detail: str
    failed_at: str
    object: NotRequired[Literal["failed_item"]]
    session_id: str
    step: Step


class FailedItemPage(TypedDict):
    data: list[FailedItem]
    has_more: bool
    next_cursor: str | None


class Fault(TypedDict):
    code: str
    detail: str
    parameter: NotRequired[str | None]
    pointer: NotRequired[str | None]


class Health(TypedDict):
    service: str
    status: Literal["healthy", "degraded"]
    tenants: int
    version: str


class HttpTool(TypedDict):
    description: str
    effect: NotRequired[Literal["read", "write"]]
    ends_call: NotRequired[bool]
    headers: NotRequired[dict[str, str]]
    method: NotRequired[Literal["GET", "POST", "PUT", "PATCH", "DELETE"]]
    name: str
    parameters: NotRequired[dict[str, JsonValue]]
    retries: NotRequired[int]
    spoken: NotRequired[SpokenLines]
    timeout_s: NotRequired[float | None]
    url: str


class ImportBody(TypedDict):
    bundle: dict[str, Any]
    id: str


class ImportedDocument(TypedDict):
    detail: str
    id: str
    name: str
    status: Literal["pending", "ready", "failed"]


class ImportedWebhook(TypedDict):
    id: str
    secret: str
    url: str


class InitSessionAnswer(TypedDict):
    active_tools: list[str]
    greeting: str
    request_id: str
    session_id: str
    status: NotRequired[Literal["success"]]
    tenant_id: str


class InitSessionBody(TypedDict):
    customer_phone: NotRequired[str]
    tenant_id: str


class InjectBody(TypedDict):
    text: str


class Interruptions(TypedDict):
    caller: NotRequired[int]
    false: NotRequired[int]


class IssuedApiKey(TypedDict):
    created_at: str
    created_by: str
    expires_at: str | None
    id: str
    kind: Literal["secret", "publishable"]
    last_used_on: str | None
    mode: Literal["live", "test"]
    name: str
    object: NotRequired[Literal["api_key"]]
    origins: list[str]
    revoked_at: str | None
    scopes: list[str]
    secret: str
    secrets: list[LiveSecret]
    status: Literal["active", "expired", "revoked"]
    tenant_id: str


class JobDetail(TypedDict):
    created_at: str
    done: list[str]
    error: str
    id: str
    kind: str
    object: NotRequired[Literal["job"]]
    status: Literal["running", "succeeded"]
    steps: list[str]
    tenant_id: str
    updated_at: str


JsonValue = Any


class KnowledgeBody(TypedDict):
    content_type: NotRequired[Literal["text/markdown", "text/plain", "text/html", "text/csv", "application/json"]]
    name: str
    text: str


class KnowledgeDetail(TypedDict):
    bytes: int
    content_type: Literal["text/markdown", "text/plain", "text/html", "text/csv", "application/json"]
    created_at: str
    detail: str
    fault: Literal["", "unreadable", "no_room"]
    id: str
    name: str
    object: NotRequired[Literal["knowledge_document"]]
    prompt_chars: int
    status: Literal["pending", "ready", "failed"]
    tenant_id: str
    text: str
    updated_at: str


class KnowledgeItem(TypedDict):
    bytes: int
    content_type: Literal["text/markdown", "text/plain", "text/html", "text/csv", "application/json"]
    created_at: str
    detail: str
    fault: Literal["", "unreadable", "no_room"]
    id: str
    name: str
    object: NotRequired[Literal["knowledge_document"]]
    prompt_chars: int
    status: Literal["pending", "ready", "failed"]
    tenant_id: str
    updated_at: str


class KnowledgePage(TypedDict):
    data: list[KnowledgeItem]
    has_more: bool
    max_bytes: NotRequired[int]
    max_documents: NotRequired[int]
    next_cursor: str | None
    used_bytes: int


class LeadChange(TypedDict):
    lead_status: LeadStatus


class LeadDetail(TypedDict):
    call_started_at: str
    created_at: str
    error: str
    evidence: list[Evidence]
    fields: list[ExtraField]
    id: str
    lead: LeadObject
    lead_status: LeadStatus
    model: str
    object: NotRequired[Literal["lead"]]
    reading: int
    session_id: str
    status: Literal["done", "fallback"]
    tenant_id: str


class LeadObject(TypedDict):
    call_outcome: NotRequired[str]
    core_intent: NotRequired[str]
    customer_name: NotRequired[str]
    customer_phone: NotRequired[str]
    follow_up_required: NotRequired[bool]
    key_topics: NotRequired[list[str]]
    sentiment: NotRequired[Literal["positive", "neutral", "negative"]]
    summary: NotRequired[str]


class LeadPage(TypedDict):
    data: list[LeadDetail]
    has_more: bool
    next_cursor: str | None


LeadStatus = Literal["new", "contacted", "qualified", "won", "lost", "dismissed"]


class Limits(TypedDict):
    concurrent_calls: NotRequired[int]
    idle_timeout_s: NotRequired[int]
    knowledge_chars: NotRequired[int]
    max_duration_s: NotRequired[int]
    no_input_s: NotRequired[int]
    tool_timeout_s: NotRequired[float]


class LineDetail(TypedDict):
    call_id: str
    id: str
    kind: Literal["say", "inject"]
    mode: Literal["now", "next"]
    object: NotRequired[Literal["line"]]


class LineTaken(TypedDict):
    at_ms: float
    kind: Literal["say", "inject"]
    mode: Literal["now", "next"]
    order_id: str
    text: str


class LiveSecret(TypedDict):
    created_at: str
    expires_at: str | None
    last4: str


class MessageAnswer(TypedDict):
    ended: bool
    object: NotRequired[Literal["message"]]
    reply: str
    tools: list[ToolTold]


class MessageBody(TypedDict):
    text: str


class Meta(TypedDict):
    duration_seconds: float
    end_time: str
    start_time: str
    status: Literal["COMPLETED", "DISCONNECTED", "ERROR"]
    tenant_id: str


class ModeChange(TypedDict):
    at_ms: float
    reason: str
    to: Literal["voice", "text_only"]


class Percentiles(TypedDict):
    max: float
    n: int
    p50: float
    p90: float
    p95: float
    p99: float


class Phrases(TypedDict):
    engine_changed: NotRequired[str]
    filler: NotRequired[list[str]]
    goodbye: NotRequired[str]
    must_end: NotRequired[str]
    no_input: NotRequired[list[str]]
    recording_required: NotRequired[str]
    recording_stopped: NotRequired[str]
    tool_failed: NotRequired[str]


class Problem(TypedDict):
    code: str
    detail: str
    errors: NotRequired[list[Fault]]
    max: NotRequired[int | None]
    request_id: str
    retryable: bool
    status: int
    title: str
    type: str
    used: NotRequired[int | None]


class PublishBody(TypedDict):
    note: NotRequired[str]


class Readiness(TypedDict):
    checks: dict[str, CheckResult]
    status: Literal["ready", "not_ready"]


class Reanalysis(TypedDict):
    object: NotRequired[Literal["reanalysis"]]
    reading: int
    session_id: str
    status: NotRequired[Literal["queued"]]


class RecordedError(TypedDict):
    code: str
    message: str
    stage: str


class Recording(TypedDict):
    consent_line: NotRequired[str]
    enabled: NotRequired[bool]
    on_refusal: NotRequired[Literal["unrecorded", "end"]]
    retention_days: NotRequired[int]


class RecordingDetail(TypedDict):
    bytes: int
    channels: int
    code: str
    delete_after: str | None
    duration_ms: float
    expires_at: str
    media_type: str
    object: NotRequired[Literal["recording"]]
    sample_rate_hz: int
    session_id: str
    sha256: str
    status: Literal["disabled", "stored", "refused", "failed", "lost"]
    url: str


class RecordingTrace(TypedDict):
    bytes: NotRequired[int]
    channels: NotRequired[int]
    code: NotRequired[str]
    delete_after: NotRequired[str | None]
    duration_ms: NotRequired[float]
    media_type: NotRequired[str]
    sample_rate_hz: NotRequired[int]
    sha256: NotRequired[str]
    status: NotRequired[Literal["disabled", "stored", "refused", "failed", "lost"]]


class Redaction(TypedDict):
    counts: NotRequired[dict[str, int]]
    policy: NotRequired[str]


class RedriveBody(TypedDict):
    session_id: NotRequired[str]


class Redriven(TypedDict):
    object: NotRequired[Literal["redrive"]]
    session_ids: list[str]


class RollbackBody(TypedDict):
    note: NotRequired[str]
    version: int


class RotateBody(TypedDict):
    overlap_s: NotRequired[int]


class SayBody(TypedDict):
    mode: NotRequired[Literal["now", "next"]]
    text: str


class SecretBody(TypedDict):
    value: str


class SecretDetail(TypedDict):
    last4: str
    name: str
    object: NotRequired[Literal["secret"]]
    updated_at: str


class SecretPage(TypedDict):
    data: list[SecretDetail]
    has_more: bool
    next_cursor: str | None


class SecretRotation(TypedDict):
    overlap_s: NotRequired[int]


class SentRequest(TypedDict):
    body: str
    headers: dict[str, str]
    method: str
    url: str


class ServiceDescription(TypedDict):
    api_version: str
    engine: str
    name: str
    openapi_url: str
    protocol: str
    sign_in: SignInDescription | None
    version: str


class SessionDetail(TypedDict):
    analysis: AnalysisDetail | None
    audio: NotRequired[AudioFacts]
    caller: NotRequired[CallerTrace]
    channel: NotRequired[str]
    config_hash: str
    config_version: NotRequired[int]
    connected_at: str
    created_at: str
    duration_ms: float
    end_reason: EndReason
    ended_at: str
    engine: str
    engine_rotations: NotRequired[list[EngineRotation]]
    error: NotRequired[RecordedError | None]
    first_audio_at: NotRequired[str | None]
    id: str
    intelligence: LeadObject | None
    interruptions: NotRequired[Interruptions]
    latency_ms: NotRequired[dict[str, Percentiles]]
    lines: NotRequired[list[LineTaken]]
    meta: Meta
    metadata: NotRequired[dict[str, str]]
    mode_changes: NotRequired[list[ModeChange]]
    object: NotRequired[Literal["session"]]
    recording: NotRequired[RecordingTrace]
    redaction: NotRequired[Redaction]
    retention_days: NotRequired[int]
    schema_version: NotRequired[int]
    session_id: str
    slot_ms: NotRequired[float]
    statistics: Statistics
    status: Literal["completed", "failed", "abandoned"]
    summary: NotRequired[Summary]
    talk_ms: NotRequired[TalkTime]
    tenant_id: str
    test: NotRequired[bool]
    tools: NotRequired[list[ToolUse]]
    trace_id: str
    transcript: NotRequired[list[TranscriptEvent]]
    turns: NotRequired[list[Turn]]
    voice_id: NotRequired[str]


class SessionItem(TypedDict):
    caller_last4: str
    config_version: int | None
    duration_ms: float
    end_reason: EndReason
    ended_at: str
    engine: str
    id: str
    metadata: dict[str, str]
    object: NotRequired[Literal["session"]]
    outcome: str
    started_at: str
    status: Literal["completed", "failed", "abandoned"]
    tenant_id: str
    test: bool
    tool_calls: int
    turns: int


class SessionPage(TypedDict):
    data: list[SessionItem]
    has_more: bool
    next_cursor: str | None


class SignInDescription(TypedDict):
    client_id: str
    issuer: str
    roles_claim: str
    scopes: list[str]


class SigningSecret(TypedDict):
    expires_at: str | None
    last4: str


class SocketDoor(TypedDict):
    expires_at: str
    single_use: NotRequired[Literal[True]]
    subprotocol: NotRequired[Literal["nexus.v1"]]
    ticket: str
    url: str


class SpokenLines(TypedDict):
    delay: NotRequired[str]
    failure: NotRequired[str]
    start: NotRequired[str]


class StageTimes(TypedDict):
    dialogue: NotRequired[float]
    e2e: NotRequired[float]
    first_sentence: NotRequired[float]
    silence_wait: NotRequired[float]
    stt: NotRequired[float]
    transport: NotRequired[float]


class Statistics(TypedDict):
    ai_messages: int
    errors: int
    tool_calls: int
    total_events: int
    user_messages: int


Step = Literal["read", "index", "ended", "artifacts", "lead", "row", "analyzed"]


class Summary(TypedDict):
    intent: NotRequired[str]
    outcome: NotRequired[str]


class TalkTime(TypedDict):
    agent: NotRequired[float]
    caller: NotRequired[float]
    overlap: NotRequired[float]
    silence: NotRequired[float]


class TalkTimeUsed(TypedDict):
    agent: float
    caller: float


class TenantBody(TypedDict):
    allowed_origins: NotRequired[list[str]]
    id: str
    language: NotRequired[str]
    name: NotRequired[str]
    timezone: NotRequired[str]


class TenantBundle(TypedDict):
    active_version: NotRequired[int | None]
    draft: NotRequired[dict[str, JsonValue] | None]
    exported_at: str
    knowledge: NotRequired[list[BundledDocument]]
    object: NotRequired[Literal["tenant_bundle"]]
    profile: TenantProfile
    schema_version: NotRequired[Literal[1]]
    secrets: NotRequired[list[str]]
    tenant_id: str
    versions: NotRequired[list[BundledVersion]]
    webhooks: NotRequired[list[BundledReceiver]]


class TenantConfig(TypedDict):
    barge_in: NotRequired[BargeIn]
    enabled_tools: NotRequired[list[str]]
    engines: NotRequired[list[Literal["personaplex", "pcm_sidecar", "cascade", "text"]]]
    first_speaker: NotRequired[Literal["agent", "caller"]]
    greeting: NotRequired[str]
    http_tools: NotRequired[list[HttpTool]]
    knowledge_base: NotRequired[JsonValue]
    lead_fields: NotRequired[dict[str, Any]]
    limits: NotRequired[Limits]
    name: NotRequired[str]
    phrases: NotRequired[Phrases]
    recording: NotRequired[Recording]
    system_prompt: str
    tenant_id: str
    timezone: NotRequired[str]
    tool_settings: NotRequired[dict[str, JsonValue]]
    voice_settings: NotRequired[VoiceSettings]


class TenantDetail(TypedDict):
    allowed_origins: NotRequired[list[str]]
    barge_in: NotRequired[BargeIn | None]
    config_hash: NotRequired[str | None]
    config_version: int | None
    created_at: str | None
    enabled_tools: NotRequired[list[str]]
    first_speaker: NotRequired[Literal["agent", "caller"] | None]
    greeting: NotRequired[str | None]
    has_knowledge_base: NotRequired[bool]
    id: str
    language: str
    limits: NotRequired[Limits | None]
    name: str
    object: NotRequired[Literal["tenant"]]
    recording: NotRequired[Recording | None]
    status: Literal["active", "suspended", "deleting", "broken"]
    timezone: str
    voice_settings: NotRequired[VoiceSettings | None]


class TenantImport(TypedDict):
    knowledge: list[ImportedDocument]
    missing_secrets: list[str]
    object: NotRequired[Literal["tenant_import"]]
    tenant: TenantDetail
    webhooks: list[ImportedWebhook]


class TenantItem(TypedDict):
    config_hash: NotRequired[str | None]
    config_version: NotRequired[int | None]
    faults: NotRequired[list[str]]
    id: str
    name: str
    object: NotRequired[Literal["tenant"]]
    status: Literal["active", "suspended", "deleting", "broken"]


class TenantPage(TypedDict):
    data: list[TenantItem]
    has_more: bool
    next_cursor: str | None


class TenantPatch(TypedDict):
    allowed_origins: NotRequired[list[str]]
    language: NotRequired[str]
    name: NotRequired[str]
    timezone: NotRequired[str]


class TenantProfile(TypedDict):
    allowed_origins: NotRequired[list[str]]
    language: NotRequired[str]
    name: NotRequired[str]
    timezone: NotRequired[str]


class ToolTestBody(TypedDict):
    arguments: NotRequired[dict[str, JsonValue]]
    config: NotRequired[Literal["active", "draft"]]


class ToolTestResult(TypedDict):
    duration_ms: float
    http_status: int | None
    object: NotRequired[Literal["tool_test"]]
    output: str
    output_cut: bool
    problem: str
    request: SentRequest
    status: Literal["done", "refused", "failed", "unknown", "timeout", "invalid"]


class ToolTold(TypedDict):
    arguments: dict[str, Any]
    duration_ms: float
    name: str
    output: str
    status: Literal["running", "done", "refused", "failed", "replayed", "cancelled", "unknown"]


class ToolUse(TypedDict):
    arguments: NotRequired[dict[str, JsonValue]]
    attempts: NotRequired[int]
    bytes: NotRequired[int]
    duration_ms: NotRequired[float]
    effect_id: NotRequired[str]
    error_code: NotRequired[str]
    name: str
    output: NotRequired[str]
    request_id: str
    started_ms: NotRequired[float]
    status: NotRequired[Literal["running", "done", "refused", "failed", "replayed", "cancelled", "unknown"]]
    turn: int


class Transcript(TypedDict):
    events: list[TranscriptEvent]
    object: NotRequired[Literal["transcript"]]
    session_id: str
    turns: list[Turn]


class TranscriptEvent(TypedDict):
    bytes: NotRequired[int | None]
    confidence: NotRequired[float | None]
    content: NotRequired[str | None]
    duration_ms: NotRequired[float | None]
    duration_seconds: NotRequired[float | None]
    event: NotRequired[str | None]
    execution_time_ms: NotRequired[float | None]
    input: NotRequired[dict[str, JsonValue] | None]
    interrupted: NotRequired[bool | None]
    message: NotRequired[str | None]
    name: NotRequired[str | None]
    output: NotRequired[str | None]
    role: Literal["user", "ai", "tool", "system"]
    status: NotRequired[str | None]
    timestamp: str
    type: str
    voice_id: NotRequired[str | None]


class Turn(TypedDict):
    backchannel: NotRequired[bool]
    confidence: NotRequired[float | None]
    end_ms: float
    engine: NotRequired[str]
    heard_ms: NotRequired[float]
    heard_text: str
    i: int
    interrupted: NotRequired[bool]
    role: Literal["caller", "agent"]
    stages: NotRequired[StageTimes | None]
    start_ms: float
    text: str
    typed: NotRequired[bool]


class UsageDay(TypedDict):
    call_minutes: float
    call_ms: float
    calls: int
    date: str
    failed_calls: int
    slot_ms: float
    talk_ms: TalkTimeUsed
    test_calls: int
    tool_calls: int


class UsageDetail(TypedDict):
    days: list[UsageDay]
    first_day: str
    last_day: str
    object: NotRequired[Literal["usage"]]
    tenant_id: str
    total: Amounts


class VoiceSettings(TypedDict):
    language: NotRequired[str]
    provider: NotRequired[Literal["nvidia_personaplex", "local"]]
    speed: NotRequired[float]
    voice_id: NotRequired[str]


class WebhookBody(TypedDict):
    description: NotRequired[str]
    events: NotRequired[list[Literal["call.ended", "call.artifacts_ready", "call.analyzed", "webhook.paused"]]]
    url: str


class WebhookChange(TypedDict):
    description: NotRequired[str | None]
    events: NotRequired[list[Literal["call.ended", "call.artifacts_ready", "call.analyzed", "webhook.paused"]] | None]
    status: NotRequired[Literal["active", "paused"] | None]
    url: NotRequired[str | None]


class WebhookDetail(TypedDict):
    created_at: str
    description: str
    events: list[EventType]
    failing_since: str | None
    failures: int
    id: str
    object: NotRequired[Literal["webhook"]]
    paused_at: str | None
    paused_reason: Literal["", "by_hand", "gone", "failing"]
    secrets: list[SigningSecret]
    status: Literal["active", "paused"]
    tenant_id: str
    updated_at: str
    url: str


class WebhookPage(TypedDict):
    data: list[WebhookDetail]
    has_more: bool
    next_cursor: str | None


class WebhookWithSecret(TypedDict):
    created_at: str
    description: str
    events: list[EventType]
    failing_since: str | None
    failures: int
    id: str
    object: NotRequired[Literal["webhook"]]
    paused_at: str | None
    paused_reason: Literal["", "by_hand", "gone", "failing"]
    secret: str
    secrets: list[SigningSecret]
    status: Literal["active", "paused"]
    tenant_id: str
    updated_at: str
    url: str
