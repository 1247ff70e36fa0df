"""Every keeper of traces: a call and what came after it are one trace; what is not taken is said. Decoded by the makers' own libraries."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from control_plane.ports import TraceSink
from nexus.adapters.aws.connection import AwsPlace, Connection
from nexus.adapters.aws.xray import MOST_BYTES, XRayTraces, documents, xray_id
from nexus.adapters.otlp import OtlpTraces, read_headers
from nexus.domain.call_spans import call_spans, lead_span
from nexus.domain.session import RecordedError, SessionRecord, StageTimes, ToolUse, Turn
from nexus.domain.trace import Span, trace_id_of
from nexus.errors import Unavailable
from tests.aws import REGION, client
from tests.fakes.stored import NOON, analysis, call_id, record
from tests.fakes.webhook_receiver import Receiver, receiver


@dataclass(frozen=True, slots=True)
class Kept:
    """A span as its keeper has it."""

    name: str
    service: str
    parent_id: str
    start: float
    end: float
    error: bool


Look = Callable[[str], Awaitable[dict[str, Kept]]]


def a_call(number: int = 1, *, turns: int = 3) -> SessionRecord:
    stages = StageTimes(silence_wait=200, stt=100, dialogue=300, first_sentence=40, transport=10, e2e=650)
    spoken = tuple(
        Turn(
            i=i,
            role="agent" if i % 2 else "caller",
            start_ms=1_000.0 * i,
            end_ms=1_000.0 * i + 900,
            text="x",
            heard_text="x",
            stages=stages,
        )
        for i in range(turns)
    )
    failed = ToolUse(request_id="r1", name="book", turn=1, status="failed", error_code="tool_timeout", started_ms=900, duration_ms=80.5)
    error = RecordedError(code="engine_lost", stage="engine", message="gone")
    return record(number).model_copy(update={"turns": spoken, "tools": (failed,), "status": "failed", "error": error})


def expected(spans: Sequence[Span]) -> dict[str, Kept]:
    return {
        one.span_id: Kept(one.name, one.service, one.parent_id, one.start.timestamp(), one.end.timestamp(), bool(one.error))
        for one in spans
    }


@pytest.fixture(params=["otlp", "xray"])
async def keeper(request: pytest.FixtureRequest) -> AsyncIterator[tuple[TraceSink, Look]]:
    if request.param == "otlp":
        async with receiver(default_status=200) as collector:

            async def taken(trace_id: str) -> dict[str, Kept]:
                return _from_collector(collector, trace_id)

            yield OtlpTraces(collector.url), taken
    else:
        request.getfixturevalue("moto")
        connection = Connection(AwsPlace(table="", bucket="", region=REGION, workers=1))

        async def stored(trace_id: str) -> dict[str, Kept]:
            (found,) = client("xray", "").batch_get_traces(TraceIds=[xray_id(trace_id)])["Traces"]
            return {id: kept for one in found["Segments"] for id, kept in _from_document(json.loads(one["Document"]))}

        yield XRayTraces(connection), stored
        connection.close()


def _from_collector(collector: Receiver, trace_id: str) -> dict[str, Kept]:
    found = {}
    for _, _, body in collector.requests:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = {one.key: one.value.string_value for one in group.resource.attributes}["service.name"]
            for span in (one for scope in group.scope_spans for one in scope.spans if one.trace_id.hex() == trace_id):
                failed = span.status.code == Status.STATUS_CODE_ERROR
                times = (span.start_time_unix_nano / 1e9, span.end_time_unix_nano / 1e9)
                found[span.span_id.hex()] = Kept(span.name, service, span.parent_span_id.hex(), *times, failed)
    return found


def _from_document(told: dict[str, Any], service: str = "", parent_id: str = "") -> Any:
    """A document and what is inside it. A subsegment that stands alone is of the service around it, which all of these are."""
    service = service or ("nexus-media" if told.get("type") == "subsegment" else told["name"])
    metadata = told.get("metadata", {}).get("nexus", {})
    kept = Kept(
        metadata.get("span", told["name"]),
        service,
        told.get("parent_id", parent_id),
        told["start_time"],
        told["end_time"],
        told.get("fault", False),
    )
    yield told["id"], kept
    for one in told.get("subsegments", ()):
        yield from _from_document(one, service, told["id"])


async def test_a_call_and_its_reading_are_one_trace(keeper: tuple[TraceSink, Look]) -> None:
    sink, look = keeper
    before, after = call_spans(a_call()), lead_span(analysis(1))
    await sink.export(before)
    await sink.export((after,))
    found, wanted = await look(trace_id_of(call_id(1))), expected((*before, after))
    assert found.keys() == wanted.keys()
    for id, one in wanted.items():
        told = found[id]
        assert (told.name, told.service, told.parent_id, told.error) == (one.name, one.service, one.parent_id, one.error)
        assert (told.start, told.end) == (pytest.approx(one.start, abs=2e-6), pytest.approx(one.end, abs=2e-6)), "whole microseconds"


async def test_handed_over_again_it_is_the_same(keeper: tuple[TraceSink, Look]) -> None:
    sink, look = keeper
    spans = call_spans(a_call(2))
    await sink.export(spans)
    await sink.export(spans)
    assert (await look(trace_id_of(call_id(2)))).keys() == expected(spans).keys()


async def test_the_longest_call_is_taken_whole(keeper: tuple[TraceSink, Look]) -> None:
    sink, look = keeper
    spans = call_spans(a_call(3, turns=700))
    assert len(spans) == 1_000
    await sink.export(spans)
    assert (await look(trace_id_of(call_id(3)))).keys() == expected(spans).keys()


# --- OTLP --------------------------------------------------------------------------------------------------------------------


async def test_the_collector_is_told_as_the_specification_says() -> None:
    async with receiver(default_status=200) as collector:
        await OtlpTraces(collector.url, "api-key=s%20e%2Ccret, x=y").export(call_spans(a_call()))
    ((first, headers, body),) = collector.requests
    assert first == "POST /hooks/v1/traces HTTP/1.1"
    assert (headers["content-type"], headers["api-key"], headers["x"]) == ("application/x-protobuf", "s e,cret", "y")
    told = ExportTraceServiceRequest.FromString(body)
    spans = [span for group in told.resource_spans for scope in group.scope_spans for span in scope.spans]
    (tool,) = [span for span in spans if span.name == "execute_tool book"]
    values = {one.key: one.value for one in tool.attributes}
    assert values["error.type"].string_value == tool.status.message == "tool_timeout"
    assert values["nexus.tool.attempts"].int_value == 1
    (session,) = [span for span in spans if span.name == "session"]
    assert {one.key: one.value.WhichOneof("value") for one in session.attributes}["nexus.test"] == "bool_value"
    assert tool.start_time_unix_nano == int(datetime.timestamp(NOON)) * 10**9 + 900_000_000


@pytest.mark.parametrize("status", [301, 401, 429, 500])
async def test_a_refusal_is_told_and_no_key_goes_elsewhere(status: int) -> None:
    async with receiver(statuses=[status], extra="Location: http://127.0.0.1:1/\r\n") as collector:
        with pytest.raises(Unavailable, match=f"answered {status}"):
            await OtlpTraces(collector.url, "api-key=secret").export(call_spans(a_call()))


async def test_a_collector_that_takes_some_only() -> None:
    some = ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=2)).SerializeToString()
    async with receiver(default_status=200, body=some) as collector:
        with pytest.raises(Unavailable, match="refused 2 spans"):
            await OtlpTraces(collector.url).export(call_spans(a_call()))


async def test_a_collector_that_answers_in_words_of_its_own_has_taken_them() -> None:
    async with receiver(default_status=200, body=b'{"ok": true}') as collector:
        await OtlpTraces(collector.url).export(call_spans(a_call()))


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "http://["])
async def test_where_nobody_listens(endpoint: str) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        await OtlpTraces(endpoint).export(call_spans(a_call()))


def test_headers_without_names_are_left_out() -> None:
    assert read_headers("") == {} and read_headers(" a = b=c ,=x,,d") == {"a": "b=c", "d": ""}


# --- X-Ray -------------------------------------------------------------------------------------------------------------------


def test_a_usual_call_is_two_documents_and_each_is_found_by_call_and_tenant() -> None:
    call, session = sorted((json.loads(one) for one in documents(call_spans(a_call()))), key=lambda told: str(told["name"]))
    assert (call["name"], session["name"], session["parent_id"]) == ("nexus-api", "nexus-media", call["id"])
    assert call["annotations"] == {
        "session_id": call_id(1),
        "tenant_id": "barber",
        "engine": "scripted",
        "config_version": 0,
        "call_end_reason": "caller_hangup",
        "error_type": "engine_lost",
    }


def test_no_document_of_the_longest_call_is_too_large_nor_the_whole() -> None:
    told = [*documents(call_spans(a_call(turns=700)))]
    assert max(len(one.encode()) for one in told) <= MOST_BYTES
    assert sum(len(one.encode()) for one in told) < 450_000


async def test_what_xray_does_not_take_is_told() -> None:
    """X-Ray answers with success, and lists them."""

    class Full(Connection):
        async def send(self, request: Any) -> Any:
            return {"UnprocessedTraceSegments": [{"Id": "1", "ErrorCode": "Throttled"}]}

    with pytest.raises(Unavailable, match="refused 1 of 2"):
        await XRayTraces(Full(AwsPlace(table="", bucket="", region=REGION))).export(call_spans(a_call()))


@pytest.mark.parametrize("headers", ["api-key=schl\u00fcssel", "k\u00e9=1", "api-key=a%0Ab"])
async def test_headers_that_cannot_be_sent_are_a_refusal_too(headers: str) -> None:
    async with receiver(default_status=200) as collector:
        with pytest.raises(Unavailable, match="check OTEL_EXPORTER_OTLP_ENDPOINT and its headers"):
            await OtlpTraces(collector.url, headers).export(call_spans(a_call()))
    assert collector.requests == []
