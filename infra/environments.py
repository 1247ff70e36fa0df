"""The environment of each function and container, as plain data. A test compares the names with the settings that the code reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.settings import StageSettings

SIGN_IN_SCOPES = "openid"
"""What the console asks Cognito's page for (``NexusData``): the token then holds tenant and groups."""


@dataclass(frozen=True, slots=True)
class Places:
    """What the stacks before have made: names, and addresses that are known when it is deployed."""

    table: str
    bucket: str
    issuer: str
    audience: str
    issuer_keys_url: str = ""
    keys_secret: str = ""
    calls_queue_url: str = ""
    public_url: str = ""
    tenant_role_arn: str = ""
    kms_key_arn: str = ""


def of_function(settings: StageSettings, at: Places) -> dict[str, str]:
    """What every function of the control plane is told."""
    told = {
        "NEXUS_TABLE": at.table,
        "NEXUS_BUCKET": at.bucket,
        "NEXUS_KEYS_SECRET": at.keys_secret,
        "NEXUS_CALLS_QUEUE_URL": at.calls_queue_url,
        "NEXUS_ANALYTICS_STREAM": settings.stream_name,
        "NEXUS_FLEET": settings.fleet,
        "NEXUS_MAX_RECEIVES": str(settings.max_receives),
        "PUBLIC_URL": at.public_url,
        "OIDC_ISSUER": at.issuer,
        "OIDC_AUDIENCE": at.audience,
        "OIDC_JWKS_URL": at.issuer_keys_url,
        "OIDC_SCOPES": SIGN_IN_SCOPES if settings.signs_in else "",
        "GEMINI_BASE_URL": settings.gemini_base_url,
        "ALLOWED_ORIGINS": ",".join(settings.origins),
        "ENGINE": settings.engine,
        "NEXUS_TENANT_ROLE_ARN": at.tenant_role_arn,
        "NEXUS_KMS_KEY": at.kms_key_arn,
    }
    return {name: value for name, value in told.items() if value}


def of_after_call(settings: StageSettings) -> dict[str, str]:
    """What the function that finishes calls is told besides."""
    return {"TRACES": "xray"} if settings.trace else {}


def of_keys_function(keys_secret: str, shares: Mapping[str, str]) -> dict[str, str]:
    """What the function that makes the keys is told. ``shares``: the secrets of those who read a part, by their name (``media``)."""
    return {"NEXUS_KEYS_SECRET": keys_secret, **{f"NEXUS_{name.upper()}_SECRET": secret for name, secret in shares.items()}}


def of_console_function(bucket: str) -> dict[str, str]:
    """What the function that puts the console's files is told; a layer of it holds them."""
    return {"NEXUS_CONSOLE_BUCKET": bucket, "NEXUS_CONSOLE_FILES": "/opt"}


def of_canary_function(settings: StageSettings, api_url: str, key_secret: str) -> dict[str, str]:
    """What the function that places test calls is told."""
    return {"NEXUS_CANARY_URL": api_url, "NEXUS_CANARY_TENANT": settings.canary_tenant, "NEXUS_CANARY_KEY_SECRET": key_secret}


MEDIA_SECRETS = {
    "TICKET_PUBLIC_KEYS": "ticket_public_keys",
    "CALL_PEPPER": "call_pepper",
    "SEAL_KEY": "seal",
    "GEMINI_API_KEY": "gemini_api_key",
}
"""Variable of the media container to field of the media plane's secret (``NexusData.media_secret``)."""


_SPOT_DRAIN_S = 100
"""A spot host goes two minutes after its notice: calls that live then are told, and end."""


def of_media(settings: StageSettings, at: Places) -> dict[str, str]:
    """What the media container is told, beside ``MEDIA_SECRETS``."""
    return {
        "ENVIRONMENT": "production",
        "HOST": "0.0.0.0",  # noqa: S104 - inside its own network interface, behind the load balancer
        "PORT": "8000",
        "STORES": "aws",
        "AWS_TABLE": at.table,
        "AWS_BUCKET": at.bucket,
        "AWS_FLEET": settings.fleet,
        "PUBLIC_URL": at.public_url,
        "ALLOWED_ORIGINS": ",".join(settings.origins),
        "LOG_FORMAT": "JSON",
        "ENGINE": settings.engine,
        "DEV_DOOR": "false",
        "MEDIA_RELAY_URL": "ecs",
        "SCALE_IN_PROTECTION": "ecs",
        "METRICS": "emf",
        "TRUSTED_PROXIES": "1",  # the load balancer: without it all callers would have its address
        "CALL_CAP_S": str(settings.max_call_s),
        **({"DRAIN_LIMIT_S": str(_SPOT_DRAIN_S)} if settings.spot else {}),
    }
