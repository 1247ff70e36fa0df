"""What a function is told by its environment, checked at cold start: a deployment that lacks something fails at once and says what."""

from __future__ import annotations

from collections.abc import Mapping
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
        nexus_keys_secret: the secret in Secrets Manager that holds ``Keys`` as JSON.
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
    nexus_keys_secret: str = Field(min_length=1)
    nexus_calls_queue_url: str = Field(pattern=r"^https?://\S+$")
    nexus_analytics_stream: str = Field(min_length=1, max_length=64)
    nexus_tenant_role_arn: str = ""
    nexus_fleet: str = "main"
    nexus_max_receives: int = Field(5, ge=1, le=1000)
    public_url: str = Field(pattern=r"^https://[^/\s]+/?$")


class Keys(BaseModel):
    """What the secret holds; nothing of it goes into a log or a message.

    Attributes:
        ticket_private_key: signs tickets, PEM.
        cursors, api_keys, seal: sign page cursors, hash API keys, and seal what tenants keep secret.
        gemini_api_key: reads calls; empty: the rules that need no key.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    ticket_private_key: SecretStr = Field(min_length=1)
    cursors: _Hex
    api_keys: _Hex
    seal: _Hex
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


def read_environment() -> HandlerEnvironment:
    """Raises ConfigurationError ``setting_invalid`` with every fault, each beginning with the variable's name."""
    try:
        return HandlerEnvironment()
    except ValidationError as error:
        raise _wrong("The function's environment is wrong", error, upper=True) from None


def read_keys(found: Mapping[str, object]) -> Keys:
    """Raises ConfigurationError ``setting_invalid``; values are not shown."""
    try:
        return Keys.model_validate(found)
    except ValidationError as error:
        raise _wrong("The secret NEXUS_KEYS_SECRET is wrong", error, upper=False) from None


def _wrong(what: str, error: ValidationError, *, upper: bool) -> ConfigurationError:
    faults = []
    for one in error.errors(include_url=False, include_input=False):
        name = str(one["loc"][0]) if one["loc"] else ""
        faults.append(f"{name.upper() if upper else name}: {str(one['msg']).removeprefix('Value error, ')}")
    return ConfigurationError("setting_invalid", f"{what}: {'; '.join(faults)}", faults=tuple(faults))
