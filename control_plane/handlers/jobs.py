"""The function that carries on the jobs (deleting a tenant), every minute."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from control_plane.handlers.composition import control_plane
from control_plane.handlers.foundations import foundations
from control_plane.handlers.running import run, started
from control_plane.handlers.telemetry import telemetry

logger, metrics = telemetry("jobs")
_jobs = control_plane(foundations()).jobs
started()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """How many jobs are still open."""
    left = run(_jobs.run_open())
    metrics.add_metric("OpenJobs", MetricUnit.Count, left)
    return {"open": left}
