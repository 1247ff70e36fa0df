"""The function of the REST API, behind an HTTP API (payload version 2.0)."""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit, single_metric
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from control_plane.api.app import build_app
from control_plane.handlers.composition import control_plane
from control_plane.handlers.foundations import foundations
from control_plane.handlers.running import started
from control_plane.handlers.telemetry import NAMESPACE, telemetry
from nexus.errors import HTTP_STATUS

logger, metrics = telemetry("api")
_app = build_app(control_plane(foundations("ticket_private_key", "cursors", "api_keys", "seal")).services, lazily=True)
_served = Mangum(_app, lifespan="off", text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"])
started()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One request."""
    answer = _served(event, context)
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    metrics.add_metric("Faults", MetricUnit.Count, int(answer["statusCode"] >= 500))
    if answer["statusCode"] >= 400:
        _count(_code_in(answer))
    return answer


def _count(code: str) -> None:
    """One refusal or failure by its code: one of a closed list, never of a tenant."""
    with single_metric(name="Errors", unit=MetricUnit.Count, value=1, namespace=NAMESPACE, default_dimensions={"service": "api"}) as metric:
        metric.add_dimension("Code", code)


def _code_in(answer: dict[str, Any]) -> str:
    """The code of a problem document; what is none of ours is ``other``."""
    try:
        code = str(json.loads(answer["body"])["code"])
    except (ValueError, KeyError, TypeError):
        code = ""
    return code if code in HTTP_STATUS else "other"
