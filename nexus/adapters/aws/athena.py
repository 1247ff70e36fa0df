"""Questions to Athena: started, waited for, read page by page, and stopped when nobody waits any more."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from nexus.adapters.aws.connection import NO_RIGHT, Connection, code_of
from nexus.clock import Clock
from nexus.errors import NexusError, RequestRejected, Unavailable

FIRST_POLL_MS = 200.0
LONGEST_POLL_MS = 2_000.0
MOST_ROWS = 100_000
_WAITING = ("QUEUED", "RUNNING")
_PAGE = 1000

_READERS: dict[str, Callable[[str], Any]] = {
    "tinyint": int,
    "smallint": int,
    "integer": int,
    "bigint": int,
    "float": float,
    "real": float,
    "double": float,
    "decimal": Decimal,
    "boolean": lambda text: text == "true",
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
}
"""Athena answers in texts; whatever is not here stays one."""


@dataclass(frozen=True, slots=True)
class AthenaPlace:
    """Where to ask, and how long to wait for an answer."""

    workgroup: str
    database: str
    deadline_ms: float = 300_000.0


@dataclass(frozen=True, slots=True)
class AthenaAnswer:
    """Rows as Python values, and what Athena says they took."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    scanned_bytes: int
    took_ms: float


class Athena:
    """One workgroup and database.

    Args:
        connection: how AWS is asked; its table and bucket play no part.
        place: where.
        clock: what waiting goes by.
    """

    def __init__(self, connection: Connection, place: AthenaPlace, clock: Clock) -> None:
        self._connection = connection
        self._place = place
        self._clock = clock

    async def ask(self, text: str) -> AthenaAnswer:
        """Run one statement. Cancelled or too late, it is stopped in Athena too.

        Raises:
            RequestRejected: Athena refuses the statement, or cancels it (it read more than the workgroup allows); its own words are told.
            Unavailable: Athena refuses us, cannot be reached, or did not end within the deadline.
        """
        context = {"Database": self._place.database}
        started = await self._send(
            "start_query_execution", QueryString=text, WorkGroup=self._place.workgroup, QueryExecutionContext=context
        )
        query_id = started["QueryExecutionId"]
        ended = False
        try:
            execution = await self._ended(query_id)
            ended = True
        finally:
            if not ended:
                with suppress(NexusError):  # what went wrong first is told
                    await self._send("stop_query_execution", QueryExecutionId=query_id)
        if execution["Status"]["State"] != "SUCCEEDED":
            reason = execution["Status"].get("StateChangeReason", execution["Status"]["State"])
            raise RequestRejected("invalid_request", f"Athena: {reason}")
        columns, rows = await self._rows(query_id)
        told = execution.get("Statistics", {})
        return AthenaAnswer(columns, rows, int(told.get("DataScannedInBytes", 0)), float(told.get("TotalExecutionTimeInMillis", 0)))

    async def _ended(self, query_id: str) -> dict[str, Any]:
        began_ms, pause_ms = self._clock.monotonic_ms(), FIRST_POLL_MS
        while True:
            execution: dict[str, Any] = (await self._send("get_query_execution", QueryExecutionId=query_id))["QueryExecution"]
            if execution["Status"]["State"] not in _WAITING:
                return execution
            if self._clock.monotonic_ms() - began_ms >= self._place.deadline_ms:
                raise Unavailable(
                    "store_unavailable", f"Athena did not answer within {self._place.deadline_ms / 1000:g} s; ask for fewer days."
                )
            await self._clock.sleep_ms(pause_ms)
            pause_ms = min(pause_ms * 1.5, LONGEST_POLL_MS)

    async def _rows(self, query_id: str) -> tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]:
        rows: list[tuple[Any, ...]] = []
        more: dict[str, str] = {}
        while True:
            page = await self._send("get_query_results", QueryExecutionId=query_id, MaxResults=_PAGE, **more)
            described = page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
            kinds = [str(one["Type"]).partition("(")[0] for one in described]
            came = page["ResultSet"]["Rows"]
            rows += [_values(one["Data"], kinds) for one in (came if more else came[1:])]  # the first row of all are names
            if len(rows) > MOST_ROWS:
                raise RequestRejected("invalid_request", f"More than {MOST_ROWS:,} rows; write LIMIT, or read the result file in S3.")
            if not page.get("NextToken"):
                return tuple(one["Name"] for one in described), tuple(rows)
            more = {"NextToken": page["NextToken"]}

    async def _send(self, action: str, **arguments: Any) -> dict[str, Any]:
        return await self._connection.send(partial(self._request, action, arguments))

    def _request(self, action: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._connection.client("athena"), action)(**arguments)
        except ClientError as error:
            raise self._refusal(error) from error
        except BotoCoreError as error:
            raise Unavailable(
                "store_unavailable", f"Athena cannot be reached ({type(error).__name__}): check region and credentials."
            ) from error
        return answer

    def _refusal(self, error: ClientError) -> Exception:
        code, where = code_of(error), f"workgroup {self._place.workgroup}, database {self._place.database}"
        if code in NO_RIGHT:
            return Unavailable("store_unavailable", f"AWS refuses this role ({code}; {where}): take the role of that workgroup's analysts.")
        if code == "InvalidRequestException":
            return RequestRejected("invalid_request", f"Athena ({where}): {error.response['Error'].get('Message', code)}")
        return Unavailable("store_unavailable", f"Athena could not do it just now ({code}; {where}); try again.")


def _values(data: list[dict[str, str]], kinds: list[str]) -> tuple[Any, ...]:
    return tuple(_read(one.get("VarCharValue"), kind) for one, kind in zip(data, kinds, strict=True))


def _read(text: str | None, kind: str) -> Any:
    return None if text is None else _READERS.get(kind, str)(text)
