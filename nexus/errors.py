"""The error tree: one branch for each party who must act.

::

    NexusError                  code, retryable, public_message
    ├── ConfigurationError      the operator or tenant admin mends a setting, a config.yaml, a missing package
    ├── RequestRejected         the client mends its request
    │   ├── NotFound
    │   ├── NotAuthorised
    │   ├── QuotaExceeded
    │   └── ProtocolViolation
    ├── UpstreamError           an engine, model or other outside party failed; try again or fall back
    ├── StoreError              our own stores failed
    │   ├── Conflict            somebody else was first
    │   └── Unavailable
    └── ToolError               a tenant's tool failed

Vendor exceptions are translated in the adapter that met them, with ``from``. A ``code`` is a stable machine word; the tables
``HTTP_STATUS`` and ``CLOSE_CODE`` below are the only places that turn codes into numbers, and docs/errors.md lists every code.
"""

from __future__ import annotations

from collections.abc import Mapping


class NexusError(Exception):
    """Base of everything this product raises on purpose.

    Args:
        code: a stable machine word, listed in ``HTTP_STATUS``.
        public_message: one sentence that is safe to show to anybody, names the fix and holds no secret.
        retryable: whether the same request may succeed later without change.
    """

    def __init__(self, code: str, public_message: str, *, retryable: bool = False) -> None:
        super().__init__(f"{code}: {public_message}")
        self.code = code
        self.public_message = public_message
        self.retryable = retryable


class ConfigurationError(NexusError):
    """A setting, a tenant's configuration or the installation is wrong.

    ``faults`` lists every fault found, each one line that names the place and the fix.
    """

    def __init__(self, code: str, public_message: str, *, faults: tuple[str, ...] = ()) -> None:
        super().__init__(code, public_message)
        self.faults = faults


class RequestRejected(NexusError):
    """The client asked for something that it must change before asking again."""


class NotFound(RequestRejected):
    """The named thing does not exist, or not for this tenant."""


class NotAuthorised(RequestRejected):
    """The credential is missing, wrong, spent or for something else."""


class QuotaExceeded(RequestRejected):
    """A limit is reached. ``retry_after_s`` is an honest guess of when room comes; ``usage`` is how much of how much is taken."""

    def __init__(self, code: str, public_message: str, *, retry_after_s: int = 5, usage: tuple[int, int] | None = None) -> None:
        super().__init__(code, public_message, retryable=True)
        self.retry_after_s = retry_after_s
        self.usage = usage


class ProtocolViolation(RequestRejected):
    """A message broke the wire protocol."""


class UpstreamError(NexusError):
    """An engine, a model or another outside party failed."""

    def __init__(self, code: str, public_message: str, *, retryable: bool = True) -> None:
        super().__init__(code, public_message, retryable=retryable)


class StoreError(NexusError):
    """One of our stores failed."""


class Conflict(StoreError):
    """Somebody else was first: the expected version, absence or state no longer holds."""


class Unavailable(StoreError):
    """The store cannot be reached or written just now (disk full, read-only, locked)."""

    def __init__(self, code: str, public_message: str) -> None:
        super().__init__(code, public_message, retryable=True)


class ToolError(NexusError):
    """A tenant's tool failed. ``spoken`` is a sentence that the agent can say about it."""

    def __init__(self, code: str, public_message: str, *, spoken: str, retryable: bool = False) -> None:
        super().__init__(code, public_message, retryable=retryable)
        self.spoken = spoken


