"""Athena asked: typed rows, pages, refusals in its own words; whoever stops waiting stops the query too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from nexus.adapters.aws.athena import MOST_ROWS, Athena, AthenaPlace
from nexus.adapters.aws.connection import AwsPlace, Connection
from nexus.errors import RequestRejected, Unavailable
from tests.fakes.stepped_clock import SteppedClock

PLACE = AthenaPlace("analysts", "lake", deadline_ms=10_000.0)


class Service:
    """Athena's client, by a script: the states that a query goes through, and pages of results."""

    def __init__(self, states: Sequence[str] = ("SUCCEEDED",), pages: Sequence[Sequence[Sequence[str | None]]] = ((),)) -> None:
        self.states, self.pages = [*states], pages
        self.columns = [("n", "bigint")]
        self.reason = "SYNTAX_ERROR: line 1:8"
        self.failing: Exception | None = None
        self.asked: list[str] = []

    def start_query_execution(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(f"start {asked['QueryString']} in {asked['WorkGroup']}/{asked['QueryExecutionContext']['Database']}")
        if self.failing:
            raise self.failing
        return {"QueryExecutionId": "q1"}

    def get_query_execution(self, **asked: Any) -> dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        told = {"DataScannedInBytes": 4096, "TotalExecutionTimeInMillis": 900}
        return {"QueryExecution": {"Status": {"State": state, "StateChangeReason": self.reason}, "Statistics": told}}

    def stop_query_execution(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(f"stop {asked['QueryExecutionId']}")
        if self.failing:
            raise self.failing
        return {}

    def get_query_results(self, **asked: Any) -> dict[str, Any]:
        number = int(asked.get("NextToken", "0"))
        names = [[name for name, _ in self.columns]] if number == 0 else []
        rows = [{"Data": [{} if one is None else {"VarCharValue": one} for one in row]} for row in [*names, *self.pages[number]]]
        described = [{"Name": name, "Type": kind} for name, kind in self.columns]
        more = {"NextToken": str(number + 1)} if number + 1 < len(self.pages) else {}
        return {"ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": described}}, **more}


class Line(Connection):
    """A connection that ends at ``service``, in this thread."""

    def __init__(self, service: Service) -> None:
        super().__init__(AwsPlace(table="", bucket="", workers=1))
        self.service = service

    def client(self, service: str, **more: Any) -> Any:
        assert service == "athena"
        return self.service

    async def send(self, request: Callable[[], Any]) -> Any:
        return request()


def refused(code: str, message: str = "told") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "StartQueryExecution")


async def test_rows_come_as_values_of_their_types() -> None:
    service = Service(pages=[[["7", "1.5", "2.25", "true", "2026-11-21", "2026-11-21 12:00:00.250", "x", None]]])
    kinds = ("bigint", "double", "decimal(10,2)", "boolean", "date", "timestamp", "varchar", "integer")
    service.columns = [(kind[:3], kind) for kind in kinds]
    answer = await Athena(Line(service), PLACE, SteppedClock()).ask("SELECT 1")
    moment = datetime.fromisoformat("2026-11-21T12:00:00.250")
    assert answer.rows == ((7, 1.5, Decimal("2.25"), True, date(2026, 11, 21), moment, "x", None),)
    assert answer.columns == ("big", "dou", "dec", "boo", "dat", "tim", "var", "int")
    assert (answer.scanned_bytes, answer.took_ms) == (4096, 900.0)
    assert service.asked == ["start SELECT 1 in analysts/lake"]


async def test_pages_are_read_to_the_end_and_the_names_only_once() -> None:
    service = Service(pages=[[["1"], ["2"]], [["3"]], []])
    assert (await Athena(Line(service), PLACE, SteppedClock()).ask("SELECT 1")).rows == ((1,), (2,), (3,))


async def test_more_rows_than_anybody_reads_are_refused() -> None:
    service = Service(pages=[[["1"]] * (MOST_ROWS + 1)])
    with pytest.raises(RequestRejected, match="write LIMIT"):
        await Athena(Line(service), PLACE, SteppedClock()).ask("SELECT 1")


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
async def test_what_athena_says_against_a_query_is_told(state: str) -> None:
    with pytest.raises(RequestRejected, match="Athena: SYNTAX_ERROR: line 1:8"):
        await Athena(Line(Service([state])), PLACE, SteppedClock()).ask("SELECT 1")


async def test_waiting_grows_longer_and_ends_at_the_deadline_with_the_query_stopped() -> None:
    service, clock = Service(["QUEUED", "RUNNING"]), SteppedClock()
    asking = asyncio.create_task(Athena(Line(service), PLACE, clock).ask("SELECT 1"))
    await clock.advance(9_000)
    assert not asking.done()
    await clock.advance(3_000)
    with pytest.raises(Unavailable, match="within 10 s; ask for fewer days"):
        await asking
    assert service.asked[-1] == "stop q1"


async def test_whoever_goes_away_stops_the_query_too() -> None:
    service, clock = Service(["RUNNING"]), SteppedClock()
    asking = asyncio.create_task(Athena(Line(service), PLACE, clock).ask("SELECT 1"))
    await clock.advance(1_000)
    service.failing = refused("ThrottlingException")  # a stop that fails hides nothing
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert service.asked[-1] == "stop q1"


@pytest.mark.parametrize(
    ("fault", "kind", "told"),
    [
        (refused("AccessDeniedException"), Unavailable, "refuses this role .*workgroup analysts"),
        (refused("InvalidRequestException", "WorkGroup is not found"), RequestRejected, "WorkGroup is not found"),
        (refused("TooManyRequestsException"), Unavailable, "try again"),
        (EndpointConnectionError(endpoint_url="x"), Unavailable, "cannot be reached"),
    ],
)
async def test_refusals_are_told_in_our_words(fault: Exception, kind: type[Exception], told: str) -> None:
    service = Service()
    service.failing = fault
    with pytest.raises(kind, match=told):
        await Athena(Line(service), PLACE, SteppedClock()).ask("SELECT 1")
    assert len(service.asked) == 1, "what never began is not stopped"
