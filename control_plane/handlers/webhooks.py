"""The function that delivers webhooks whose time has come, every minute or when it is invoked."""

from __future__ import annotations

import asyncio
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from control_plane.handlers.composition import control_plane
from control_plane.handlers.foundations import foundations
from control_plane.handlers.running import run, started
from control_plane.handlers.telemetry import telemetry
from nexus.errors import NexusError

TENANTS_ABREAST = 8
MARGIN_S = 5.0
"""What is left for the function's own end; deliveries cut off are tried again after their claim."""

logger, metrics = telemetry("webhooks")
_stands_on = foundations("seal")
_courier = control_plane(_stands_on).courier
started()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """How many tenants were looked at, and of how many the deliveries failed or ran out of time."""
    tenants, failed = run(_all(context.get_remaining_time_in_millis() / 1000.0 - MARGIN_S))
    metrics.add_metric("TenantsNotDelivered", MetricUnit.Count, failed)
    return {"tenants": tenants, "failed": failed}


async def _all(within_s: float) -> tuple[int, int]:
    tenants = await _stands_on.stores.tenants.list_ids()
    abreast = asyncio.Semaphore(TENANTS_ABREAST)

    async def one(tenant_id: str) -> bool:
        try:
            async with asyncio.timeout(within_s), abreast:
                await _courier.deliver_due(tenant_id)
        except (NexusError, TimeoutError) as error:
            logger.error("webhooks of %s could not all be delivered, they stay due: %s", tenant_id, error)
            return False
        return True

    good = await asyncio.gather(*(one(tenant_id) for tenant_id in tenants))
    return len(good), good.count(False)
