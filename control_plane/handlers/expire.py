"""The function that deletes private transcripts and recordings whose time is over, every hour."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from control_plane.handlers.foundations import foundations
from control_plane.handlers.running import run, started
from control_plane.handlers.telemetry import telemetry

logger, metrics = telemetry("expire")
_stands_on = foundations()
started()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """How many were deleted."""
    deleted = run(_stands_on.stores.archive.delete_expired(_stands_on.clock.now()))
    metrics.add_metric("TranscriptsDeleted", MetricUnit.Count, deleted)
    recordings = run(_stands_on.stores.recordings.delete_expired(_stands_on.clock.now()))
    metrics.add_metric("RecordingsDeleted", MetricUnit.Count, recordings)
    return {"deleted": deleted, "recordings": recordings}
