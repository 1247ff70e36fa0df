"""``nexus call``: a call by the soft phone to a running server, with what was said and how long it took."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.client import ControlPlane
from local.command import command
from local.softphone import CallReport, Script, SoftPhone
from nexus.errors import RequestRejected


async def dial(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Call, speak, hang up, show. 0 when the call was connected and the agent was heard or read."""
    if not options.wav and not options.type:
        raise RequestRejected("invalid_request", "Say something: --wav hello.wav, or --type 'Are you open on Saturday?'")
    for wav in options.wav:  # before the call: a slip in a file name must not leave a call behind
        if not wav.is_file():
            raise RequestRejected("invalid_request", f"There is no file {wav}.")
    call = client.calls.create(options.tenant, phone=options.phone)
    console.print(f"[dim]{call['id']}[/dim]")
    phone = SoftPhone(call["websocket"]["url"], call["websocket"]["ticket"])
    report = await phone.call(Script(wavs=tuple(options.wav), typed=tuple(options.type)))
    show(report, console)
    for path, stereo in ((options.out, False), (options.out_stereo, True)):
        if path is not None:
            phone.write_heard(Path(path), stereo=stereo)
            console.print(f"[dim]written: {path}[/dim]")
    at = f" --url {options.url}" if options.url else ""
    console.print(f"[dim]{command()} sessions show {options.tenant} {report.call_id}{at}[/dim]", highlight=False, soft_wrap=True)
    return 0 if any(line.role == "agent" for line in report.lines) else 1


def show(report: CallReport, console: Console) -> None:
    """The transcript, the tools, the times."""
    for line in report.lines:
        color = "cyan" if line.role == "agent" else "green"
        cut = " [dim](interrupted)[/dim]" if line.interrupted else ""
        console.print(f"[{color}]{line.role:<7}[/{color}] ", end="")
        console.print(line.text, markup=False, highlight=False, end="", soft_wrap=True)
        console.print(cut)
    if report.tools:
        console.print(f"[magenta]tools[/magenta]   {', '.join(report.tools)}", highlight=False)
    for mode in report.modes:
        console.print(f"[yellow]mode[/yellow]    {mode}", highlight=False)
    for error in report.errors:
        console.print(f"[red]error[/red]   {error}", highlight=False)
    table = Table("said", "answer after", box=None, pad_edge=False)
    for turn in report.turns:
        table.add_row(turn.said, "-" if turn.response_ms is None else f"{turn.response_ms / 1000:.2f} s")
    console.print(table)
    console.print(f"[dim]{report.duration_ms / 1000:.1f} s, ended: {report.end_reason}[/dim]")
