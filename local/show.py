"""Tables for people: findings, tenants, sessions, leads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from local.command import command
from local.doctor import Finding, config_faults

_MARKS = {"ok": "[green]✓[/green]", "warning": "[yellow]![/yellow]", "fault": "[red]✗[/red]"}


def findings_table(findings: Sequence[Finding]) -> Table:
    """What the doctor found, with the fix."""
    table = Table("", "what", "found", "fix", box=None, pad_edge=False)
    for one in findings:
        table.add_row(_MARKS[one.level], one.name, escape(one.detail), escape(one.fix))
    return table


def tenants_table(folders: Sequence[Path]) -> Table:
    """Tenants of the folder, broken ones too."""
    table = Table("tenant", "status", box=None, pad_edge=False)
    for folder in folders:
        faults = config_faults(folder)
        table.add_row(folder.name, f"[red]{len(faults)} fault(s)[/red]" if faults else "[green]fine[/green]")
    return table


def sessions_table(rows: Sequence[dict[str, Any]]) -> RenderableType:
    """Finished calls."""
    if not rows:
        return f"No finished call yet. Make one: {command()} call TENANT --type 'Hello'"
    table = Table(_id_column(), "started (UTC)", "seconds", "ended", "outcome", "turns", "tools", box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            row["id"],
            str(row["started_at"])[:19].replace("T", " "),
            f"{row['duration_ms'] / 1000:.1f}",
            row["end_reason"],
            row.get("outcome") or "",
            str(row["turns"]),
            str(row["tool_calls"]),
        )
    return table


def session_view(record: dict[str, Any]) -> Iterator[RenderableType]:
    """One call: head, transcript, tools, lead."""
    head = f"[bold]{record['id']}[/bold]  {record['end_reason']}  {record['duration_ms'] / 1000:.1f} s  engine {record['engine']}"
    yield head
    if recording := _recording(record.get("recording") or {}):
        yield recording
    lines: list[tuple[float, Text]] = [(turn["start_ms"], _turn(turn)) for turn in record["turns"]]
    lines += [(use["started_ms"], _tool(use)) for use in record["tools"]]
    for at_ms, line in sorted(lines, key=lambda pair: pair[0]):
        yield Text(f"{at_ms / 1000:7.1f}  ", style="dim") + line
    lead = record.get("intelligence")
    if lead:
        table = Table("lead", "", box=None, pad_edge=False)
        for name, value in lead.items():
            table.add_row(name.replace("_", " "), _lead_value(value))
        yield table


def _recording(trace: dict[str, Any]) -> str:
    """What became of the call's sound; of an older record without that, nothing."""
    if not trace.get("status"):
        return ""
    why = f" ({trace['code']})" if trace.get("code") else ""
    kept = f", {trace['duration_ms'] / 1000:.1f} s" if trace["status"] == "stored" else ""
    until = f", until {trace['delete_after'][:10]}" if trace["status"] == "stored" and trace.get("delete_after") else ""
    return escape(f"recording: {trace['status']}{why}{kept}{until}")


def _lead_value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (", ".join(value) if isinstance(value, list) else str(value)) or "-"


def _id_column() -> Column:
    """Ids are there to be copied: never cut."""
    return Column("session", no_wrap=True, min_width=31)


def _turn(turn: dict[str, Any]) -> Text:
    words = turn["heard_text"] if turn["role"] == "agent" else turn["text"]
    cut = " (interrupted)" if turn["interrupted"] else ""
    return Text(f"{turn['role']:<7}", style="cyan" if turn["role"] == "agent" else "green") + Text(words + cut)


def _tool(use: dict[str, Any]) -> Text:
    return Text(f"tool    {use['name']} {use['status']} {use['duration_ms']:.0f} ms: {use.get('output', '')}", style="magenta")


def leads_table(rows: Sequence[dict[str, Any]]) -> RenderableType:
    """What calls were worth."""
    if not rows:
        return "No lead yet: every finished call gives one."
    table = Table(_id_column(), "name", "phone", "intent", "outcome", "mood", "follow up", "summary", box=None, pad_edge=False)
    for row in rows:
        lead = row["lead"]
        table.add_row(
            row["session_id"],
            lead["customer_name"],
            lead["customer_phone"],
            lead["core_intent"],
            lead["call_outcome"],
            lead["sentiment"],
            "yes" if lead["follow_up_required"] else "",
            lead["summary"],
        )
    return table
