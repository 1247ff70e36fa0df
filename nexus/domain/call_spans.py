"""The spans of a call, out of what is recorded anyway: pure, so that whoever has the record has the trace.

Attributes follow OpenTelemetry's semantic conventions where those have a name (``session.id``, ``error.type``, ``gen_ai.*``); ours begin
with ``nexus.``. No text, argument, number, name, metadata or address of a record becomes one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from nexus.domain.call import EndReason
from nexus.domain.lead import Analysis
from nexus.domain.session import ModeChange, SessionRecord, StageTimes, ToolUse, Turn
from nexus.domain.trace import AttributeValue, Service, Span, SpanKind, span_id_of, trace_id_of, word

MOST_SPANS = 1_000
"""Of a longer call the innermost and the latest are left out first: stores of traces take half a megabyte of one."""
LEFT_OUT = "nexus.spans.left_out"
_ROOT, _SESSION = "call", "session"
_STAGES = (
    ("silence_wait", "wait for silence"),
    ("stt", "speech to text"),
    ("dialogue", "dialogue"),
    ("first_sentence", "first sentence"),
    ("transport", "transport"),
)
"""In the order in which they follow each other, from the caller's last word on (``StageTimes``)."""
_TOOL_FAILED = frozenset({"failed", "unknown"})


@dataclass(slots=True)
class _Tree:
    """Spans with their depth; each is cut to the time of the one around it."""

    call_id: str
    spans: list[tuple[int, Span]] = field(default_factory=list)
    _around: dict[str, tuple[int, Span]] = field(default_factory=dict)

    def add(
        self,
        parent: str,
        key: str,
        name: str,
        times: tuple[datetime, datetime],
        attributes: dict[str, AttributeValue] | None = None,
        *,
        error: str = "",
        service: Service = "nexus-media",
        kind: SpanKind = "internal",
    ) -> None:
        depth, (start, end) = 0, times
        if parent:
            depth, around = self._around[parent]
            depth += 1
            start = min(max(start, around.start), around.end)
            end = min(max(end, start), around.end)
        told = {**(attributes or {}), **({"error.type": error} if error else {})}
        span = Span(
            name,
            trace_id_of(self.call_id),
            span_id_of(self.call_id, key),
            span_id_of(self.call_id, parent) if parent else "",
            service,
            start,
            max(start, end),
            kind,
            {name: value for name, value in told.items() if value != ""},
            error,
        )
        self._around[key] = (depth, span)
        self.spans.append((depth, span))


def call_spans(record: SessionRecord, most: int = MOST_SPANS) -> tuple[Span, ...]:
    """The call as it was ordered, waited for and held; parents before their children. The first is the root."""
    tree = _Tree(record.id)
    began, ended = min(record.created_at, record.connected_at), max(record.ended_at, record.connected_at)
    error = _error(record)
    tree.add("", _ROOT, "call", (began, ended), _identity(record), error=error, service="nexus-api", kind="server")
    tree.add(_ROOT, "wait", "wait for caller", (began, record.connected_at), service="nexus-api")
    tree.add(_ROOT, _SESSION, "session", (record.connected_at, ended), _session(record), error=error, kind="server")
    if record.first_audio_at is not None:
        tree.add(_SESSION, "first_audio", "connect to first audio", (record.connected_at, record.first_audio_at))
    for turn in record.turns:
        _turn(tree, record, turn)
    for number, use in enumerate(record.tools):
        tree.add(_SESSION, f"tool/{number}", *_tool(record, use), error=_tool_error(use))
    for number, (change, until) in enumerate(_text_only(record)):
        attributes: dict[str, AttributeValue] = {"nexus.mode": change.to, "nexus.mode.reason": word(change.reason)}
        tree.add(_SESSION, f"text_only/{number}", "text only", (_at(record, change.at_ms), until), attributes)
    for number, one in enumerate(record.engine_rotations):
        rotated: dict[str, AttributeValue] = {"nexus.engine.generation": one.generation, "nexus.engine.rotation.reason": word(one.reason)}
        times = (_at(record, one.at_ms - one.gap_ms), _at(record, one.at_ms))
        tree.add(_SESSION, f"rotation/{number}", "engine rotation", times, rotated)
    return _at_most(tree.spans, most)


def lead_span(analysis: Analysis) -> Span:
    """The reading of a call after it; each reading is a span of its own beside the others."""
    call_id = analysis.call_id
    attributes: dict[str, AttributeValue] = {
        "session.id": call_id,
        "nexus.tenant.id": analysis.tenant_id,
        "nexus.lead.id": analysis.lead_id,
        "nexus.lead.reading": analysis.reading,
        "nexus.lead.status": analysis.status,
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": word(analysis.model),
    }
    error = (word(analysis.error) or "model_failed") if analysis.status == "fallback" else ""
    return Span(
        name="lead",
        trace_id=trace_id_of(call_id),
        span_id=span_id_of(call_id, f"lead/{analysis.reading}"),
        parent_id=span_id_of(call_id, _ROOT),
        service="nexus-after-call",
        start=min(analysis.started_at or analysis.created_at, analysis.created_at),
        end=analysis.created_at,
        kind="consumer",
        attributes={**{name: value for name, value in attributes.items() if value != ""}, **({"error.type": error} if error else {})},
        error=error,
    )


