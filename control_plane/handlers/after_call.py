"""The function that finishes calls: S3 object, EventBridge, SQS, here. A batch gives back only the messages that must come again."""

from __future__ import annotations

import asyncio
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from control_plane.handlers.call_messages import calls_of
from control_plane.handlers.composition import control_plane
from control_plane.handlers.foundations import foundations
from control_plane.handlers.running import run, started
from control_plane.handlers.telemetry import telemetry
from nexus.errors import NexusError, NotFound

logger, metrics = telemetry("after_call")
_stands_on = foundations("gemini_api_key")
_plane = control_plane(_stands_on, reads_calls=True)
started()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One batch of SQS (the event source reports item failures)."""
    returned = run(_batch(event["Records"]))
    metrics.add_metric("Messages", MetricUnit.Count, len(event["Records"]))
    metrics.add_metric("MessagesReturned", MetricUnit.Count, len(returned))
    if dropped := _plane.traces.take_dropped():
        metrics.add_metric("SpansDropped", MetricUnit.Count, dropped)
    return {"batchItemFailures": [{"itemIdentifier": one} for one in returned]}


async def _batch(messages: list[dict[str, Any]]) -> list[str]:
    """All at once: a batch is at most ten, and each waits for a model most of the time."""
    done = await asyncio.gather(*(_one(message) for message in messages))
    return [message["messageId"] for message, good in zip(messages, done, strict=True) if not good]


async def _one(message: dict[str, Any]) -> bool:
    """Whether the message is done with. The last time that it comes, a fault that may pass is final: it leaves a failed item."""
    try:
        last = int(message["attributes"]["ApproximateReceiveCount"]) >= _stands_on.environment.nexus_max_receives
        for call in calls_of(message["body"], _stands_on.environment.nexus_bucket):
            await _finished(call.tenant_id, call.call_id, last)
    except NexusError as error:
        logger.error("message %s goes back: %s", message.get("messageId"), error)
        return False
    except Exception:  # the supervised border: a defect met by one message must not take the others of its batch along
        logger.exception("message %s broke", message.get("messageId"))
        return False
    return True


async def _finished(tenant_id: str, call_id: str, last: bool) -> None:
    try:
        await _plane.after_call.finish(tenant_id, call_id, last_attempt=last)
    except NotFound:
        logger.warning("call %s is gone: its tenant was deleted since", call_id)
