"""The Parquet files of this machine, asked by DuckDB, which can reach nothing else of it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from local.query.answer import Answer
from local.query.statement import OPERATOR_TABLE, TENANT_TABLE, Question
from nexus.errors import NotFound, RequestRejected

_TABLES = frozenset((TENANT_TABLE, OPERATOR_TABLE))
_COLUMNS = """CREATE VIEW {table} AS SELECT * REPLACE (
    CAST(dt AS VARCHAR) AS dt,
    created_at AT TIME ZONE 'UTC' AS created_at,
    connected_at AT TIME ZONE 'UTC' AS connected_at,
    first_audio_at AT TIME ZONE 'UTC' AS first_audio_at,
    ended_at AT TIME ZONE 'UTC' AS ended_at,
    analyzed_at AT TIME ZONE 'UTC' AS analyzed_at
) FROM read_parquet([{files}], hive_partitioning = false, union_by_name = true)"""
"""As Athena shows them: times are UTC without saying so, a day is text."""


@dataclass(frozen=True, slots=True)
class LocalLake:
    """The folder that ``ParquetAnalyticsSink`` writes to: ``tenant_id=.../dt=.../<call>.parquet``."""

    folder: Path

    def ask(self, question: Question) -> Answer:
        """Answer a question from the files of the tenants that it names, or from all where it asks ``sessions_all``.

        Raises:
            RequestRejected: a table that is not here, or what DuckDB says of the statement.
            NotFound: nothing was written yet.
        """
        unknown = question.tables - _TABLES
        if unknown:
            named = ", ".join(sorted(unknown - {""})) or "a table function"
            raise RequestRejected("invalid_request", f"The tables here are {TENANT_TABLE} and {OPERATOR_TABLE}; {named} is not known.")
        started = time.perf_counter()
        try:
            with _database() as database:
                files = self._open(database, question)
                cursor = database.execute(question.for_duckdb())
                columns = tuple(one[0] for one in cursor.description or ())
                rows = tuple(cursor.fetchall())
        except duckdb.Error as error:
            raise RequestRejected("invalid_request", f"DuckDB cannot answer that: {str(error).splitlines()[0]}") from error
        size = sum(path.stat().st_size for path in files)
        return Answer(columns, rows, f"{len(files)} files, at most {size:,} bytes read in {time.perf_counter() - started:.2f} s")

    def _open(self, database: duckdb.DuckDBPyConnection, question: Question) -> list[Path]:
        """Make the tables that are asked for; after that no file is read but theirs, and no setting can be changed."""
        opened: list[Path] = []
        for table in sorted(question.tables):
            folders = [self.folder] if table == OPERATOR_TABLE else [self.folder / f"tenant_id={one}" for one in sorted(question.tenants)]
            files = sorted(path for folder in folders for path in folder.rglob("*.parquet"))
            if not files:
                raise NotFound(
                    "session_not_found",
                    f"No finished call is written below {', '.join(map(str, folders))} yet; make one, or look at DATA_DIR.",
                )
            database.execute(_COLUMNS.format(table=table, files=_quoted(files)))
            opened += files
        database.execute(f"SET allowed_paths = [{_quoted(opened)}]")
        for setting in ("enable_external_access = false", "lock_configuration = true"):
            database.execute(f"SET {setting}")
        return opened


def _database() -> duckdb.DuckDBPyConnection:
    options: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
        "threads": 2,
    }
    database = duckdb.connect(":memory:", config=options)
    database.execute("SET TimeZone = 'UTC'")
    return database


def _quoted(paths: Iterable[Path]) -> str:
    return ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
