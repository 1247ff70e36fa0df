"""``nexus secret``, ``nexus tenant export|import`` and ``nexus config canary|promote|abort``: what an agent is given, by REST."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.client import ControlPlane
from nexus.errors import RequestRejected


def secret_set(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Write a secret. Its value comes by standard input or is typed unseen: arguments can be read by everybody on a machine."""
    value = getpass.getpass(f"value of {options.name}: ") if sys.stdin.isatty() else sys.stdin.readline()
    told = client.secrets.put(options.tenant, options.name, value.strip("\r\n"))
    return _done(console, f"{told['name']} is set{_ending(told['last4'])}")


def secret_list(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Names of secrets, and how their values end."""
    table = Table("name", "ends in", "set (UTC)", box=None, pad_edge=False)
    for one in client.secrets.each(options.tenant):
        table.add_row(one["name"], one["last4"] or "not shown", one["updated_at"][:19].replace("T", " "))
    console.print(table if table.row_count else f"{options.tenant} has no secret yet.")
    return 0


def secret_delete(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Forget a secret."""
    client.secrets.delete(options.tenant, options.name)
    return _done(console, f"{options.name} is deleted; tools that refer to it fail from now on")


def tenant_export(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Write a tenant as a bundle, to a file or out."""
    bundle = client.bundles.export(options.tenant)
    text = json.dumps(bundle, indent=2, ensure_ascii=False) + "\n"
    if options.out is None:
        sys.stdout.write(text)
        return 0
    options.out.write_text(text, encoding="utf-8")
    return _done(
        console, f"{options.tenant} written to {options.out}, without calls and without the values of {len(bundle['secrets'])} secret(s)"
    )


def tenant_import(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Make a new tenant of a bundle, and say what is still to be done."""
    made = client.bundles.import_(options.tenant, _bundle(options.file))
    _done(console, f"{options.tenant} is made of {options.file}")
    for document in made["knowledge"]:
        if document["status"] != "ready":
            console.print(f"[yellow]![/yellow] {escape(document['name'])}: {escape(document['detail'])}", highlight=False, soft_wrap=True)
    for name in made["missing_secrets"]:
        console.print(f"[yellow]![/yellow] to be set: nexus secret set {options.tenant} {name}", highlight=False, soft_wrap=True)
    for hook in made["webhooks"]:
        console.print(f"[dim]{hook['id']} {escape(hook['url'])}; the secret is shown this once:[/dim]", highlight=False, soft_wrap=True)
        sys.stdout.write(hook["secret"] + "\n")
    return 0


def config_canary(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Start a part of new calls with another version, or with the draft."""
    told = client.configs.canary(options.tenant, options.percent, version=options.version, note=options.note)
    canary = told["canary"]
    if canary is None:
        raise RequestRejected("canary_state", "The canary was ended at the same moment by somebody else.")
    return _done(console, f"{canary['percent']} % of new calls get version {canary['version']}, the others version {told['version']}")


def config_promote(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Make the canary active."""
    return _done(console, f"version {client.configs.promote(options.tenant)['version']} is active for new calls")


def config_abort(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """End the canary."""
    return _done(console, f"all new calls get version {client.configs.abort(options.tenant)['version']} again")


SETUP = (secret_set, secret_list, secret_delete, tenant_export, tenant_import, config_canary, config_promote, config_abort)


def _bundle(path: Path) -> dict[str, Any]:
    try:
        bundle = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RequestRejected("invalid_request", f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(bundle, dict):
        raise RequestRejected("invalid_request", f"{path} is no bundle: `nexus tenant export` writes one.")
    return bundle


def _ending(last4: str) -> str:
    return f" and ends in {last4}" if last4 else ""


def _done(console: Console, words: str) -> int:
    console.print(f"[green]✓[/green] {escape(words)}", highlight=False, soft_wrap=True)
    return 0
