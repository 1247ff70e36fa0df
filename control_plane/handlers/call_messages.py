"""What a message of the calls' queue asks for. Pure.

A message is an EventBridge event of S3 ("Object Created" in the archive), S3's own notification of the same, or our own wish to finish a
call again.

**Source:** Amazon S3 User Guide, "EventBridge event message structure" (keys as they are) and "Event message structure" (keys URL-encoded).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from nexus.adapters.aws.keys import read_session_object
from nexus.domain.ids import check_call_id, check_tenant_id
from nexus.errors import RequestRejected


@dataclass(frozen=True, slots=True)
class ArchivedCall:
    """A call to finish."""

    tenant_id: str
    call_id: str


def calls_of(body: str, bucket: str) -> tuple[ArchivedCall, ...]:
    """The calls that a message names; none where it is about another bucket or other objects.

    Raises:
        RequestRejected: ``invalid_request``: it is none of the messages that this queue takes.
    """
    try:
        told = json.loads(body)
        if "call_id" in told:
            return (ArchivedCall(check_tenant_id(told["tenant_id"]), check_call_id(told["call_id"])),)
        return tuple(call for name in _names(told, bucket) for call in _meant(name))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RequestRejected("invalid_request", "This message names no archived call.") from error


def _names(told: dict[str, Any], bucket: str) -> Iterator[str]:
    if told.get("Event") == "s3:TestEvent":
        return
    if "detail" in told:
        if told["detail-type"] == "Object Created" and told["detail"]["bucket"]["name"] == bucket:
            yield told["detail"]["object"]["key"]
        return
    for record in told["Records"]:
        if record["eventName"].startswith("ObjectCreated:") and record["s3"]["bucket"]["name"] == bucket:
            yield unquote_plus(record["s3"]["object"]["key"])


def _meant(name: str) -> tuple[ArchivedCall, ...]:
    try:
        of, call_id = read_session_object(name)
    except RequestRejected:
        return ()  # another object of the bucket
    return (ArchivedCall(of.tenant_id, call_id),)
