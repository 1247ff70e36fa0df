"""The JSON messages of nexus.v1, both directions, as strict frozen values."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from nexus.errors import ProtocolViolation

PROTOCOL = "nexus.v1"
MAX_MESSAGE_BYTES = 256 * 1024
"""Longest WebSocket message either side sends; a longer one closes the call with 1009."""
MAX_TEXT_CHARS = 4000


class _FromClient(BaseModel):
    """Strict: a misspelt field is told at once instead of being silently without effect."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _FromServer(BaseModel):
    """Lenient to read: a client must take fields that a later release adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    seq: int = 0
    """Counts the server's JSON messages from 1; set when the message is written."""


class WireFormat(_FromClient):
    """A codec by its wire name; ``sample_rate`` in Hz, left out for the codec's usual one."""

    codec: str = "pcm_s16le"
    sample_rate: int | None = None


class WireAudio(_FromClient):
    input: WireFormat = WireFormat()
    output: WireFormat = WireFormat()


# --- client to server --------------------------------------------------------------------------------------------------------


class SessionStart(_FromClient):
    """First message of a call: what audio the client sends and wants."""

    type: Literal["session.start"] = "session.start"
    audio: WireAudio = WireAudio()


class InputText(_FromClient):
    """Text typed by the caller."""

    type: Literal["input.text"] = "input.text"
    text: str = Field(min_length=1, max_length=MAX_TEXT_CHARS)


class AudioPlayed(_FromClient):
    """How much of an item has left the caller's loudspeaker."""

    type: Literal["audio.played"] = "audio.played"
    item_id: str = Field(min_length=1, max_length=128)
    played_ms: float = Field(ge=0, allow_inf_nan=False)


class Dtmf(_FromClient):
    """Keys pressed. Accepted, without effect in this release."""

    type: Literal["dtmf"] = "dtmf"
    digits: str = Field(pattern=r"^[0-9A-D*#]{1,32}$")


class Ping(_FromClient):
    """Shows that the client is there; ``t`` comes back in the pong."""

    type: Literal["ping"] = "ping"
    t: float | None = Field(default=None, allow_inf_nan=False)


class SessionEnd(_FromClient):
    """The caller hangs up."""

    type: Literal["session.end"] = "session.end"


ClientMessage = Annotated[SessionStart | InputText | AudioPlayed | Dtmf | Ping | SessionEnd, Field(discriminator="type")]
CLIENT_TYPES = ("session.start", "input.text", "audio.played", "dtmf", "ping", "session.end")

# --- server to client --------------------------------------------------------------------------------------------------------


class SpokenFormat(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    codec: str
    sample_rate: int


class WireLimits(BaseModel):
    """What the client should know of the call's limits."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    max_duration_s: int
    idle_timeout_s: int
    max_message_bytes: int = MAX_MESSAGE_BYTES


class SessionStarted(_FromServer):
    type: Literal["session.started"] = "session.started"
    protocol: str = PROTOCOL
    call_id: str
    session_id: str
    tenant_id: str
    input: SpokenFormat
    output: SpokenFormat
    frame_ms: int
    limits: WireLimits


class State(_FromServer):
    type: Literal["state"] = "state"
    state: Literal["connecting", "listening", "thinking", "speaking", "tool"]


class Transcript(_FromServer):
    """``text`` replaces earlier text of the same ``item_id``."""

    type: Literal["transcript"] = "transcript"
    role: Literal["caller", "agent"]
    item_id: str
    text: str
    final: bool
    start_ms: float
    end_ms: float
    interrupted: bool = False


class AudioBegin(_FromServer):
    type: Literal["audio.begin"] = "audio.begin"
    item_id: str


class AudioEnd(_FromServer):
    type: Literal["audio.end"] = "audio.end"
    item_id: str


class AudioClear(_FromServer):
    """Forget what is not yet played."""

    type: Literal["audio.clear"] = "audio.clear"
    item_id: str
    heard_ms: float


class Tool(_FromServer):
    type: Literal["tool"] = "tool"
    name: str
    status: Literal["running", "done", "refused", "failed"]
    duration_ms: float


class ModeChanged(_FromServer):
    type: Literal["mode_changed"] = "mode_changed"
    to: Literal["voice", "text_only"]
    reason: str


class Latency(_FromServer):
    type: Literal["latency"] = "latency"
    stages: dict[str, float]


class Error(_FromServer):
    type: Literal["error"] = "error"
    code: str
    message: str
    retryable: bool = False


class Pong(_FromServer):
    type: Literal["pong"] = "pong"
    t: float | None = None


class SessionEnded(_FromServer):
    type: Literal["session.ended"] = "session.ended"
    end_reason: str


ServerMessage = Annotated[
    SessionStarted | State | Transcript | AudioBegin | AudioEnd | AudioClear | Tool | ModeChanged | Latency | Error | Pong | SessionEnded,
    Field(discriminator="type"),
]

_CLIENT: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)
_SERVER: TypeAdapter[ServerMessage] = TypeAdapter(ServerMessage)


def read_client_message(text: str) -> ClientMessage:
    """One JSON message of a client.

    Raises:
        ProtocolViolation: ``message_not_json``, ``message_unknown`` (a type nobody speaks) or ``message_invalid``.
    """
    try:
        return _CLIENT.validate_json(text)
    except ValidationError as error:
        raise _violation(error) from error
    except UnicodeEncodeError as error:
        raise ProtocolViolation("message_not_json", "The message holds characters that are not Unicode text; send UTF-8.") from error


def _violation(error: ValidationError) -> ProtocolViolation:
    first: Any = error.errors(include_url=False, include_input=False)[0]
    if first["type"] in ("json_invalid", "string_unicode"):
        return ProtocolViolation("message_not_json", "Text messages are JSON objects; audio goes in binary messages.")
    if first["type"] == "union_tag_invalid":
        if str(first["ctx"].get("tag")) == "session.resume":
            return ProtocolViolation("message_unknown", "session.resume is not supported yet; create a new call instead.")
        return ProtocolViolation("message_unknown", f"Unknown message type; this server takes {', '.join(CLIENT_TYPES)}.")
    place = ".".join(str(part) for part in first["loc"]) or "message"
    return ProtocolViolation("message_invalid", f"{place[:120]}: {first['msg']}.")


def read_server_message(text: str) -> ServerMessage | None:
    """One JSON message of the server; None for a type that this release does not know.

    Raises:
        ProtocolViolation: ``message_not_json`` or ``message_invalid``.
    """
    try:
        return _SERVER.validate_json(text)
    except ValidationError as error:
        violation = _violation(error)
        if violation.code == "message_unknown":
            return None
        raise violation from error


def write(message: BaseModel) -> str:
    """The JSON text of a message, without fields that are None."""
    return message.model_dump_json(exclude_none=True)
