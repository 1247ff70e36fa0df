"""The function that makes the installation's keys, once: CloudFormation calls it when the stack is made, an operator to turn a key.

An operator's event is ``{}`` (fill in what is missing), ``{"turn": "begin"}``, ``{"turn": "finish"}`` or ``{"gemini_api_key": "..."}``.
No answer and no log holds a key.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from control_plane.handlers.cloudformation import asks, tell
from control_plane.handlers.telemetry import telemetry
from nexus.adapters.aws.installation import KeysPlace, Turn, keys_place, write_keys

logger, metrics = telemetry("keys")
_place: KeysPlace = keys_place()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """CloudFormation is told how it went, whatever happens: it would wait an hour. Raises ConfigurationError to an operator."""
    if not asks(event):
        given = {name: str(value) for name, value in event.items() if name != "turn"}
        write_keys(_place, turn=Turn(event.get("turn", "")), given=given)
        return {"keys": "as they should be"}
    reason = ""
    try:
        if event["RequestType"] != "Delete":  # what is signed and sealed outlives the stack
            write_keys(_place)
    except Exception as error:  # the supervised border: a stack that is told nothing hangs
        logger.exception("the keys could not be made")
        reason = f"{type(error).__name__}: {error}"[:500]
    tell(event, "nexus-keys", reason)
    return {}
