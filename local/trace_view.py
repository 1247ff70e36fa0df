"""``nexus trace``: where the time of one call went, as a waterfall of its spans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from nexus.domain.call_spans import call_spans, lead_span
from nexus.domain.lead import Analysis
from nexus.domain.session import SessionRecord
from nexus.domain.trace import Span

_COLOURS = {"nexus-api": "blue", "nexus-media": "cyan", "nexus-after-call": "magenta"}
_STAGE = "yellow"
_EIGHTHS = " ▏▎▍▌▋▊▉"
_BESIDE = 62
"""What a line holds beside its bar."""
_SHORTEST, _LONGEST = 16, 72


def spans_of(session: Mapping[str, Any]) -> tuple[Span, ...]:
    """The spans of a session as the API gives it, its reading included where there is one."""
    record = SessionRecord.model_validate(dict(session), extra="ignore")
    told = session.get("analysis")
    if not told:
        return call_spans(record)
    known = {name: value for name, value in told.items() if name not in ("evidence", "fields")}
    known |= {"call_id": record.id, "tenant_id": record.tenant_id, "call_started_at": record.connected_at}
    analysis = Analysis.model_validate(known, extra="ignore")
    return (*call_spans(record), lead_span(analysis))


def trace_view(spans: Sequence[Span], width: int) -> Iterator[RenderableType]:
    """The trace's id, and a line for each span: what is inside another is indented. A reading long after the call stands at the edge.

    Args:
        width: of the terminal.
    """
    trace_id, began = spans[0].trace_id, spans[0].start
    ended = min(max(span.end for span in spans), spans[0].end + (spans[0].end - began) / 2)
    yield f"trace [bold]{trace_id}[/bold]  [dim]X-Ray 1-{trace_id[:8]}-{trace_id[8:]}[/dim]"
    room = min(_LONGEST, max(_SHORTEST, width - _BESIDE))
    table = Table(
        Column("span", no_wrap=True), Column("from s", justify="right"), Column("ms", justify="right"), Column("", no_wrap=True), box=None
    )
    for depth, span in _in_order(spans):
        name = Text("  " * depth + span.name, style="red" if span.error else "")
        if span.error:
            name.append(f" {escape(span.error)}", style="bold red")
        start_s = (span.start - began).total_seconds()
        length_ms = (span.end - span.start).total_seconds() * 1000
        table.add_row(name, f"{start_s:.2f}", f"{length_ms:.0f}", _bar(span, depth, (began, ended), room))
    yield table


def _in_order(spans: Sequence[Span], parent_id: str = "", depth: int = 0) -> Iterator[tuple[int, Span]]:
    """By their beginning, each with what is inside it behind it, and how deep it lies."""
    for span in sorted((one for one in spans if one.parent_id == parent_id), key=lambda one: one.start):
        yield depth, span
        yield from _in_order(spans, span.span_id, depth + 1)


def _bar(span: Span, depth: int, whole: tuple[datetime, datetime], room: int) -> Text:
    """Where the span lies in the whole, in eighths of a letter; never nothing."""
    length_s = max((whole[1] - whole[0]).total_seconds(), 1e-6)
    begin = (span.start - whole[0]).total_seconds() / length_s * room
    wide = (span.end - span.start).total_seconds() / length_s * room
    before = min(int(begin), room - 1)
    eighths = max(1, min(round(wide * 8), (room - before) * 8))
    letters = "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
    style = "red" if span.error else _STAGE if depth > 2 else _COLOURS[span.service]
    return Text(" " * before) + Text(letters, style=style)
