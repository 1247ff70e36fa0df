"""What a function is told by its environment, checked at cold start: a deployment that lacks something fails at once and says what."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from nexus.errors import ConfigurationError

_SECRET_BYTES = 32
_Hex = Annotated[SecretStr, Field(description="32 bytes as 64 hex digits")]


class HandlerEnvironment(BaseSettings):
    """The stack's own names. ``nexus.settings`` reads everything else (PUBLIC_URL, OIDC_ISSUER, ...) from the same environment.

    Attributes:
        nexus_table, nexus_bucket: the stores.
        nexus_keys_secret: the secret in Secrets Manager that holds this function's share of ``Keys`` as JSON; empty: it works with none.
        nexus_kms_key: the key of KMS that seals tenants' secrets; empty: ``Keys.seal`` does.
        nexus_calls_queue_url: the queue of calls to finish.
        nexus_analytics_stream: the Firehose stream of analytics rows.
        nexus_tenant_role_arn: the role under which a tenant's own things are asked for, narrowed to the tenant; empty: none.
        nexus_fleet: which media processes take the calls.
        nexus_max_receives: after how many receives the queue gives a message up; the last one leaves a failed item instead.
        public_url: where callers' sockets open.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    nexus_table: str = Field(min_length=3, max_length=255)
    nexus_bucket: str = Field(min_length=3, max_length=63)
    nexus_keys_secret: str = ""
    nexus_kms_key: str = ""
    nexus_calls_queue_url: str = Field(pattern=r"^https?://\S+$")
    nexus_analytics_stream: str = Field(min_length=1, max_length=64)
    nexus_tenant_role_arn: str = ""
    nexus_fleet: str = "main"
    nexus_max_receives: int = Field(5, ge=1, le=1000)
    public_url: str = Field(pattern=r"^https://[^/\s]+/?$")


class Keys(BaseModel):
    """What a function works with; the rest is empty. Nothing of it goes into a log or a message.

    Attributes:
        ticket_private_key: signs tickets, PEM.
        cursors, api_keys, seal: sign page cursors, hash API keys, and seal what tenants keep secret.
        gemini_api_key: reads calls; empty: the rules that need no key.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    ticket_private_key: SecretStr = Field(SecretStr(""), min_length=1)
    cursors: _Hex = SecretStr("")
    api_keys: _Hex = SecretStr("")
    seal: _Hex = SecretStr("")
    gemini_api_key: SecretStr = SecretStr("")

    @field_validator("cursors", "api_keys", "seal")
    @classmethod
    def _of_length(cls, value: SecretStr) -> SecretStr:
        try:
            long = len(bytes.fromhex(value.get_secret_value()))
        except ValueError:
            long = 0
        if long != _SECRET_BYTES:
            raise ValueError("must be 64 hex digits")
        return value


def raw(key: SecretStr) -> bytes:
    """A key as bytes. Where the function was given none: one that nobody has, so that nothing made with it is taken for ours."""
    return bytes.fromhex(key.get_secret_value()) or secrets.token_bytes(_SECRET_BYTES)


def read_environment() -> HandlerEnvironment:
    """Raises ConfigurationError ``setting_invalid`` with every fault, each beginning with the variable's name."""
    try:
        return HandlerEnvironment()
    except ValidationError as error:
        raise _wrong("The function's environment is wrong", error, upper=True) from None


def read_keys(found: Mapping[str, object], needs: Iterable[str]) -> Keys:
    """What ``needs`` names, and nothing else of what was found. Raises ConfigurationError ``setting_invalid``; values are not shown."""
    try:
        return Keys.model_validate({name: found.get(name, "") for name in needs})
    except ValidationError as error:
        raise _wrong("The secret NEXUS_KEYS_SECRET is wrong", error, upper=False) from None


def _wrong(what: str, error: ValidationError, *, upper: bool) -> ConfigurationError:
    faults = []
    for one in error.errors(include_url=False, include_input=False):
        name = str(one["loc"][0]) if one["loc"] else ""
        faults.append(f"{name.upper() if upper else name}: {str(one['msg']).removeprefix('Value error, ')}")
    return ConfigurationError("setting_invalid", f"{what}: {'; '.join(faults)}", faults=tuple(faults))
