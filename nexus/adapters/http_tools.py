"""Runs declared tools: fills in the secrets, sends through the guard, reads the answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nexus.adapters.outbound import GuardedHttp
from nexus.clock import Clock
from nexus.domain.http_tool import MOST_ANSWER_BYTES, HttpOutcome, HttpTool, outcome_of, request_of
from nexus.errors import StoreError
from nexus.ports.secrets import SecretStore

_log = logging.getLogger("nexus.tools")
_FIRST_BACKOFF_MS = 200.0


class GuardedHttpTools:
    """``nexus.ports.tools.HttpTools``.

    Args:
        http: the guard.
        secrets: what the headers refer to.
        clock: waits between attempts.
    """

    def __init__(self, http: GuardedHttp, secrets: SecretStore, clock: Clock) -> None:
        self._http = http
        self._secrets = secrets
        self._clock = clock

    async def run(self, tenant_id: str, tool: HttpTool, arguments: Mapping[str, Any], *, key: str, timeout_s: float) -> HttpOutcome:
        """See ``HttpTools.run``."""
        try:
            secrets = await self._secrets.reveal(tenant_id, tool.secret_names)
        except StoreError as error:
            _log.warning("tool %s: its secrets cannot be read: %s", tool.name, error)
            return HttpOutcome("failed", problem="its secrets cannot be read", try_again=True)
        if missing := [name for name in tool.secret_names if name not in secrets]:
            return HttpOutcome("failed", problem=f"there is no secret {', '.join(missing)}; PUT secrets/NAME")
        try:
            request = request_of(tool, arguments, key, secrets)
        except ValueError as error:
            return HttpOutcome("failed", problem=str(error))
        tries = 1 + (tool.retries if tool.effect == "write" else 0)
        unsure = False
        outcome = HttpOutcome("failed")
        for attempt in range(1, tries + 1):
            answer = await self._http.send(request, deadline_s=timeout_s, most_bytes=MOST_ANSWER_BYTES)
            outcome = replace(outcome_of(answer, secrets.values()), attempts=attempt)
            unsure = unsure or outcome.kind in ("unknown", "timeout")
            if not outcome.try_again or attempt == tries:
                break
            await self._clock.sleep_ms(_FIRST_BACKOFF_MS * 2 ** (attempt - 1))
        # An attempt that may have done it makes "certainly not done" untrue, whatever a later attempt met.
        return replace(outcome, kind="unknown", output="") if unsure and outcome.kind in ("failed", "refused") else outcome
