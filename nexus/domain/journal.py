"""The journal of a living call: entries written one by one as things happen, from which its record is folded.

All ``*_ms`` offsets count from ``connected_at``. A journal that an older release wrote is read too: new fields have defaults.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from nexus.domain.call import CallerTrace, EndReason, Value
from nexus.domain.session import AudioFacts, CallFault, EngineRotation, LineTaken, ModeChange, RecordingTrace, ToolUse, Turn


class Opened(Value):
    """First entry: everything that is known when the socket opens."""

    kind: Literal["opened"] = "opened"
    call_id: str
    tenant_id: str
    config_hash: str
    config_version: int = 0
    engine: str
    voice_id: str = ""
    channel: str = "websocket"
    created_at: datetime
    connected_at: datetime
    caller: CallerTrace = CallerTrace()
    caller_phone: str = ""
    metadata: dict[str, str] = Field(default_factory=dict)
    retention_days: int = 30
    test: bool = False
    recorded: bool = False
    """Whether the call's sound is kept."""


class TurnNoted(Value):
    """A turn as it stands now; a later entry with the same ``turn.i`` replaces it."""

    kind: Literal["turn"] = "turn"
    turn: Turn


class ToolNoted(Value):
    """A tool call as it stands now; a later entry with the same ``use.request_id`` replaces it."""

    kind: Literal["tool"] = "tool"
    use: ToolUse


class ModeNoted(Value):
    kind: Literal["mode"] = "mode"
    change: ModeChange


class RotationNoted(Value):
    kind: Literal["rotation"] = "rotation"
    rotation: EngineRotation


class FaultNoted(Value):
    kind: Literal["fault"] = "fault"
    fault: CallFault


class Interrupted(Value):
    """A barge-in: from the caller's onset to the moment no more agent audio was sent."""

    kind: Literal["barge_in"] = "barge_in"
    at_ms: float
    stop_ms: float
    false_alarm: bool = False


class RecordingNoted(Value):
    """The call's sound is settled."""

    kind: Literal["recording"] = "recording"
    trace: RecordingTrace


class LineNoted(Value):
    kind: Literal["line"] = "line"
    line: LineTaken


class FirstAudio(Value):
    kind: Literal["first_audio"] = "first_audio"
    at_ms: float


class Ended(Value):
    """Last entry of a call that ended under our hands."""

    kind: Literal["ended"] = "ended"
    at_ms: float
    reason: EndReason
    audio: AudioFacts = AudioFacts()
    caller_talk_ms: float = 0.0
    agent_talk_ms: float = 0.0
    overlap_ms: float = 0.0
    slot_ms: float = 0.0


JournalEntry = Annotated[
    Opened | TurnNoted | ToolNoted | ModeNoted | RotationNoted | FaultNoted | Interrupted | FirstAudio | LineNoted | RecordingNoted | Ended,
    Field(discriminator="kind"),
]

_ENTRY: TypeAdapter[JournalEntry] = TypeAdapter(JournalEntry)


def encode_entries(entries: Iterable[JournalEntry]) -> bytes:
    """One line of JSON each, with its line feed."""
    return b"".join(_ENTRY.dump_json(entry) + b"\n" for entry in entries)


def decode_entry(line: bytes | str) -> JournalEntry | None:
    """The entry that a line holds; None for one that was torn by the death of its process, then appended after."""
    try:
        return _ENTRY.validate_json(line)
    except ValidationError:
        return None
