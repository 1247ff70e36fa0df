"""The ``nexus`` command."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.markup import escape

from local.administration_arguments import add_administration, add_keys, add_leads, add_live, add_tenants
from local.command import command as command_line
from local.live_commands import VERBS
from local.query.arguments import add_arguments as add_query
from local.sidecar.arguments import add_arguments, options_of
from nexus.domain.call import EndReason, RecordStatus
from nexus.errors import ConfigurationError, NexusError
from nexus.logs import set_up_logging
from nexus.settings.choices import EngineName
from nexus.settings.values import Settings, load_settings

_PIPED_WIDTH = 180
_console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
_errors = Console(stderr=True, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what was asked, 1 when not, 2 for wrong words."""
    words = [*(sys.argv[1:] if arguments is None else arguments)]
    options = _parser(live=words[:1] == ["call"] and words[1:2] != [] and words[1] in VERBS).parse_args(words)
    try:
        result: int = options.run(options)
        return result
    except ConfigurationError as error:
        for fault in error.faults or (error.public_message,):
            _errors.print(f"[red]✗[/red] {escape(fault)}", highlight=False)
        return 1
    except NexusError as error:
        _errors.print(f"[red]✗[/red] {escape(error.public_message)} [dim]({error.code})[/dim]", highlight=False)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser(*, live: bool = False) -> argparse.ArgumentParser:
    """``live``: ``nexus call`` is followed by what is to be done to a call that lives, and not by a tenant to be called."""
    parser = argparse.ArgumentParser(prog="nexus", description="Nexus Voice Engine: spoken AI agents on your own machine or account.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add(commands, "doctor", _doctor, "look at ports, models, settings and tenants, and name the fix for each finding")
    if live:
        add_live(commands, _administering)
    else:
        _add_call(commands)
    canary = _add(commands, "canary", _canary, "place a test call: it must be answered in time, and leave a record")
    _server(canary)
    canary.add_argument("tenant")
    canary.add_argument("--say", default="", metavar="LINE", help="the line that is typed")
    canary.add_argument("--answer-s", type=float, default=15.0, help="how long the answer may take")
    canary.add_argument("--record-s", type=float, default=60.0, help="how long the record may take")
    simulate = _add(commands, "simulate", _simulate, "hold a typed conversation with a tenant's agent, line by line")
    _server(simulate)
    simulate.add_argument("tenant")
    simulate.add_argument("--say", nargs="+", default=(), metavar="LINE", help="what the customer says; without it you type")
    simulate.add_argument("--phone", default="", help="the customer's number")
    _add_tenant(commands)
    _add_lists(commands)
    add_administration(commands, _administering)
    _add_key(commands)
    add_query(_add(commands, "query", _query, "ask about finished calls in SQL, on this machine or in Athena"))
    add_arguments(_add(commands, "sidecar", _sidecar, "run stand-ins for PersonaPlex servers, for trials without a GPU"))
    return parser


def _add(commands: Any, name: str, run: Callable[[argparse.Namespace], int], words: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=words, description=words[:1].upper() + words[1:] + ".")
    command.set_defaults(run=run)
    return command


def _server(command: argparse.ArgumentParser) -> None:
    command.add_argument("--url", default="", help="address of the running server; default: HOST and PORT of the settings")


def _add_run(commands: Any) -> None:
    command = _add(commands, "run", _run, "serve the console, the API and the calls on this machine")
    command.add_argument("--host", help="address to listen on (HOST)")
    command.add_argument("--port", type=int, help="port to listen on (PORT)")
    command.add_argument("--engine", choices=[str(name) for name in EngineName], help="voice engine (ENGINE)")


def _add_call(commands: Any) -> None:
    command = _add(commands, "call", _call, "call a tenant's agent with spoken WAV files or typed lines")
    _server(command)
    command.add_argument("tenant")
    command.add_argument("--wav", nargs="+", type=Path, default=(), metavar="FILE", help="each is spoken when the agent has finished")
    command.add_argument("--type", nargs="+", default=(), metavar="LINE", help="lines typed on the socket, after the files")
    command.add_argument("--out", type=Path, help="write what was heard to this WAV file")
    command.add_argument("--out-stereo", type=Path, help="write both sides: caller left, agent right")
    command.add_argument("--phone", default="", help="the caller's number")
    command.epilog = "For a call that lives: nexus call say|inject TENANT CALL TEXT, nexus call end TENANT CALL."


def _add_tenant(commands: Any) -> None:
    words = "make, check, list, suspend or delete tenants"
    tenant = commands.add_parser("tenant", help=words, description=words + ".").add_subparsers(required=True, metavar="ACTION")
    new = _add(tenant, "new", _tenant_new, "copy the template to a new tenant")
    new.add_argument("tenant", help="its id: a-z, 0-9, _ and -")
    check = _add(tenant, "check", _tenant_check, "name every fault of a tenant's config.yaml and tools.py")
    check.add_argument("tenant", nargs="?", help="all when left out")
    _add(tenant, "list", _tenant_list, "list the tenants of TENANTS_DIR")
    add_tenants(tenant, _administering)


def _add_lists(commands: Any) -> None:
    sessions = commands.add_parser("sessions", help="list or show finished calls").add_subparsers(required=True, metavar="ACTION")
    listed = _add(sessions, "list", _sessions_list, "finished calls, newest first")
    shown = _add(sessions, "show", _sessions_show, "one call: transcript, tools, lead")
    traced = _add(commands, "trace", _trace, "where the time of one call went: its trace as a waterfall")
    leads = commands.add_parser("leads", help="list or export what calls were worth").add_subparsers(required=True, metavar="ACTION")
    leads_listed = _add(leads, "list", _leads_list, "leads, newest first")
    for one in (listed, shown, traced, leads_listed):
        _server(one)
        one.add_argument("tenant")
    add_leads(leads, _administering)
    for one in (shown, traced):
        one.add_argument("call", help="the session's id, or 'last'")
    listed.add_argument("--status", default="", choices=get_args(RecordStatus), help="only calls that ended so")
    listed.add_argument(
        "--end-reason", default="", choices=[str(reason) for reason in EndReason], metavar="REASON", help="and for this reason"
    )
    for one in (listed, leads_listed):
        one.add_argument("--limit", default="20")


def _add_key(commands: Any) -> None:
    key = commands.add_parser("key", help="make, list, rotate or revoke API keys").add_subparsers(required=True, metavar="ACTION")
    new = _add(key, "new", _key_new, "make an API key of a tenant in DATA_DIR, and show it this once")
    new.add_argument("tenant")
    new.add_argument("scopes", nargs="+", metavar="SCOPE", help="what it may do (leads:read, calls:write …), or all")
    new.add_argument("--name", default="nexus key new", help="what it is called in the list")
    new.add_argument("--test", action="store_true", help="a key that touches test calls only")
    add_keys(key, _administering)


# --- commands ----------------------------------------------------------------------------------------------------------------


def _settings(options: argparse.Namespace | None = None) -> Settings:
    given = {name: getattr(options, name, None) for name in ("host", "port", "engine")}
    return load_settings(**{name: value for name, value in given.items() if value is not None})


def _url(options: argparse.Namespace) -> str:
    if options.url:
        return str(options.url)
    settings = _settings()
    return f"http://{'127.0.0.1' if settings.host in ('0.0.0.0', '::') else settings.host}:{settings.port}"  # noqa: S104


def _client(options: argparse.Namespace) -> Any:
    from local.client import ControlPlane

    return ControlPlane(_url(options), _settings().nexus_api_key.get_secret_value())


def _administering(name: str) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        from local.administration import COMMANDS

        with _client(options) as client:
            return COMMANDS[name](options, client, _console)

    return run


def _run(options: argparse.Namespace) -> int:
    from local.serve import make_env_file, serve

    make_env_file(Path())
    settings = _settings(options)
    set_up_logging(settings.log_level.value, settings.log_format.value)
    return asyncio.run(serve(settings, _console))


def _doctor(options: argparse.Namespace) -> int:
    from local.doctor import examine
    from local.show import findings_table

    findings = examine(_settings(), starting=False)
    _console.print(findings_table(findings))
    return 1 if any(finding.level == "fault" for finding in findings) else 0


def _call(options: argparse.Namespace) -> int:
    from local.dial import dial

    return asyncio.run(dial(options, _client(options), _console))


def _canary(options: argparse.Namespace) -> int:
    from local.canary import Errand, canary

    said = {"says": options.say} if options.say else {}
    key = _settings().nexus_api_key.get_secret_value()
    errand = Errand(_url(options), options.tenant, key, answer_s=options.answer_s, record_s=options.record_s, **said)
    return asyncio.run(canary(errand, _console))


def _simulate(options: argparse.Namespace) -> int:
    from local.simulate import simulate

    return simulate(_client(options), options.tenant, tuple(options.say), options.phone, _console)


def _sidecar(options: argparse.Namespace) -> int:
    from local.sidecar.process import serve_terminal

    set_up_logging("INFO", "COLOR")
    return asyncio.run(serve_terminal(options_of(options), options.count, _console))


def _query(options: argparse.Namespace) -> int:
    from local.query.command import query

    return query(options, _settings().data_dir, _console, _errors)


def _tenant_new(options: argparse.Namespace) -> int:
    from local.scaffold import new_tenant

    folder = new_tenant(_settings().tenants_dir, options.tenant)
    _console.print(
        f"[green]✓[/green] {folder} is live on the next call. Edit its config.yaml and tools.py, then:"
        f" {command_line()} tenant check {options.tenant}",
        soft_wrap=True,
        highlight=False,
    )
    return 0


def _tenant_check(options: argparse.Namespace) -> int:
    from local.scaffold import check_tenant, tenant_folders, tenant_warnings

    settings = _settings()
    faulty = False
    for folder in tenant_folders(settings.tenants_dir, options.tenant):
        faults = check_tenant(folder, settings)
        faulty = faulty or bool(faults)
        _console.print(f"[red]✗[/red] {folder.name}" if faults else f"[green]✓[/green] {folder.name}", highlight=False)
        for fault in faults:
            _console.print(f"    {fault}", highlight=False, markup=False, soft_wrap=True)
        for warning in tenant_warnings(folder):
            _console.print("    [yellow]![/yellow] ", end="", highlight=False)
            _console.print(warning, highlight=False, markup=False, soft_wrap=True)
    return 1 if faulty else 0


def _tenant_list(options: argparse.Namespace) -> int:
    from local.scaffold import tenant_folders
    from local.show import tenants_table

    _console.print(tenants_table(tenant_folders(_settings().tenants_dir, None)))
    return 0


def _key_new(options: argparse.Namespace) -> int:
    from local.first_key import new_key

    print(asyncio.run(new_key(_settings(), options.tenant, options.scopes, name=options.name, test=options.test)))
    return 0


def _sessions_list(options: argparse.Namespace) -> int:
    from local.show import sessions_table

    where = {"limit": options.limit, "status": options.status, "end_reason": options.end_reason}
    _console.print(sessions_table(_client(options).sessions.page(options.tenant, **where)["data"]))
    return 0


def _sessions_show(options: argparse.Namespace) -> int:
    from local.show import session_view

    session = _session(options)
    for part in session_view(session) if session else ():
        _console.print(part)
    return 0 if session else 1


def _trace(options: argparse.Namespace) -> int:
    from local.trace_view import spans_of, trace_view

    session = _session(options)
    for part in trace_view(spans_of(session), _console.width) if session else ():
        _console.print(part, highlight=False)
    return 0 if session else 1


def _session(options: argparse.Namespace) -> Any:
    """The session that is named, or the newest; None, and said so, where there is none yet."""
    client, call_id = _client(options), options.call
    if call_id == "last":
        newest = client.sessions.page(options.tenant, limit=1)["data"]
        if not newest:
            _console.print("No finished call yet.")
            return None
        call_id = newest[0]["id"]
    return client.sessions.get(options.tenant, call_id)


def _leads_list(options: argparse.Namespace) -> int:
    from local.show import leads_table

    _console.print(leads_table(_client(options).leads.page(options.tenant, limit=options.limit)["data"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
