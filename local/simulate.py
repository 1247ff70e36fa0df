"""A typed conversation with a tenant's agent, by the REST of a running server: the original's simulated customer."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from local.client import ControlPlane


def simulate(client: ControlPlane, tenant_id: str, lines: tuple[str, ...], phone: str, console: Console) -> int:
    """Say each line (or what is typed, when there are none) and show the answers with the tools they used."""
    opened = client.conversations.open(tenant_id, phone)
    console.print(f"[dim]{opened['id']}, tools: {', '.join(opened.get('active_tools', []))}[/dim]")
    if opened.get("greeting"):
        console.print(f"[cyan]agent[/cyan]   {escape(opened['greeting'])}", highlight=False, soft_wrap=True)
    for line in lines or _typed():
        console.print(f"[green]caller[/green]  {escape(line)}", highlight=False, soft_wrap=True)
        reply = client.conversations.say(tenant_id, opened["id"], line)
        for tool in reply.get("tools", []):
            console.print(f"[magenta]tool[/magenta]    {tool['name']}: {tool['status']}", highlight=False)
        console.print(f"[cyan]agent[/cyan]   {escape(reply['reply'])}", highlight=False, soft_wrap=True)
        if reply.get("ended"):
            break
    return 0


def _typed() -> Iterator[str]:
    while True:
        sys.stdout.write("you     ")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()
