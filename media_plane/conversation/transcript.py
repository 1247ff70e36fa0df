"""The original schema's transcript events and statistics, derived from turns and tools.

The recorder folds first, so these functions take what it folded: anything with ``opened``, ``modes``, ``faults`` and ``barge_ins``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from nexus.domain.call import OriginalStatus
from nexus.domain.journal import Interrupted, Opened
from nexus.domain.session import AudioFacts, CallFault, ModeChange, Statistics, ToolUse, TranscriptEvent, Turn


class Happenings(Protocol):
    """What the recorder folded, as far as the transcript needs it."""

    @property
    def opened(self) -> Opened: ...
    @property
    def modes(self) -> Sequence[ModeChange]: ...
    @property
    def faults(self) -> Sequence[CallFault]: ...
    @property
    def barge_ins(self) -> Mapping[float, Interrupted]: ...


def original_transcript(
    folded: Happenings,
    turns: Iterable[Turn],
    tools: Iterable[ToolUse],
    *,
    ended_at: datetime,
    status: OriginalStatus,
    audio: AudioFacts,
) -> tuple[TranscriptEvent, ...]:
    """Every event in the order of time, from ``connection_established`` to ``session_ended``."""
    began = folded.opened.connected_at

    def at(offset_ms: float) -> datetime:
        return began + timedelta(milliseconds=offset_ms)

    middle: list[TranscriptEvent] = []
    for turn in turns:
        middle += _turn_events(turn, at(turn.start_ms), folded.opened.voice_id)
    middle += [_tool_event(use, at(use.started_ms + use.duration_ms)) for use in tools]
    middle += _noted_events(folded, at)
    middle += _audio_events(audio, ended_at)
    first = TranscriptEvent(timestamp=began, role="system", type="connection_established", event="connection_established")
    last = TranscriptEvent(
        timestamp=ended_at,
        role="system",
        type="session_ended",
        event="session_ended",
        status=status,
        duration_seconds=round((ended_at - began).total_seconds(), 3),
    )
    return (first, *sorted(middle, key=lambda event: event.timestamp), last)


def statistics(turns: Sequence[Turn], tools: Sequence[ToolUse], faults: Sequence[CallFault], total_events: int) -> Statistics:
    """The original's counters."""
    return Statistics(
        user_messages=sum(turn.role == "caller" for turn in turns),
        ai_messages=sum(turn.role == "agent" for turn in turns),
        tool_calls=len(tools),
        errors=len(faults),
        total_events=total_events,
    )


def _noted_events(folded: Happenings, at: Callable[[float], datetime]) -> Iterator[TranscriptEvent]:
    yield from (
        TranscriptEvent(timestamp=at(one.at_ms), role="system", type="barge_in", message="The caller interrupted the agent.")
        for one in folded.barge_ins.values()
        if not one.false_alarm
    )
    yield from (
        TranscriptEvent(timestamp=at(change.at_ms), role="system", type="mode_changed", event=change.to, message=change.reason)
        for change in folded.modes
    )
    yield from (
        TranscriptEvent(timestamp=at(fault.at_ms), role="system", type="error", event=fault.code, message=fault.stage)
        for fault in folded.faults
    )


def _audio_events(audio: AudioFacts, ended_at: datetime) -> Iterator[TranscriptEvent]:
    if audio.in_bytes:
        yield TranscriptEvent(timestamp=ended_at, role="user", type="audio", duration_ms=audio.in_ms, bytes=audio.in_bytes)
    if audio.out_bytes:
        yield TranscriptEvent(timestamp=ended_at, role="ai", type="audio", duration_ms=audio.out_ms, bytes=audio.out_bytes)


def _turn_events(turn: Turn, start: datetime, voice_id: str) -> list[TranscriptEvent]:
    if turn.role == "caller":
        return [TranscriptEvent(timestamp=start, role="user", type="text", content=turn.text, confidence=turn.confidence)]
    if not turn.heard_text:
        return []
    return [
        TranscriptEvent(
            timestamp=start,
            role="ai",
            type="text",
            content=turn.heard_text,
            voice_id=voice_id or None,
            interrupted=turn.interrupted or None,
        )
    ]


def _tool_event(use: ToolUse, end: datetime) -> TranscriptEvent:
    return TranscriptEvent(
        timestamp=end,
        role="tool",
        type="execution",
        name=use.name,
        input=use.arguments,
        output=use.output,
        execution_time_ms=use.duration_ms,
        status=use.status,
    )
