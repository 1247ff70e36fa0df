"""The words of ``nexus query`` and what they mean."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, date, datetime, timedelta

from local.query.saved import saved_question
from local.query.statement import OPERATOR_TABLE, TENANT_COLUMN, TENANT_TABLE, Question, Value, question
from nexus.domain.ids import check_tenant_id
from nexus.errors import RequestRejected

_DAYS = 30
_NAME = re.compile(r"[a-z_]+")
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Teach them to a parser."""
    parser.add_argument(
        "question", nargs="?", default="", help="a SELECT in Athena's SQL, or the name of a saved question; without it: all"
    )
    parser.add_argument("--tenant", default="", help="whose calls: stands for :tenant_id, and no other tenant may be named")
    parser.add_argument("--since", type=date.fromisoformat, metavar="DAY", help="first day (UTC), for :since; default: 30 days ago")
    parser.add_argument("--until", type=date.fromisoformat, metavar="DAY", help="last day (UTC), for :until; default: today")
    parser.add_argument("--zone", default="UTC", help="time zone for :zone (Asia/Jerusalem)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any other value, for :name (slot_hour_usd=1.86)")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--csv", action="store_true", help="print CSV instead of a table")
    shown.add_argument("--json", action="store_true", help="print JSON instead of a table")
    shown.add_argument("--show-sql", action="store_true", help="print the SQL that Athena would get, and ask nobody")
    parser.add_argument("--athena", action="store_true", help="ask Athena in AWS, with the credentials of the environment")
    parser.add_argument("--stage", default="dev", help="the deployed stage, which names workgroup and database")
    parser.add_argument("--workgroup", default="", help="Athena workgroup; default: the tenant's with --tenant, else the operator's")
    parser.add_argument("--database", default="", help="Glue database; default: the stage's")
    parser.add_argument("--region", default="", help="AWS region; default: the environment's")


def asked(words: argparse.Namespace) -> Question:
    """The statement that was asked for. Raises RequestRejected."""
    text = saved_question(words.question).text if _NAME.fullmatch(words.question) else words.question
    made = question(text, _values(words))
    strangers = made.tenants - {words.tenant}
    if words.tenant and strangers:
        raise RequestRejected("invalid_request", f"--tenant says {words.tenant}, the statement names {', '.join(sorted(strangers))} too.")
    if words.tenant and OPERATOR_TABLE in made.tables:
        told = f"--tenant says {words.tenant}, and {OPERATOR_TABLE} has every tenant's calls: ask {TENANT_TABLE}, or leave --tenant out."
        raise RequestRejected("invalid_request", told)
    return made


def _values(words: argparse.Namespace) -> dict[str, Value]:
    today = datetime.now(UTC).date()
    values: dict[str, Value] = {
        "since": (words.since or today - timedelta(days=_DAYS)).isoformat(),
        "until": (words.until or today).isoformat(),
        "zone": words.zone,
        "slot_hour_usd": None,
    }
    if words.tenant:
        values[TENANT_COLUMN] = check_tenant_id(words.tenant)
    for one in words.set:
        name, equals, value = one.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise RequestRejected("invalid_request", f"--set {one}: write --set name=value.")
        values[name] = float(value) if _NUMBER.fullmatch(value) else value or None
    return values
