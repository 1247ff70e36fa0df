"""Spans over OTLP/HTTP to any collector, in OpenTelemetry's own messages.

**Source:** OpenTelemetry Protocol specification 1.x, "OTLP/HTTP" (binary Protobuf, partial success); "OpenTelemetry Protocol Exporter"
(endpoint and headers).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from urllib.parse import unquote

import httpx2
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from nexus.domain.trace import AttributeValue, Span
from nexus.errors import Unavailable

DEADLINE_S = 3.0
MOST_ANSWER_BYTES = 64_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS = {
    "internal": trace_pb2.Span.SPAN_KIND_INTERNAL,
    "server": trace_pb2.Span.SPAN_KIND_SERVER,
    "consumer": trace_pb2.Span.SPAN_KIND_CONSUMER,
}


class OtlpTraces:
    """Implements ``TraceSink``. Redirects are not followed: headers may hold a key.

    Args:
        endpoint: the collector's base URL; spans go to ``/v1/traces`` under it.
        headers: as ``OTEL_EXPORTER_OTLP_HEADERS`` writes them (``api-key=...,x=y``, percent-encoded).
    """

    def __init__(self, endpoint: str, headers: str = "") -> None:
        self._url = f"{endpoint.rstrip('/')}/v1/traces"
        self._headers = {**read_headers(headers), "Content-Type": "application/x-protobuf"}

    async def export(self, spans: Sequence[Span]) -> None:
        """See ``TraceSink.export``: one request."""
        try:
            async with asyncio.timeout(DEADLINE_S), httpx2.AsyncClient(timeout=DEADLINE_S, follow_redirects=False) as http:
                status, body = await self._post(http, request_of(spans).SerializeToString())
        except TimeoutError as error:
            raise _refused(f"did not answer within {DEADLINE_S:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:  # the last: a header beyond ASCII
            raise _refused(f"cannot be reached ({type(error).__name__})") from error
        if status != 200:
            raise _refused(f"answered {status}")
        _check_all_taken(body)

    async def _post(self, http: httpx2.AsyncClient, body: bytes) -> tuple[int, bytes]:
        told = bytearray()
        async with http.stream("POST", self._url, headers=self._headers, content=body) as answer:
            async for piece in answer.aiter_bytes():
                told += piece
                if len(told) > MOST_ANSWER_BYTES:
                    raise _refused(f"answered more than {MOST_ANSWER_BYTES} bytes")
        return answer.status_code, bytes(told)


def read_headers(text: str) -> Mapping[str, str]:
    """``name=value,name=value`` with percent-encoded values. A part without a name is left out."""
    pairs = (part.partition("=") for part in text.split(","))
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs if name.strip()}


def request_of(spans: Sequence[Span]) -> ExportTraceServiceRequest:
    """The message that holds them, by service."""
    request = ExportTraceServiceRequest()
    scope = InstrumentationScope(name="nexus.trace")
    for service, own in groupby(sorted(spans, key=lambda span: span.service), key=lambda span: span.service):
        group = request.resource_spans.add(resource=Resource(attributes=_pairs({"service.name": service, "service.namespace": "nexus"})))
        group.scope_spans.add(scope=scope, spans=[_message(span) for span in own])
    return request


def _message(span: Span) -> trace_pb2.Span:
    failed = trace_pb2.Status(code=trace_pb2.Status.STATUS_CODE_ERROR, message=span.error) if span.error else None
    return trace_pb2.Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=_nanoseconds(span.start),
        end_time_unix_nano=_nanoseconds(span.end),
        attributes=_pairs(span.attributes),
        status=failed,
    )


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _pairs(attributes: Mapping[str, AttributeValue]) -> Iterator[KeyValue]:
    for name, value in attributes.items():
        yield KeyValue(key=name, value=_value(value))


def _value(value: AttributeValue) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)


def _check_all_taken(body: bytes) -> None:
    """A collector may take some spans only, and says so with a success. Raises Unavailable."""
    try:
        told = ExportTraceServiceResponse.FromString(body)
    except DecodeError:
        return  # it has taken them, and answers in words of its own
    if told.partial_success.rejected_spans:
        raise _refused(f"refused {told.partial_success.rejected_spans} spans")


def _refused(what: str) -> Unavailable:
    return Unavailable("store_unavailable", f"The collector of traces {what}: check OTEL_EXPORTER_OTLP_ENDPOINT and its headers.")
