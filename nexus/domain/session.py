"""The durable record of one call, folded from its journal (``nexus.domain.journal``).

The record keeps every field of the original schema (``session_id meta statistics summary transcript intelligence``) with its name
and meaning and adds ours beside them. All ``*_ms`` offsets count from ``connected_at``. Once archived, a record never changes:
analysis is its own object (``nexus.domain.lead``), joined on read.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from nexus.domain.call import CallerTrace, EndReason, LineKind, LineMode, OriginalStatus, RecordStatus, Value

SCHEMA_VERSION = 1
Party = Literal["caller", "agent"]


class StageTimes(Value):
    """Where the time between the caller's last word and the agent's first went; the stages add up to ``e2e``. Milliseconds."""

    silence_wait: float = 0.0
    stt: float = 0.0
    dialogue: float = 0.0
    first_sentence: float = 0.0
    transport: float = 0.0
    e2e: float = 0.0


class Turn(Value):
    """One party holding the floor.

    ``text`` is what was said or meant; ``heard_text`` what the caller really heard of it (for the caller's own turns, the same).
    """

    i: int
    role: Party
    start_ms: float
    end_ms: float
    text: str
    heard_text: str
    heard_ms: float = 0.0
    interrupted: bool = False
    backchannel: bool = False
    typed: bool = False
    confidence: float | None = None
    engine: str = ""
    stages: StageTimes | None = None


ToolStatus = Literal["running", "done", "refused", "failed", "replayed", "cancelled", "unknown"]


class ToolUse(Value):
    """One tool call as it was made.

    ``refused`` means that the tool did nothing and said why (the slot is taken), ``unknown`` that the process died while the tool ran: it
    is never run again.
    """

    request_id: str
    effect_id: str = ""
    name: str
    turn: int
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    output: str = ""
    status: ToolStatus = "running"
    attempts: int = 1
    started_ms: float = 0.0
    duration_ms: float = 0.0
    bytes: int = 0
    error_code: str = ""


class ModeChange(Value):
    """The call went to text only, or back to voice."""

    to: Literal["voice", "text_only"]
    reason: str
    at_ms: float


class EngineRotation(Value):
    """A full-duplex model's session was exchanged for a fresh one under the call. ``gap_ms`` without any output of a model."""

    generation: int
    at_ms: float
    gap_ms: float
    reason: str


class CallFault(Value):
    """Something went wrong and was survived or not. ``stage`` is the room it happened in."""

    code: str
    stage: str
    message: str = ""
    at_ms: float = 0.0


class AudioFacts(Value):
    """What the audio of the call was like. ``in_dropped_ms`` is caller audio that was taken and reached no engine, or not the model behind
    it; ``dropped_frames`` are agent frames too old to send, ``corrupt_frames`` undecodable ones, ``underruns`` gaps in the agent's voice
    because the engine's audio came too late."""

    in_ms: float = 0.0
    in_bytes: int = 0
    out_ms: float = 0.0
    out_bytes: int = 0
    in_dropped_ms: float = 0.0
    dropped_frames: int = 0
    corrupt_frames: int = 0
    underruns: int = 0
    rms_db: float | None = None


RecordingStatus = Literal["disabled", "stored", "refused", "failed", "lost"]


class RecordingTrace(Value):
    """What became of the call's sound: ``stored``, or why there is none.

    ``disabled``: the tenant records nothing. ``refused``: the caller did not agree. ``failed``: it could not be written or stored, ``code``
    says why. ``lost``: it died with the process that carried the call. ``duration_ms`` is that of the sound itself: shorter than the
    call where the process died. The object is deleted after ``delete_after``; this trace of it stays.
    """

    status: RecordingStatus = "disabled"
    code: str = ""
    media_type: str = ""
    channels: int = 0
    sample_rate_hz: int = 0
    duration_ms: float = 0.0
    bytes: int = 0
    sha256: str = ""
    delete_after: datetime | None = None


class LineTaken(Value):
    """Somebody outside had a line for the call: the agent was made to say it, or told it."""

    order_id: str
    kind: LineKind
    mode: LineMode
    text: str
    at_ms: float


class Meta(Value):
    tenant_id: str
    start_time: datetime
    end_time: datetime
    duration_seconds: float
    status: OriginalStatus


class Statistics(Value):
    user_messages: int
    ai_messages: int
    tool_calls: int
    errors: int
    total_events: int


class Summary(Value):
    intent: str = "Unknown"
    outcome: str = "Unknown"


class TranscriptEvent(Value):
    """One event of the original transcript. Fields that an event type does not have are left out of the JSON."""

    timestamp: datetime
    role: Literal["user", "ai", "tool", "system"]
    type: str
    event: str | None = None
    content: str | None = None
    confidence: float | None = None
    voice_id: str | None = None
    interrupted: bool | None = None
    duration_ms: float | None = None
    bytes: int | None = None
    name: str | None = None
    input: dict[str, JsonValue] | None = None
    output: str | None = None
    execution_time_ms: float | None = None
    message: str | None = None
    status: str | None = None
    duration_seconds: float | None = None


class Percentiles(Value):
    n: int
    p50: float
    p90: float
    p95: float
    p99: float
    max: float


class TalkTime(Value):
    caller: float = 0.0
    agent: float = 0.0
    overlap: float = 0.0
    silence: float = 0.0


class Interruptions(Value):
    caller: int = 0
    false: int = 0


class Redaction(Value):
    policy: str = "standard"
    counts: dict[str, int] = Field(default_factory=dict)


class RecordedError(Value):
    code: str
    stage: str
    message: str


class SessionRecord(Value):
    """One finished call. Texts are redacted; the unredacted transcript is a ``PrivateTranscript``."""

    schema_version: int = SCHEMA_VERSION
    object: Literal["session"] = "session"
    id: str
    session_id: str
    tenant_id: str
    config_hash: str
    config_version: int = 0
    """The configuration that the call ran with; 0: one that is edited in place, in the tenant's folder."""
    engine: str
    voice_id: str = ""
    channel: str = "websocket"
    test: bool = False
    status: RecordStatus
    end_reason: EndReason
    error: RecordedError | None = None
    created_at: datetime
    connected_at: datetime
    first_audio_at: datetime | None = None
    ended_at: datetime
    duration_ms: float
    talk_ms: TalkTime = TalkTime()
    caller: CallerTrace = CallerTrace()
    turns: tuple[Turn, ...] = ()
    tools: tuple[ToolUse, ...] = ()
    latency_ms: dict[str, Percentiles] = Field(default_factory=dict)
    interruptions: Interruptions = Interruptions()
    mode_changes: tuple[ModeChange, ...] = ()
    engine_rotations: tuple[EngineRotation, ...] = ()
    slot_ms: float = 0.0
    """How long engine slots were held for this call, spare ones included: what its share of the GPUs is reckoned from."""
    audio: AudioFacts = AudioFacts()
    recording: RecordingTrace = RecordingTrace()
    lines: tuple[LineTaken, ...] = ()
    """What somebody outside had the agent say, or told it."""
    redaction: Redaction = Redaction()
    retention_days: int = 30
    metadata: dict[str, str] = Field(default_factory=dict)
    meta: Meta
    statistics: Statistics
    summary: Summary = Summary()
    transcript: tuple[TranscriptEvent, ...] = ()


class PrivateTranscript(Value):
    """The unredacted turns and tool calls of one call, kept apart and only until ``delete_after``."""

    schema_version: int = SCHEMA_VERSION
    call_id: str
    tenant_id: str
    caller_phone: str = ""
    turns: tuple[Turn, ...] = ()
    tools: tuple[ToolUse, ...] = ()
    delete_after: datetime


class SessionRow(Value):
    """What the index keeps of a session: enough to list and filter without opening the archive.

    ``config_version``: None in rows of the first release, which did not keep it.
    """

    call_id: str
    tenant_id: str
    started_at: datetime
    ended_at: datetime
    duration_ms: float
    status: RecordStatus
    end_reason: EndReason
    engine: str
    turns: int
    tool_calls: int
    caller_last4: str = ""
    test: bool = False
    outcome: str = ""
    config_version: int | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
