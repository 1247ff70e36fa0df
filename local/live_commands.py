"""``nexus call say``, ``inject`` and ``end``: what can be done to a call that lives, by REST."""

from __future__ import annotations

import argparse

from rich.console import Console

from local.client import ControlPlane

VERBS = frozenset({"say", "inject", "end"})
"""The words behind ``nexus call`` that are not a tenant to be called."""


def call_say(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Have the agent say a line."""
    told = client.calls.say(options.tenant, options.call, options.text, mode="now" if options.now else "next")
    return _done(console, f"{told['id']}: the agent says it within two seconds")


def call_inject(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Tell the agent something."""
    return _done(
        console, f"{client.calls.inject(options.tenant, options.call, options.text)['id']}: the agent knows it from its next answer on"
    )


def call_end(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """End the call."""
    told = client.calls.end(options.tenant, options.call)
    return _done(console, f"{told['id']} {'ends within two seconds' if told['status'] == 'active' else 'has ended'}")


LIVE = (call_say, call_inject, call_end)


def _done(console: Console, words: str) -> int:
    console.print(f"[green]✓[/green] {words}", highlight=False, soft_wrap=True)
    return 0
