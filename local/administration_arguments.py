"""The words of the commands for admins, apart from the commands: the parser is needed before anything else is loaded."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[[argparse.Namespace], int]
Bind = Callable[[str], Run]
"""Gives what runs the command of a name (``administration.COMMANDS``)."""


def add_administration(commands: Any, bind: Bind) -> None:
    """``config``, ``knowledge``, ``secret``, ``webhook``, ``after-call``, ``usage``, ``audit``."""
    _add_config(_group(commands, "config", "draft, publish and roll back a tenant's configuration"), bind)
    _add_knowledge(_group(commands, "knowledge", "list, add and remove documents that a tenant's agent answers from"), bind)
    _add_secrets(_group(commands, "secret", "write and list what declared tools refer to"), bind)
    _add_webhooks(_group(commands, "webhook", "say who is told of finished calls"), bind)
    _add_after_call(_group(commands, "after-call", "see and redo what failed after a call"), bind)
    usage = _command(commands, "usage", bind("usage"), "what a tenant used, by day")
    usage.add_argument("--from", dest="first", default="", metavar="DAY", help="first day, as 2026-11-01; 30 days before the last one")
    usage.add_argument("--to", dest="last", default="", metavar="DAY", help="last day; today")
    audit = _command(commands, "audit", bind("audit"), "who changed what", tenant=False)
    audit.add_argument("tenant", nargs="?", default="", help="the operator's own changes when left out")
    audit.add_argument("--operation", default="", help="only this operation, as in docs/openapi.json")
    audit.add_argument("--limit", type=int, default=50)


def add_live(commands: Any, bind: Bind) -> None:
    """``call say``, ``call inject``, ``call end``."""
    call = _group(commands, "call", "speak in a living call, tell its agent something, or end it")
    say = _command(call, "say", bind("call_say"), "have the agent say a line")
    inject = _command(call, "inject", bind("call_inject"), "tell the agent something that it uses from its next answer on")
    for one in (say, inject, _command(call, "end", bind("call_end"), "end the call")):
        one.add_argument("call", help="its id")
    for one in (say, inject):
        one.add_argument("text")
    say.add_argument("--now", action="store_true", help="in place of what the agent is saying; else after that")


def add_tenants(tenant: Any, bind: Bind) -> None:
    """What can be done to a tenant of a running server."""
    create = _command(tenant, "create", bind("tenant_create"), "make a tenant on a running server")
    create.add_argument("--name", default="", help="what it is called")
    create.add_argument("--timezone", default="UTC")
    create.add_argument("--language", default="en-US")
    _command(tenant, "suspend", bind("tenant_suspend"), "take no new calls for it")
    _command(tenant, "resume", bind("tenant_resume"), "take calls for it again")
    export = _command(tenant, "export", bind("tenant_export"), "write it as a bundle: configurations, knowledge, webhooks; no secrets")
    export.add_argument("--out", type=Path, help="to this file; else it is printed")
    imported = _command(tenant, "import", bind("tenant_import"), "make a new tenant of a bundle, whole or not at all")
    imported.add_argument("file", type=Path, help="what export wrote")
    delete = _command(tenant, "delete", bind("tenant_delete"), "delete it, and all that is kept of it")
    delete.add_argument("--confirm", default="", metavar="TENANT", help="its id once more")


def add_keys(keys: Any, bind: Bind) -> None:
    """What can be done to the keys of a tenant of a running server."""
    _command(keys, "list", bind("keys_list"), "keys of a tenant, newest first")
    create = _command(keys, "create", bind("keys_create"), "make a key on a running server; its secret is shown this once")
    create.add_argument("--name", required=True, help="what it is for")
    create.add_argument("--scope", nargs="+", default=(), help="what it may, for example sessions:read leads:read")
    create.add_argument("--origin", nargs="+", default=(), help="make a publishable key for these pages instead")
    create.add_argument("--test", action="store_true", help="a key that touches test calls only")
    rotate = _command(keys, "rotate", bind("keys_rotate"), "give a key a fresh secret")
    rotate.add_argument("--overlap-s", type=int, default=24 * 3600, help="so long the secret before stays good")
    for one in (rotate, _command(keys, "revoke", bind("keys_revoke"), "let a key die at once")):
        one.add_argument("key", help="its id")


def add_leads(leads: Any, bind: Bind) -> None:
    """``leads csv``."""
    _command(leads, "csv", bind("leads_csv"), "all leads as CSV").add_argument("--out", type=Path, help="to this file; else it is printed")


def _add_knowledge(knowledge: Any, bind: Bind) -> None:
    _command(knowledge, "list", bind("knowledge_list"), "documents, and whether they can be used")
    added = _command(knowledge, "add", bind("knowledge_add"), "give its agent a document; calls know it from then on")
    added.add_argument("file", type=Path, help="a text file: .md, .txt, .html, .csv or .json")
    added.add_argument("--name", default="", help="what it is called; the file's name when left out")
    added.add_argument("--replace", action="store_true", help="put it in the place of the document of that name, where there is one")
    removed = _command(knowledge, "remove", bind("knowledge_remove"), "forget a document")
    removed.add_argument("document", help="its id, or its name")


def _add_secrets(secret: Any, bind: Bind) -> None:
    written = _command(secret, "set", bind("secret_set"), "write a secret; its value is read from standard input, or typed unseen")
    _command(secret, "list", bind("secret_list"), "names of secrets, without values")
    for one in (written, _command(secret, "delete", bind("secret_delete"), "forget a secret")):
        one.add_argument("name", help="capital letters, digits and _")


def _add_webhooks(webhook: Any, bind: Bind) -> None:
    _command(webhook, "list", bind("webhook_list"), "who is told of finished calls")
    create = _command(webhook, "create", bind("webhook_create"), "name a receiver; its signing secret is shown this once")
    create.add_argument("address", help="where it listens: a public https URL")
    create.add_argument("--event", nargs="+", default=(), help="only these events, for example call.analyzed")
    rotate = _command(webhook, "rotate", bind("webhook_rotate"), "give a receiver a fresh secret")
    rotate.add_argument("--overlap-s", type=int, default=24 * 3600, help="so long the secret before signs too")
    test = _command(webhook, "test", bind("webhook_test"), "send a test message now")
    for one in (rotate, test, _command(webhook, "delete", bind("webhook_delete"), "forget a receiver")):
        one.add_argument("webhook", help="its id")


def _add_after_call(after_call: Any, bind: Bind) -> None:
    _command(after_call, "failed", bind("after_call_failed"), "what failed for good after calls")
    redrive = _command(after_call, "redrive", bind("after_call_redrive"), "begin again what failed, where it failed")
    redrive.add_argument("--session", default="", metavar="ID", help="only this one")
    words = "in AWS: put back on the queue of calls what it has given up, with the credentials of the environment"
    dead = _command(after_call, "dead-letters", bind("after_call_dead_letters"), words, tenant=False)
    dead.add_argument("--from", dest="dead_letters", required=True, metavar="URL", help="address of the dead-letter queue")
    dead.add_argument("--to", dest="queue", required=True, metavar="URL", help="address of the queue of calls")


def _add_config(config: Any, bind: Bind) -> None:
    pull = _command(config, "pull", bind("config_pull"), "write the draft, or else the active configuration, as YAML")
    pull.add_argument("--file", type=Path, help="to this file; else it is printed")
    pull.add_argument("--active", action="store_true", help="the active one, whether there is a draft or not")
    push = _command(config, "push", bind("config_push"), "make a YAML file the draft, and tell its faults")
    push.add_argument("file", type=Path)
    push.add_argument("--publish", action="store_true", help="and publish it when it has none")
    _command(config, "check", bind("config_check"), "tell every fault of the draft")
    publish = _command(config, "publish", bind("config_publish"), "make the draft active for new calls")
    rollback = _command(config, "rollback", bind("config_rollback"), "make an older version active again")
    rollback.add_argument("version", type=int)
    canary = _command(config, "canary", bind("config_canary"), "start a part of new calls with the draft, or with another version")
    canary.add_argument("--percent", type=int, required=True, help="of new calls")
    canary.add_argument("--version", type=int, help="an older version; else the draft becomes the next one")
    _command(config, "promote", bind("config_promote"), "make the canary active for all new calls")
    _command(config, "abort", bind("config_abort"), "end the canary")
    for one in (push, publish, rollback, canary):
        one.add_argument("--note", default="", help="why, for the list of versions")
    _command(config, "versions", bind("config_versions"), "what was published, newest first")


def _group(commands: Any, name: str, words: str) -> Any:
    return commands.add_parser(name, help=words, description=words[:1].upper() + words[1:] + ".").add_subparsers(
        required=True, metavar="ACTION"
    )


def _command(commands: Any, name: str, run: Run, words: str, *, tenant: bool = True) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=words, description=words[:1].upper() + words[1:] + ".")
    command.set_defaults(run=run)
    command.add_argument("--url", default="", help="address of the running server; default: HOST and PORT of the settings")
    if tenant:
        command.add_argument("tenant")
    return command