# --- what stands in them -----------------------------------------------------------------------------------------------------


def _at(record: SessionRecord, offset_ms: float) -> datetime:
    return record.connected_at + timedelta(milliseconds=offset_ms)


def _error(record: SessionRecord) -> str:
    """The code of what ended the call against everybody's will."""
    if record.error is not None:
        return word(record.error.code) or "internal_error"
    dropped = record.status == "failed" or record.end_reason is EndReason.DRAINING_FORCED
    return record.end_reason.value if dropped else ""


def _identity(record: SessionRecord) -> dict[str, AttributeValue]:
    return {
        "session.id": record.id,
        "nexus.tenant.id": record.tenant_id,
        "nexus.config.version": record.config_version,
        "nexus.config.hash": record.config_hash,
        "nexus.engine": record.engine,
        "nexus.channel": word(record.channel),
        "nexus.test": record.test,
        "nexus.call.status": record.status,
        "nexus.call.end_reason": record.end_reason.value,
    }


def _session(record: SessionRecord) -> dict[str, AttributeValue]:
    return {
        **_identity(record),
        "nexus.turns": len(record.turns),
        "nexus.tools": len(record.tools),
        "nexus.errors": record.statistics.errors,
        "nexus.interruptions": record.interruptions.caller,
        "nexus.mode_changes": len(record.mode_changes),
        "nexus.engine.rotations": len(record.engine_rotations),
        "nexus.slot_ms": record.slot_ms,
        "nexus.audio.in_dropped_ms": record.audio.in_dropped_ms,
        "nexus.audio.dropped_frames": record.audio.dropped_frames,
        "nexus.audio.underruns": record.audio.underruns,
        "nexus.recording": record.recording.status,
    }


def _turn(tree: _Tree, record: SessionRecord, turn: Turn) -> None:
    """An agent's turn begins with the caller's last word, where that is known: its stages, then its voice."""
    key = f"turn/{turn.i}"
    attributes: dict[str, AttributeValue] = {
        "nexus.turn.index": turn.i,
        "nexus.turn.interrupted": turn.interrupted,
        "nexus.turn.typed": turn.typed,
        "nexus.engine": word(turn.engine),
    }
    if turn.role == "caller":
        spoken = (_at(record, turn.start_ms), _at(record, turn.end_ms))
        tree.add(_SESSION, key, "caller turn", spoken, {**attributes, "nexus.turn.backchannel": turn.backchannel})
        return
    stages = turn.stages or StageTimes()
    begun_ms = max(0.0, turn.start_ms - stages.e2e)
    heard: dict[str, AttributeValue] = {"nexus.turn.heard_ms": turn.heard_ms, "nexus.turn.latency_ms": stages.e2e}
    tree.add(_SESSION, key, "agent turn", (_at(record, begun_ms), _at(record, turn.end_ms)), {**attributes, **heard})
    at_ms = begun_ms
    for stage, name in _STAGES:
        length_ms: float = getattr(stages, stage)
        if length_ms > 0:
            tree.add(key, f"{key}/{stage}", name, (_at(record, at_ms), _at(record, at_ms + length_ms)))
            at_ms += length_ms
    if stages.e2e > 0:
        tree.add(key, f"{key}/voice", "agent speaks", (_at(record, turn.start_ms), _at(record, turn.end_ms)))


def _tool(record: SessionRecord, use: ToolUse) -> tuple[str, tuple[datetime, datetime], dict[str, AttributeValue]]:
    """Named as the convention wants it: ``execute_tool`` and the tool's name."""
    name = word(use.name)
    attributes: dict[str, AttributeValue] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "nexus.tool.status": use.status,
        "nexus.tool.attempts": use.attempts,
        "nexus.turn.index": use.turn,
    }
    times = (_at(record, use.started_ms), _at(record, use.started_ms + use.duration_ms))
    return f"execute_tool {name}".rstrip(), times, attributes


def _tool_error(use: ToolUse) -> str:
    if use.status not in _TOOL_FAILED:
        return ""  # a refusal is an answer
    return word(use.error_code) or ("tool_outcome_unknown" if use.status == "unknown" else "tool_failed")


def _text_only(record: SessionRecord) -> Iterator[tuple[ModeChange, datetime]]:
    """Each stretch without a voice, and when it ended."""
    changes = record.mode_changes
    for change, following in zip(changes, (*changes[1:], None), strict=False):
        if change.to == "text_only":
            yield change, record.ended_at if following is None else _at(record, following.at_ms)


def _at_most(spans: list[tuple[int, Span]], most: int) -> tuple[Span, ...]:
    """The outermost and the first, in the order in which they stand; the session says how many are missing."""
    by_worth = sorted(range(len(spans)), key=lambda place: (spans[place][0], place))
    kept = [spans[place][1] for place in sorted(by_worth[:most])]
    if len(kept) == len(spans):
        return tuple(kept)
    missing = len(spans) - len(kept)
    return tuple(replace(span, attributes={**span.attributes, LEFT_OUT: missing}) if span.name == _SESSION else span for span in kept)
