"""Folds a call's journal entries into its record: pure, so that a call that died is recorded from its journal by the same code."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import JsonValue

from media_plane.conversation.ledger import in_order_of_time
from media_plane.conversation.lines import redacted
from media_plane.conversation.transcript import original_transcript, statistics
from nexus.domain import journal, session
from nexus.domain.call import ORIGINAL_STATUS, RECORD_STATUS, EndReason, OriginalStatus
from nexus.domain.journal import Ended, JournalEntry, Opened
from nexus.domain.redaction import redact
from nexus.domain.session import (
    CallFault,
    EngineRotation,
    Meta,
    ModeChange,
    Percentiles,
    PrivateTranscript,
    RecordedError,
    RecordingTrace,
    Redaction,
    SessionRecord,
    TalkTime,
    ToolUse,
    Turn,
)


@dataclass(slots=True)
class Folded:
    """A journal, read: the newest form of everything."""

    opened: Opened
    turns: dict[int, Turn] = field(default_factory=dict)
    tools: dict[str, ToolUse] = field(default_factory=dict)
    modes: list[ModeChange] = field(default_factory=list)
    rotations: list[EngineRotation] = field(default_factory=list)
    faults: list[CallFault] = field(default_factory=list)
    barge_ins: dict[float, journal.Interrupted] = field(default_factory=dict)
    first_audio_ms: float | None = None
    recording: RecordingTrace | None = None
    lines: list[session.LineTaken] = field(default_factory=list)
    ended: Ended | None = None
    entries: int = 0


def fold(entries: Sequence[JournalEntry]) -> Folded | None:
    """Read a journal; None when it does not even say which call it is of."""
    opened = next((entry for entry in entries if isinstance(entry, Opened)), None)
    if opened is None:
        return None
    folded = Folded(opened)
    for entry in entries:
        folded.entries += 1
        _take(folded, entry)
    return folded


def _take(folded: Folded, entry: JournalEntry) -> None:
    match entry:
        case journal.TurnNoted():
            folded.turns[entry.turn.i] = entry.turn
        case journal.ToolNoted():
            folded.tools[entry.use.request_id] = entry.use
        case journal.ModeNoted() | journal.RotationNoted() | journal.FaultNoted() | journal.LineNoted():
            _list(folded, entry)
        case journal.Interrupted():
            folded.barge_ins[entry.at_ms] = entry
        case journal.FirstAudio():
            folded.first_audio_ms = entry.at_ms
        case journal.RecordingNoted():
            folded.recording = entry.trace
        case Ended():
            folded.ended = entry


def _list(folded: Folded, entry: journal.ModeNoted | journal.RotationNoted | journal.FaultNoted | journal.LineNoted) -> None:
    """What happens any number of times."""
    match entry:
        case journal.ModeNoted():
            folded.modes.append(entry.change)
        case journal.RotationNoted():
            folded.rotations.append(entry.rotation)
        case journal.FaultNoted():
            folded.faults.append(entry.fault)
        case journal.LineNoted():
            folded.lines.append(entry.line)


def record(folded: Folded, *, ended_at: datetime, default_reason: EndReason = EndReason.LOST) -> tuple[SessionRecord, PrivateTranscript]:
    """The terminal record and the private transcript beside it.

    Args:
        ended_at: when the call ended; for a call whose process died, the best that is known.
        default_reason: used when the journal has no end.
    """
    opened = folded.opened
    ended = folded.ended or _end_of_the_dead(folded, default_reason)
    if folded.ended is not None:
        ended_at = opened.connected_at + timedelta(milliseconds=ended.at_ms)
    ordered = in_order_of_time(folded.turns.values())
    turns = tuple(ordered.values())
    tools = tuple(_settled(use, ordered) for use in folded.tools.values())
    private = PrivateTranscript(
        call_id=opened.call_id,
        tenant_id=opened.tenant_id,
        caller_phone=opened.caller_phone,
        turns=turns,
        tools=tools,
        delete_after=ended_at + timedelta(days=opened.retention_days),
    )
    return _public(folded, ended, private, ended_at), private


def _public(folded: Folded, ended: Ended, private: PrivateTranscript, ended_at: datetime) -> SessionRecord:
    """The record that stays: everything of ``private``, redacted."""
    opened = folded.opened
    counts: Counter[str] = Counter()
    turns = tuple(_redacted_turn(turn, counts) for turn in private.turns)
    tools = tuple(_redacted_tool(use, counts) for use in private.tools)
    status = ORIGINAL_STATUS[ended.reason]
    duration_ms = round((ended_at - opened.connected_at).total_seconds() * 1000.0, 1)
    transcript = original_transcript(folded, turns, tools, ended_at=ended_at, status=status, audio=ended.audio)
    return SessionRecord(
        **_identity(opened),
        status=RECORD_STATUS[status],
        end_reason=ended.reason,
        error=_error(folded, status),
        first_audio_at=None if folded.first_audio_ms is None else opened.connected_at + timedelta(milliseconds=folded.first_audio_ms),
        ended_at=ended_at,
        duration_ms=duration_ms,
        talk_ms=_talk(ended, duration_ms),
        turns=turns,
        tools=tools,
        latency_ms=_latencies(folded, turns, tools),
        interruptions=_interruptions(folded),
        mode_changes=tuple(folded.modes),
        engine_rotations=tuple(folded.rotations),
        slot_ms=ended.slot_ms,
        audio=ended.audio,
        recording=folded.recording or RecordingTrace(status="lost" if opened.recorded else "disabled"),
        lines=tuple(redacted(line) for line in folded.lines),
        redaction=Redaction(counts=dict(counts)),
        meta=_meta(opened, ended_at, duration_ms, status),
        statistics=statistics(turns, tools, folded.faults, len(transcript)),
        transcript=transcript,
    )


def _identity(opened: Opened) -> dict[str, Any]:
    """What was known when the socket opened."""
    copied = opened.model_dump(exclude={"kind", "call_id", "caller_phone", "caller", "recorded"})
    return {**copied, "id": opened.call_id, "session_id": opened.call_id, "caller": opened.caller}


def _meta(opened: Opened, ended_at: datetime, duration_ms: float, status: OriginalStatus) -> Meta:
    return Meta(
        tenant_id=opened.tenant_id,
        start_time=opened.connected_at,
        end_time=ended_at,
        duration_seconds=round(duration_ms / 1000.0, 3),
        status=status,
    )


def _interruptions(folded: Folded) -> session.Interruptions:
    false = sum(one.false_alarm for one in folded.barge_ins.values())
    return session.Interruptions(caller=len(folded.barge_ins) - false, false=false)


def _end_of_the_dead(folded: Folded, reason: EndReason) -> Ended:
    last_ms = max((turn.end_ms for turn in folded.turns.values()), default=0.0)
    talk = Counter[str]()
    for turn in folded.turns.values():
        talk[turn.role] += int(turn.heard_ms)
    return Ended(at_ms=last_ms, reason=reason, caller_talk_ms=talk["caller"], agent_talk_ms=talk["agent"])


def _settled(use: ToolUse, ordered: Mapping[int, Turn]) -> ToolUse:
    """The call of a tool beside the turn that asked for it, as that turn is numbered in the record; one that never ended is unknown."""
    if use.turn in ordered:
        use = use.model_copy(update={"turn": ordered[use.turn].i})
    if use.status != "running":
        return use
    return use.model_copy(update={"status": "unknown", "error_code": "tool_outcome_unknown"})


def _error(folded: Folded, status: str) -> RecordedError | None:
    if status != "ERROR":
        return None
    if not folded.faults:
        return RecordedError(code="internal_error", stage="media", message="The media process ended before the call did.")
    fault = folded.faults[-1]
    return RecordedError(code=fault.code, stage=fault.stage, message=redact(fault.message)[0])


def _talk(ended: Ended, duration_ms: float) -> TalkTime:
    spoken = ended.caller_talk_ms + ended.agent_talk_ms - ended.overlap_ms
    return TalkTime(
        caller=ended.caller_talk_ms,
        agent=ended.agent_talk_ms,
        overlap=ended.overlap_ms,
        silence=round(max(0.0, duration_ms - spoken), 1),
    )


# --- redaction ---------------------------------------------------------------------------------------------------------------


def _redacted_turn(turn: Turn, counts: Counter[str]) -> Turn:
    text, found = redact(turn.text)
    counts.update(found)
    return turn.model_copy(update={"text": text, "heard_text": redact(turn.heard_text)[0]})


def _redacted_tool(use: ToolUse, counts: Counter[str]) -> ToolUse:
    output, found = redact(use.output)
    counts.update(found)
    return use.model_copy(
        update={"arguments": {name: _redacted_value(value, counts) for name, value in use.arguments.items()}, "output": output}
    )


def _redacted_value(value: JsonValue, counts: Counter[str]) -> JsonValue:
    if isinstance(value, str):
        text, found = redact(value)
        counts.update(found)
        return text
    if isinstance(value, list):
        return [_redacted_value(part, counts) for part in value]
    if isinstance(value, dict):
        return {name: _redacted_value(part, counts) for name, part in value.items()}
    return value


# --- latency -----------------------------------------------------------------------------------------------------------------


def _latencies(folded: Folded, turns: Iterable[Turn], tools: Iterable[ToolUse]) -> dict[str, Percentiles]:
    samples: dict[str, list[float]] = {
        "barge_in_stop": [one.stop_ms for one in folded.barge_ins.values()],
        "tool": [use.duration_ms for use in tools],
    }
    for turn in turns:
        if turn.stages is not None:
            for stage, length_ms in turn.stages.model_dump().items():
                samples.setdefault(stage, []).append(length_ms)
    return {name: percentiles(values) for name, values in samples.items() if values}


def percentiles(values: Sequence[float]) -> Percentiles:
    """Nearest-rank percentiles of at least one value."""
    ordered = sorted(values)

    def rank(share: float) -> float:
        return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 1)

    return Percentiles(n=len(ordered), p50=rank(0.5), p90=rank(0.9), p95=rank(0.95), p99=rank(0.99), max=round(ordered[-1], 1))
