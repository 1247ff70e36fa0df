"""A refusal as an HTTP answer: problem+json with the code, before the socket is upgraded. **Source:** RFC 9457."""

from __future__ import annotations

import json

from nexus.errors import HTTP_STATUS, NexusError, QuotaExceeded


def refusal(error: NexusError) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers."""
    status = HTTP_STATUS.get(error.code, 500)
    problem: dict[str, str | int | bool] = {
        "type": f"urn:nexus:error:{error.code}",
        "title": error.code.replace("_", " "),
        "status": status,
        "detail": error.public_message,
        "code": error.code,
        "retryable": error.retryable,
    }
    headers = {"content-type": "application/problem+json", "cache-control": "no-store"}
    if isinstance(error, QuotaExceeded):
        headers["retry-after"] = str(error.retry_after_s)
        if error.usage is not None:
            problem["used"], problem["max"] = error.usage
    return status, json.dumps(problem).encode() + b"\n", headers
