"""The function that puts the console's files into their bucket: CloudFormation calls it when they have changed, and when the stack goes."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from control_plane.handlers.cloudformation import asks, tell
from control_plane.handlers.telemetry import telemetry
from nexus.adapters.aws.site import Site, site_place

logger, metrics = telemetry("console_files")
_site: Site = site_place()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """How many files lie there now. An operator's ``{}`` puts them anew."""
    if not asks(event):
        return {"files": _site.put()}
    reason, files = "", 0
    try:
        files = _site.clear() if event["RequestType"] == "Delete" else _site.put()
    except Exception as error:  # the supervised border: a stack that is told nothing hangs
        logger.exception("the console's files could not be put")
        reason = f"{type(error).__name__}: {error}"[:500]
    tell(event, "nexus-console-files", reason)
    return {"files": files}
