"""Name an effect: the same wish within a call has the same id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def effect_id(tool: str, arguments: Mapping[str, Any], *, request_id: str = "") -> str:
    """16 hex digits over the tool's name and the canonical arguments.

    Args:
        request_id: given for tools that only read, so that each request has an id of its own.
    """
    canonical = json.dumps([tool, arguments, request_id], sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:16]
