"""The function that authorises requests for an HTTP API: payload version 2.0, simple response.

It turns away what carries no living credential, before the API's function is started for it. What a credential may do is decided behind
it, by the API's own guard, which looks at the credential again: an answer that API Gateway has kept (by the header Authorization alone)
opens no route. Publishable keys are held to the Origin in both places.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from control_plane.handlers.foundations import authenticator, foundations
from control_plane.handlers.running import run, started
from control_plane.handlers.telemetry import telemetry
from nexus.errors import NotAuthorised

logger, metrics = telemetry("authorizer")
_authenticator = authenticator(foundations("api_keys"))
started()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Whether the request may go on, and who asks. Raises Unavailable where that cannot be found out: API Gateway answers 500."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    try:
        principal = run(_authenticator.principal(headers.get("authorization", ""), headers.get("origin", "")))
    except NotAuthorised as error:
        logger.info("turned away: %s", error.code)
        metrics.add_metric("TurnedAway", MetricUnit.Count, 1)
        return {"isAuthorized": False, "context": {"code": error.code}}
    metrics.add_metric("LetIn", MetricUnit.Count, 1)
    told = {"kind": principal.kind.value, "id": principal.id, "tenant_id": principal.tenant_id}
    return {"isAuthorized": True, "context": told}