HTTP_STATUS: Mapping[str, int] = {
    "invalid_request": 422,
    "invalid_tenant_id": 422,
    "invalid_cursor": 422,
    "invalid_config": 422,
    "missing_package": 503,
    "model_mismatch": 503,
    "setting_invalid": 503,
    "tenant_not_found": 404,
    "session_not_found": 404,
    "call_not_found": 404,
    "lead_not_found": 404,
    "recording_not_found": 404,
    "webhook_not_found": 404,
    "delivery_not_found": 404,
    "too_many_webhooks": 429,
    "secret_not_found": 404,
    "too_many_secrets": 429,
    "too_many_lines": 429,
    "tool_not_found": 404,
    "url_not_allowed": 422,
    "draft_not_found": 404,
    "config_version_not_found": 404,
    "knowledge_not_found": 404,
    "knowledge_exists": 409,
    "knowledge_full": 429,
    "canary_state": 409,
    "job_not_found": 404,
    "route_not_found": 404,
    "conversation_not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "precondition_failed": 412,
    "precondition_required": 428,
    "content_type_unsupported": 415,
    "credential_missing": 401,
    "credential_invalid": 401,
    "credential_expired": 401,
    "credential_revoked": 401,
    "forbidden": 403,
    "tenant_suspended": 403,
    "api_key_not_found": 404,
    "issuer_unreachable": 503,
    "ticket_missing": 401,
    "ticket_invalid": 401,
    "ticket_expired": 401,
    "ticket_used": 401,
    "ticket_wrong_call": 403,
    "origin_not_allowed": 403,
    "host_not_allowed": 403,
    "door_closed": 403,
    "call_already_connected": 409,
    "call_not_active": 409,
    "conflict": 409,
    "tenant_exists": 409,
    "tenant_state": 409,
    "tenant_in_folder": 409,
    "config_not_published": 409,
    "idempotency_key_reused": 422,
    "idempotency_key_required": 422,
    "idempotency_in_flight": 409,
    "rate_limited": 429,
    "tenant_concurrency_exceeded": 429,
    "fair_share_exceeded": 429,
    "no_engine_slot": 503,
    "relay_failed": 503,
    "protection_failed": 503,
    "draining": 503,
    "message_not_json": 400,
    "message_unknown": 400,
    "message_invalid": 400,
    "message_too_large": 413,
    "session_start_expected": 400,
    "codec_unsupported": 415,
    "audio_corrupt": 400,
    "audio_dropped": 429,
    "prompt_cut": 422,
    "engine_unreachable": 503,
    "engine_lost": 503,
    "engine_mute": 503,
    "engine_lagging": 503,
    "engine_window_ended": 503,
    "engine_no_spare": 503,
    "false_confirmation": 502,
    "model_failed": 503,
    "model_malformed_call": 503,
    "speech_failed": 503,
    "store_unavailable": 503,
    "tool_unknown": 422,
    "tool_arguments_invalid": 422,
    "tool_failed": 502,
    "tool_timeout": 504,
    "tool_crashed": 502,
    "tool_output_invalid": 502,
    "tool_outcome_unknown": 502,
    "tool_not_loaded": 503,
    "internal_error": 500,
}
"""HTTP status by error code; an unlisted code is a defect (a test walks the source for codes)."""

CLOSE_CODE: Mapping[str, int] = {
    "draining": 1001,
    "internal_error": 1011,
    "engine_unreachable": 1011,
    "no_engine_slot": 1013,
    "relay_failed": 1011,
    "rate_limited": 1013,
    "tenant_concurrency_exceeded": 1013,
    "fair_share_exceeded": 1013,
    "message_too_large": 1009,
    "ticket_missing": 4401,
    "ticket_invalid": 4401,
    "ticket_expired": 4401,
    "ticket_used": 4401,
    "ticket_wrong_call": 4403,
    "origin_not_allowed": 4403,
    "door_closed": 4403,
    "tenant_suspended": 4403,
    "tenant_not_found": 4404,
    "config_not_published": 4409,
    "call_not_found": 4404,
    "invalid_tenant_id": 4422,
    "invalid_config": 4422,
    "call_already_connected": 4409,
    "message_not_json": 4400,
    "message_unknown": 4400,
    "message_invalid": 4400,
    "session_start_expected": 4400,
    "codec_unsupported": 4415,
    "audio_corrupt": 4415,
}
"""WebSocket close code by error code (RFC 6455 section 7.4; 4400-4499 are ours); the default is 1011."""
