"""Analytics rows as Parquet files on this machine: ``analytics/sessions/tenant_id=…/dt=…/<call>.parquet``."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import duckdb

from nexus.domain.analytics import AnalyticsRow
from nexus.domain.ids import check_call_id, check_tenant_id
from nexus.errors import Unavailable

_SQL_TYPES = {datetime: "TIMESTAMPTZ", date: "DATE", bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE"}


def _sql_type(annotation: Any) -> str:
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(one for one in get_args(annotation) if one is not NoneType)
    return _SQL_TYPES.get(annotation, "VARCHAR")


COLUMNS = {name: _sql_type(field.annotation) for name, field in AnalyticsRow.model_fields.items()}
"""The columns of every file, with their SQL types: exactly the fields of the row."""


class ParquetAnalyticsSink:
    """One small file a call, so that a call's row is replaced as one and a half-written file is never read.

    Args:
        folder: made when the first row is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, row: AnalyticsRow) -> None:
        """See ``AnalyticsSink.put``. An older reading never replaces a newer one: readings of a call are made one after another."""
        try:
            await asyncio.to_thread(self._write, row)
        except (OSError, duckdb.IOException) as error:
            raise Unavailable("store_unavailable", "The analytics row cannot be written; look at the disk under DATA_DIR.") from error

    async def erase_tenant(self, tenant_id: str) -> bool:
        """Remove every file of a tenant."""
        try:
            await asyncio.to_thread(shutil.rmtree, self._of_tenant(tenant_id), ignore_errors=False)
        except FileNotFoundError:
            return True
        except OSError as error:
            raise Unavailable("store_unavailable", "The tenant's analytics rows cannot be deleted; look at the disk.") from error
        return True

    def _write(self, row: AnalyticsRow) -> None:
        target = self._of_tenant(row.tenant_id) / f"dt={row.dt.isoformat()}" / f"{check_call_id(row.call_id)}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=self._folder) as scratch:
            made = Path(scratch) / "row.parquet"
            _write_parquet(row, made)
            made.chmod(0o600)
            made.replace(target)

    def _of_tenant(self, tenant_id: str) -> Path:
        return self._folder / f"tenant_id={check_tenant_id(tenant_id)}"


def _write_parquet(row: AnalyticsRow, path: Path) -> None:
    values = [_plain(getattr(row, name)) for name in COLUMNS]
    columns = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
    # A connection of its own: DuckDB's are not shared between threads. Nothing is fetched from anywhere.
    options: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": False, "threads": 1}
    with duckdb.connect(":memory:", config=options) as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(f"CREATE TABLE sessions ({columns})")
        database.execute(f"INSERT INTO sessions VALUES ({', '.join('?' for _ in values)})", values)  # noqa: S608 (question marks)
        quoted = str(path).replace("'", "''")
        database.execute(f"COPY sessions TO '{quoted}' (FORMAT parquet, COMPRESSION zstd)")


def _plain(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else str(value) if isinstance(value, str) else value
