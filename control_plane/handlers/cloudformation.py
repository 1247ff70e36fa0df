"""Answers to CloudFormation, which waits for one whatever happens to a function of a custom resource."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import Request, urlopen

_TIMEOUT_S = 10


def asks(event: dict[str, Any]) -> bool:
    """Whether CloudFormation asks, and not an operator."""
    return "ResponseURL" in event


def tell(event: dict[str, Any], made: str, reason: str) -> None:
    """How it went. ``made``: the resource's own id; ``reason``: why it failed, empty where it did not."""
    told = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    told |= {"Status": "FAILED" if reason else "SUCCESS", "Reason": reason, "PhysicalResourceId": made}
    # The address is CloudFormation's own, signed for an empty content type.
    request = Request(event["ResponseURL"], json.dumps(told).encode(), {"Content-Type": ""}, method="PUT")  # noqa: S310
    urlopen(request, timeout=_TIMEOUT_S).close()  # noqa: S310
