"""``nexus key``, ``config``, ``usage``, ``audit`` and what else admins do to a running server, by its REST API.

Every command has the same form: what was asked, the client, where to tell it; it gives the exit code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from local.after_call_commands import AFTER_CALL
from local.client import ControlPlane
from local.client.schemas import ApiKeyBody, Fault, IssuedApiKey, TenantBody
from local.knowledge_commands import KNOWLEDGE
from local.live_commands import LIVE
from local.setup_commands import SETUP
from nexus.errors import RequestRejected

Command = Callable[[argparse.Namespace, ControlPlane, Console], int]


def keys_list(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Keys of a tenant, without secrets."""
    table = Table(_id("key"), "name", "kind", "mode", "status", "may", "last used", box=None, pad_edge=False)
    for key in client.api_keys.each(options.tenant):
        may = ", ".join(key["origins"] or key["scopes"])
        table.add_row(key["id"], escape(key["name"]), key["kind"], key["mode"], key["status"], escape(may), key["last_used_on"] or "never")
    console.print(table if table.row_count else f"{options.tenant} has no key yet.")
    return 0


def keys_create(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Make a key and show its secret."""
    body: dict[str, Any] = {"name": options.name, "mode": "test" if options.test else "live"}
    if options.origin:
        body = {"name": options.name, "kind": "publishable", "origins": list(options.origin)}
    elif options.scope:
        body["scopes"] = list(options.scope)
    else:
        raise RequestRejected("invalid_request", "Say what the key may: --scope sessions:read, or --origin https://www.example.com.")
    return _show_secret(client.api_keys.create(options.tenant, cast(ApiKeyBody, body)), console)


def keys_rotate(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Give a key a fresh secret and show it."""
    return _show_secret(client.api_keys.rotate(options.tenant, options.key, overlap_s=options.overlap_s), console)


def keys_revoke(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Let a key die at once."""
    _done(console, f"{client.api_keys.revoke(options.tenant, options.key)['id']} is revoked")
    return 0


def config_pull(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Write the draft, or else the active configuration, as YAML."""
    draft = None if options.active else client.configs.draft(options.tenant)
    config: Mapping[str, Any] = draft.config if draft else client.configs.active(options.tenant)["config"]
    text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    if options.file is None:
        sys.stdout.write(text)
        return 0
    options.file.write_text(text, encoding="utf-8")
    _done(console, f"{'draft' if draft else 'active configuration'} written to {options.file}")
    return 0


def config_push(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Make a YAML file the draft and tell its faults; with ``--publish``, publish it when it has none."""
    config = _yaml(options.file)
    client.configs.put_draft(options.tenant, config, replacing=client.configs.draft(options.tenant))
    faulty = config_check(options, client, console)
    return config_publish(options, client, console) if options.publish and not faulty else faulty


def config_check(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Tell every fault of the draft."""
    verdict = client.configs.validate(options.tenant)
    for color, found in (("red", verdict["errors"]), ("yellow", verdict["warnings"])):
        for fault in found:
            console.print(f"[{color}]{'✗' if color == 'red' else '!'}[/{color}] {escape(_place(fault))}", highlight=False, soft_wrap=True)
    if verdict["valid"]:
        _done(console, f"the draft of {options.tenant} can be published")
    return 0 if verdict["valid"] else 1


def config_publish(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Make the draft active."""
    _done(console, f"version {client.configs.publish(options.tenant, options.note)['version']} is active for new calls")
    return 0


def config_rollback(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Make an older version active again."""
    made = client.configs.rollback(options.tenant, options.version, options.note)
    _done(console, f"version {made['version']} is active for new calls: it is version {options.version} again")
    return 0


def config_versions(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """What was published."""
    table = Table("version", "", "published (UTC)", "note", box=None, pad_edge=False)
    for one in client.configs.versions(options.tenant):
        standing = "active" if one["active"] else "canary" if one["canary"] else ""
        table.add_row(str(one["version"]), standing, _when(one["published_at"]), escape(one["note"]))
    console.print(table if table.row_count else f"Nothing of {options.tenant} has been published.")
    return 0


def tenant_create(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Make a tenant on the server."""
    body: TenantBody = {"id": options.tenant, "name": options.name, "timezone": options.timezone, "language": options.language}
    _done(console, f"{client.tenants.create(body)['id']} is made; it takes calls once a configuration is published")
    return 0


def tenant_suspend(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Take no new calls."""
    _done(console, f"{options.tenant} is {client.tenants.suspend(options.tenant)['status']}")
    return 0


def tenant_resume(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Take calls again."""
    _done(console, f"{options.tenant} is {client.tenants.resume(options.tenant)['status']}")
    return 0


def tenant_delete(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Delete a tenant and all that is kept of it."""
    if options.confirm != options.tenant:
        raise RequestRejected("invalid_request", f"This deletes all that is kept of the tenant, for ever: add --confirm {options.tenant}.")
    job = client.tenants.delete(options.tenant)
    _done(console, f"{options.tenant} is being deleted ({job['id']})")
    return 0


def usage(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """What was used, by day."""
    told = client.reports.usage(options.tenant, options.first, options.last)
    table = Table("day (UTC)", "calls", "of them tests", "failed", "minutes", "tools", "slot minutes", box=None, pad_edge=False)
    rows: list[tuple[str, Any]] = [*((day["date"], day) for day in told["days"]), ("total", told["total"])]
    for name, used in rows:
        counts = (used["calls"], used["test_calls"], used["failed_calls"])
        slots = f"{used['slot_ms'] / 60_000:.1f}"
        table.add_row(name, *(str(count) for count in counts), f"{used['call_minutes']:.1f}", str(used["tool_calls"]), slots)
    console.print(table)
    return 0


def audit(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """Who changed what."""
    table = Table("when (UTC)", "operation", "object", "by", "request", box=None, pad_edge=False)
    for _, event in zip(range(options.limit), client.reports.audit_events(options.tenant, operation=options.operation), strict=False):
        by = f"{event['actor']['kind']} {event['actor']['id']}"
        table.add_row(_when(event["at"]), event["operation"], event["object_id"], escape(by), event["request_id"])
    console.print(table if table.row_count else "Nothing has been changed.")
    return 0


def leads_csv(options: argparse.Namespace, client: ControlPlane, console: Console) -> int:
    """All leads as CSV, to a file or out."""
    parts: Iterable[str] = client.leads.csv(options.tenant)
    if options.out is None:
        sys.stdout.writelines(parts)
        return 0
    with options.out.open("w", encoding="utf-8", newline="") as file:
        file.writelines(parts)
    _done(console, f"leads written to {options.out}")
    return 0


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        one.__name__: one
        for one in (
            *(keys_list, keys_create, keys_rotate, keys_revoke),
            *(config_pull, config_push, config_check, config_publish, config_rollback, config_versions),
            *(tenant_create, tenant_suspend, tenant_resume, tenant_delete),
            *(usage, audit, leads_csv),
            *AFTER_CALL,
            *KNOWLEDGE,
            *SETUP,
            *LIVE,
        )
    }
)


def _show_secret(key: IssuedApiKey, console: Console) -> int:
    console.print(f"[dim]{key['id']}; the secret is shown this once:[/dim]", highlight=False)
    sys.stdout.write(key["secret"] + "\n")
    return 0


def _yaml(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RequestRejected("invalid_request", f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(config, dict):
        raise RequestRejected("invalid_request", f"{path} must hold names and values, as config.yaml does.")
    return config


def _place(fault: Fault) -> str:
    at = fault.get("pointer") or fault.get("parameter") or ""
    return f"{at}: {fault['detail']}" if at else fault["detail"]


def _done(console: Console, words: str) -> None:
    console.print(f"[green]✓[/green] {escape(words)}", highlight=False, soft_wrap=True)


def _when(moment: str | None) -> str:
    return str(moment or "")[:19].replace("T", " ")


def _id(name: str) -> Column:
    """Ids are there to be copied: never cut."""
    return Column(name, no_wrap=True, min_width=30)
