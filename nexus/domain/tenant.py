"""A tenant's configuration: who the agent is, what it knows, what it may do.

The same schema stands in ``tenants/<id>/config.yaml`` and, later, behind REST. A call is pinned to the value it started with;
``config_hash`` names that value in the record.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from nexus.domain.call import CallOrder
from nexus.domain.http_tool import HttpTool, ToolName, one_of_each
from nexus.domain.ids import check_tenant_id
from nexus.domain.lead_fields import faults_of_fields
from nexus.errors import RequestRejected

Sensitivity = Literal["low", "medium", "high"]
EngineKind = Literal["personaplex", "pcm_sidecar", "cascade", "text"]
LeadFieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


def check_timezone(name: str) -> str:
    """Give the name back when it is an IANA timezone. Raises ValueError."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no IANA timezone; write for example Europe/Berlin") from error
    return name


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VoiceSettings(_Part):
    """Which voice speaks. ``voice_id`` takes our names and the original's (docs/tenants.md lists how they map)."""

    provider: Literal["nvidia_personaplex", "local"] = "nvidia_personaplex"
    voice_id: str = "en_us_male_calm"
    language: str = "en-US"
    speed: float = Field(default=1.0, ge=0.5, le=2.0)


class BargeIn(_Part):
    """How easily the caller interrupts the agent."""

    enabled: bool = True
    sensitivity: Sensitivity = "medium"
    greeting_interruptible: bool = True


class Limits(_Part):
    """What a call may use. Times are seconds."""

    max_duration_s: int = Field(default=1800, ge=5, le=7200)
    idle_timeout_s: int = Field(default=30, ge=5, le=600, description="nothing at all arrives on the socket")
    no_input_s: int = Field(default=15, ge=3, le=600, description="the caller says nothing while the agent waits")
    concurrent_calls: int = Field(default=10, ge=1, le=1000)
    tool_timeout_s: float = Field(default=8.0, gt=0, le=60)
    knowledge_chars: int = Field(default=12000, ge=0, le=100000, description="how much knowledge_base text the prompt takes")


class Recording(_Part):
    """What is kept of a call, and what the caller is told about it."""

    enabled: bool = False
    consent_line: str = ""
    on_refusal: Literal["unrecorded", "end"] = Field(
        default="unrecorded", description="a caller who does not agree: the call goes on and is not recorded, or it ends"
    )
    retention_days: int = Field(default=30, ge=1, le=730)


class Phrases(_Part):
    """Sentences the platform itself says."""

    filler: tuple[str, ...] = ("One moment, please.", "Let me check that for you.")
    no_input: tuple[str, ...] = ("Are you still there?", "I can't hear you. Is there anything else I can do?")
    goodbye: str = "Thank you for calling. Goodbye!"
    tool_failed: str = "I'm sorry, I couldn't do that just now."
    engine_changed: str = "Sorry about that, I'm back."
    must_end: str = "I'm sorry, I have to end this call here. Please call us again."
    recording_stopped: str = "All right, this call is not recorded."
    recording_required: str = "I'm sorry, I can't take this call without recording it. Goodbye."


class TenantConfig(_Part):
    """Everything a tenant says about its agent. Every field but ``tenant_id`` and ``system_prompt`` has a default."""

    tenant_id: str
    name: str = ""
    timezone: str = "UTC"
    voice_settings: VoiceSettings = VoiceSettings()
    greeting: str = "Hello! How can I help you today?"
    first_speaker: Literal["agent", "caller"] = "agent"
    system_prompt: str = Field(min_length=1)
    knowledge_base: JsonValue = None
    engines: tuple[EngineKind, ...] = Field(
        default=(), description="which engines carry the call, in order: the next takes over when one fails; empty: the platform's order"
    )
    enabled_tools: tuple[ToolName, ...] = ()
    http_tools: tuple[HttpTool, ...] = Field(
        default=(), description="tools that are requests to the tenant's own server; enabled_tools names those that are in use"
    )
    tool_settings: dict[str, JsonValue] = Field(default_factory=dict)
    lead_fields: dict[LeadFieldName, JsonValue] = Field(
        default_factory=dict, description="further fields that are read out of each call: a small JSON Schema by name"
    )
    barge_in: BargeIn = BargeIn()
    limits: Limits = Limits()
    recording: Recording = Recording()
    phrases: Phrases = Phrases()

    @field_validator("tenant_id")
    @classmethod
    def _tenant_id_is_slug(cls, value: str) -> str:
        try:
            return check_tenant_id(value)
        except RequestRejected as error:
            raise ValueError(error.public_message) from error

    @field_validator("timezone")
    @classmethod
    def _timezone_is_known(cls, value: str) -> str:
        return check_timezone(value)

    @field_validator("enabled_tools")
    @classmethod
    def _tools_named_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in value if value.count(name) > 1})
        if twice:
            raise ValueError(f"named more than once: {', '.join(twice)}")
        return value

    @field_validator("http_tools")
    @classmethod
    def _tools_declared_once(cls, value: tuple[HttpTool, ...]) -> tuple[HttpTool, ...]:
        return one_of_each(value)

    @field_validator("lead_fields")
    @classmethod
    def _lead_fields_can_be_read(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        faults = [*faults_of_fields(value)]
        if faults:
            raise ValueError("; ".join(faults))
        return value

    @property
    def config_hash(self) -> str:
        """``sha256:`` and the hash of the canonical JSON of this value."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def for_order(config: TenantConfig, order: CallOrder) -> TenantConfig:
    """The configuration as one call has it: ordered without recording, nobody in it is told that it is recorded either."""
    if order.recording == "inherit":
        return config
    return config.model_copy(update={"recording": config.recording.model_copy(update={"enabled": False})})
