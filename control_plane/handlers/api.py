"""The function of the REST API, behind an HTTP API (payload version 2.0)."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from control_plane.api.app import build_app
from control_plane.handlers.composition import control_plane
from control_plane.handlers.foundations import foundations
from control_plane.handlers.running import started
from control_plane.handlers.telemetry import telemetry

logger, metrics = telemetry("api")
_app = build_app(control_plane(foundations()).services, lazily=True)
_served = Mangum(_app, lifespan="off", text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"])
started()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One request."""
    answer = _served(event, context)
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    metrics.add_metric("Faults", MetricUnit.Count, int(answer["statusCode"] >= 500))
    return answer
