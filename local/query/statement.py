"""What a question is before anybody answers it: one SELECT in Athena's words, its values filled in, its tables and tenants known. Pure.

**Source:** Athena User Guide, "Use dynamic ID partitioning": a table whose partition key is injected needs the key's values in the query.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from nexus.domain.ids import check_tenant_id
from nexus.errors import RequestRejected

DIALECT = "athena"
TENANT_TABLE = "sessions"
OPERATOR_TABLE = "sessions_all"
TENANT_COLUMN = "tenant_id"
_NO_TENANT = (
    f"CONSTRAINT_VIOLATION: For the injected projected partition column {TENANT_COLUMN}, the WHERE clause must contain only static equality"
    f" conditions, and at least one such condition must be present. Write WHERE {TENANT_COLUMN} = 'acme' beside every FROM {TENANT_TABLE}"
    f" (or WHERE {TENANT_COLUMN} = :{TENANT_COLUMN}, with --tenant acme), or ask {OPERATOR_TABLE} for all tenants."
)
_NAME = re.compile(r"[a-z_]+")
Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Question:
    """One statement that only reads.

    Attributes:
        text: as it is sent to Athena.
        tables: whose rows it reads; names that it makes up itself (WITH) are not among them.
        tenants: which tenants' rows of ``sessions`` it names; every reading of that table names some.
    """

    text: str
    tables: frozenset[str]
    tenants: frozenset[str]

    def for_duckdb(self) -> str:
        """The same in DuckDB's words."""
        return sqlglot.transpile(self.text, read=DIALECT, write="duckdb")[0]


def question(text: str, values: Mapping[str, Value]) -> Question:
    """Read a statement.

    Args:
        text: SQL of Athena; ``:name`` stands for a value.
        values: what stands for what.

    Raises:
        RequestRejected: ``invalid_request``; the message names what to change.
    """
    filled = _filled(text.strip().rstrip(";"), values)
    try:
        parsed = sqlglot.parse(filled, read=DIALECT)
        statement = parsed[0]
        if statement is None or len(parsed) != 1 or not _only_reads(statement):
            raise _wrong("One SELECT (or WITH ... SELECT) is asked at a time; nothing is written, changed, copied or attached.")
        scopes = traverse_scope(statement)
    except SqlglotError as error:
        raise _wrong(f"This is no SQL of Athena: {_told(error)}") from error
    tables = {table for scope in scopes for table in _tables(scope)}
    tenants = {tenant_id for scope in scopes for tenant_id in _tenants(scope)}
    for tenant_id in tenants:
        check_tenant_id(tenant_id)
    return Question(filled, frozenset(table.name.lower() for table in tables), frozenset(tenants))


def names_in(text: str) -> tuple[str, ...]:
    """The values that a statement waits for, each once, as they come."""
    return tuple(dict.fromkeys(name for name, _, _ in _waiting(text)))


def _filled(text: str, values: Mapping[str, Value]) -> str:
    for name, start, end in reversed([*_waiting(text)]):
        if name not in values:
            raise _wrong(f"The statement waits for :{name}; say --set {name}=... (or --tenant, --since, --until).")
        text = text[:start] + _literal(values[name]) + text[end:]
    return text


def _waiting(text: str) -> Iterator[tuple[str, int, int]]:
    try:
        tokens = sqlglot.tokenize(text, read=DIALECT)
    except SqlglotError as error:
        raise _wrong(f"This is no SQL of Athena: {_told(error)}") from error
    for colon, name in pairwise(tokens):
        if colon.text == ":" and colon.end + 1 == name.start and _NAME.fullmatch(text, name.start, name.end + 1):
            yield name.text, colon.start, name.end + 1


def _literal(value: Value) -> str:
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def _only_reads(parsed: exp.Expr) -> bool:
    if not isinstance(parsed, exp.Query):
        return False
    return all(isinstance(one, exp.Query) for one in parsed.find_all(exp.DML, exp.DDL, exp.Command, exp.Into))


def _tables(scope: Scope) -> Iterator[exp.Table]:
    for source in scope.sources.values():
        if isinstance(source, exp.Table):
            yield source


def _tenants(scope: Scope) -> Iterator[str]:
    """The tenants that a reading of ``sessions`` names, in its own WHERE or in what it is joined on."""
    for name, source in scope.sources.items():
        if not isinstance(source, exp.Table) or source.name.lower() != TENANT_TABLE:
            continue
        named = [*_named(scope.expression, name, alone=len(scope.sources) == 1)]
        if not named:
            raise _wrong(_NO_TENANT)
        yield from named


def _named(select: exp.Expr, source: str, *, alone: bool) -> Iterator[str]:
    where = select.args.get("where")
    for condition in _all_of(where.this) if where is not None else ():
        if isinstance(condition, exp.EQ):
            column, values = condition.this, [condition.expression]
            if _is_text(column):
                column, values = condition.expression, [condition.this]
        elif isinstance(condition, exp.In):
            column, values = condition.this, condition.expressions
        else:
            continue
        if _is_tenant(column, source, alone) and values and all(map(_is_text, values)):
            yield from (one.name for one in values)


def _all_of(condition: exp.Expr) -> Iterator[exp.Expr]:
    """What must all hold."""
    bare = condition.unnest()
    if isinstance(bare, exp.And):
        yield from (*_all_of(bare.this), *_all_of(bare.expression))
    else:
        yield bare


def _is_tenant(column: exp.Expr, source: str, alone: bool) -> bool:
    return (
        isinstance(column, exp.Column) and column.name.lower() == TENANT_COLUMN and (column.table == source or (alone and not column.table))
    )


def _is_text(value: exp.Expr) -> bool:
    return isinstance(value, exp.Literal) and value.is_string


def _told(error: SqlglotError) -> str:
    faults = getattr(error, "errors", None)
    if not faults:
        return str(error).splitlines()[0]
    first = faults[0]
    return f"line {first['line']}, column {first['col']}: {first['description']}"


def _wrong(message: str) -> RequestRejected:
    return RequestRejected("invalid_request", message)
