"""The function that places a test call every few minutes and tells how it went, in figures and in one line of the log."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from control_plane.handlers.running import run, started
from control_plane.handlers.telemetry import telemetry
from nexus.adapters.aws.secret import read_text
from nexus.adapters.canary import Errand, Outcome, try_call
from nexus.errors import ConfigurationError

NAMESPACE = "Nexus/Canary"
logger, metrics = telemetry("canary")
metrics.namespace = NAMESPACE
started()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """How it went. Raises ConfigurationError: nothing can be tried; the function's errors are an alarm too."""
    outcome = run(try_call(_errand()))
    metrics.add_metric("Success", MetricUnit.Count, int(outcome.well))
    for name, value in (("AnswerMs", outcome.answer_ms), ("RecordMs", outcome.record_ms)):
        if value is not None:
            metrics.add_metric(name, MetricUnit.Milliseconds, round(value))
    _say(outcome)
    return {"call": outcome.call_id, "failed": outcome.failed}


def _errand() -> Errand:
    named = {name: os.environ.get(name, "") for name in ("NEXUS_CANARY_URL", "NEXUS_CANARY_TENANT", "NEXUS_CANARY_KEY_SECRET")}
    if missing := [name for name, value in named.items() if not value]:
        raise ConfigurationError("setting_invalid", f"The function's environment lacks {', '.join(missing)}.")
    url, tenant_id, secret = named.values()
    # Read each time: a key that was rotated counts at once.
    return Errand(url, tenant_id, read_text(secret))


def _say(outcome: Outcome) -> None:
    if outcome.well:
        logger.info("the test call went well: answer after %.0f ms", outcome.answer_ms or 0.0, extra={"call": outcome.call_id})
    else:
        logger.error("the test call failed at %s: %s", outcome.failed, outcome.why, extra={"call": outcome.call_id})
