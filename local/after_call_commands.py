"""``nexus webhook`` and ``nexus after-call``: who is told of finished calls, and doing again what failed after one."""

from __future__ import annotations

import argparse
import asyncio
import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from local.after_call_wiring import redrive_dead_letters
from local.client import ControlPlane
from local.client.schemas import WebhookWithSecret


def webhook_list(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Receivers of a tenant."""
    table = Table(Column("webhook", no_wrap=True), "url", "events", "status", "failures", box=None, pad_edge=False)
    for hook in client.webhooks.each(options.tenant):
        status = f"{hook['status']} ({hook['paused_reason']})" if hook["paused_reason"] else hook["status"]
        table.add_row(hook["id"], escape(hook["url"]), ", ".join(hook["events"]), status, str(hook["failures"]))
    console.print(table if table.row_count else f"{options.tenant} has no webhook yet.")
    return 0


def webhook_create(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Name a receiver and show its secret."""
    return _show_secret(client.webhooks.create(options.tenant, options.address, events=options.event), console)


def webhook_rotate(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Give a receiver a fresh secret and show it."""
    return _show_secret(client.webhooks.rotate(options.tenant, options.webhook, overlap_s=options.overlap_s), console)


def webhook_test(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Send a test; 0 when it was taken."""
    told = client.webhooks.test(options.tenant, options.webhook)
    last = told["attempts"][-1]
    words = f"answered {last['status']}" if last["status"] else last["error"]
    console.print(f"{told['status']}: {words} in {last['duration_ms']:.0f} ms", highlight=False)
    return 0 if told["status"] == "delivered" else 1


def webhook_delete(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Forget a receiver."""
    client.webhooks.delete(options.tenant, options.webhook)
    console.print(f"[green]✓[/green] {options.webhook} is forgotten", highlight=False)
    return 0


def after_call_failed(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """What failed for good after calls."""
    table = Table(Column("session", no_wrap=True), "step", "code", "what", box=None, pad_edge=False)
    for item in client.failed_items.each(options.tenant):
        table.add_row(item["session_id"], item["step"], item["code"], escape(item["detail"]))
    console.print(table if table.row_count else f"Nothing of {options.tenant} has failed.")
    return 0


def after_call_redrive(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Begin it again."""
    begun = client.failed_items.redrive(options.tenant, options.session)
    for session_id in begun:
        console.print(f"[green]✓[/green] {session_id} is begun again", highlight=False)
    if not begun:
        console.print(f"Nothing of {options.tenant} has failed.")
    return 0


def after_call_dead_letters(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Put back on the queue what it has given up; no server of ours is asked."""
    moved = asyncio.run(redrive_dead_letters(options.dead_letters, options.queue))
    console.print(f"[green]✓[/green] {moved} messages go back" if moved else "No message has been given up.", highlight=False)
    return 0


def _show_secret(hook: WebhookWithSecret, console: Console) -> int:
    console.print(f"[dim]{hook['id']}; the secret is shown this once:[/dim]", highlight=False)
    sys.stdout.write(hook["secret"] + "\n")
    return 0


AFTER_CALL = (
    *(webhook_list, webhook_create, webhook_rotate, webhook_test, webhook_delete),
    *(after_call_failed, after_call_redrive, after_call_dead_letters),
)
