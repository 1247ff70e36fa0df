"""A tenant's standing: may it be called, which configuration is active, what it is named. Pure.

All that must agree about one tenant stands in one document, its *head*: state, profile, the active configuration. A head is written
under its version, so two changes at once cannot both win. Published configurations also stand for themselves, and never change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, ValidationError

from nexus.domain.call import Value
from nexus.domain.ids import check_tenant_id
from nexus.domain.tenant import TenantConfig, check_timezone
from nexus.errors import Conflict, StoreError

PLATFORM = "_platform"
"""Owner of the documents that belong to the operator; not a legal tenant id."""

HEAD_KEY = "tenant"
DRAFT_KEY = "config/draft"
VERSION_PREFIX = "config/version/"
REGISTRY_PREFIX = "tenant/"
FILE_VERSION = 0
"""The version of a configuration that lies in a folder: edited in place, never published."""

TenantState = Literal["active", "suspended", "deleting", "deleted"]
NEXT_STATES: Mapping[TenantState, frozenset[TenantState]] = MappingProxyType(
    {
        "active": frozenset({"suspended", "deleting"}),
        "suspended": frozenset({"active", "deleting"}),
        "deleting": frozenset({"deleted"}),
        "deleted": frozenset(),
    }
)

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")


def _checked_origin(origin: str) -> str:
    if _ORIGIN.fullmatch(origin) is None:
        raise ValueError("an origin is scheme://host or scheme://host:port in lower case, without path: https://www.example.com")
    return origin


Origin = Annotated[str, Field(max_length=300), AfterValidator(_checked_origin)]
Timezone = Annotated[str, Field(max_length=100), AfterValidator(check_timezone)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]


class TenantProfile(Value):
    """What the tenant is called and where it is at home. Configurations that do not say inherit it when they are published.

    Attributes:
        language: a language tag (BCP 47).
        allowed_origins: further pages that may open this tenant's calls.
    """

    name: str = Field(default="", max_length=200)
    timezone: Timezone = "UTC"
    language: Language = "en-US"
    allowed_origins: tuple[Origin, ...] = Field(default=(), max_length=50)


class Publication(Value):
    """One published configuration; versions count from 1 without gaps."""

    version: int
    config_hash: str
    published_at: datetime
    note: str = ""
    rolled_back_to: int | None = None
    """The version whose body was taken again; None for a draft that was published."""
    body: dict[str, JsonValue]

    @property
    def config(self) -> TenantConfig:
        """The body as a configuration. Raises StoreError when this release cannot read it."""
        try:
            return TenantConfig.model_validate(self.body)
        except ValidationError as error:
            raise StoreError("store_unavailable", f"Version {self.version} of a configuration cannot be read by this release.") from error


class TenantHead(Value):
    """Everything about a tenant that must agree.

    Attributes:
        active: what new calls are started with; None: what the tenant's folder says, or nothing yet.
        last_version: the highest version that was ever published.
        job_id: the job that deletes the tenant.
    """

    schema_version: int = 1
    tenant_id: str
    state: TenantState = "active"
    profile: TenantProfile = TenantProfile()
    active: Publication | None = None
    last_version: int = 0
    created_at: datetime
    updated_at: datetime
    job_id: str = ""


def version_key(version: int) -> str:
    """The key of a published configuration; they sort by version."""
    return f"{VERSION_PREFIX}{version:08}"


def registry_key(tenant_id: str) -> str:
    """The key of the tenant's line in the operator's list."""
    return f"{REGISTRY_PREFIX}{check_tenant_id(tenant_id)}"


def read_head(body: Mapping[str, JsonValue]) -> TenantHead:
    """A head out of its document. Raises StoreError."""
    try:
        return TenantHead.model_validate(body)
    except ValidationError as error:
        raise StoreError("store_unavailable", "A tenant's document cannot be read by this release.") from error


def read_publication(body: Mapping[str, JsonValue]) -> Publication:
    """A published configuration out of its document. Raises StoreError."""
    try:
        return Publication.model_validate(body)
    except ValidationError as error:
        raise StoreError("store_unavailable", "A published configuration cannot be read by this release.") from error


def moved(head: TenantHead, to: TenantState, at: datetime) -> TenantHead:
    """The head in another state; the same head where it is there already.

    Raises:
        Conflict: ``tenant_state``: no way leads there.
    """
    if head.state == to:
        return head
    if to not in NEXT_STATES[head.state]:
        raise Conflict("tenant_state", f"The tenant is {head.state}; from there it cannot become {to}.")
    return head.model_copy(update={"state": to, "updated_at": at})


def published(head: TenantHead, config: TenantConfig, at: datetime, *, note: str = "", rolled_back_to: int | None = None) -> TenantHead:
    """The head with the configuration as its next and active version.

    Raises:
        Conflict: ``tenant_state``: the tenant is being deleted.
    """
    if head.state not in ("active", "suspended"):
        raise Conflict("tenant_state", f"The tenant is {head.state}; nothing can be published.")
    version = head.last_version + 1
    publication = Publication(
        version=version,
        config_hash=config.config_hash,
        published_at=at,
        note=note,
        rolled_back_to=rolled_back_to,
        body=config.model_dump(mode="json"),
    )
    return head.model_copy(update={"active": publication, "last_version": version, "updated_at": at})


def inherited(body: Mapping[str, JsonValue], tenant_id: str, profile: TenantProfile) -> dict[str, JsonValue]:
    """A draft's body with what it leaves to the tenant: id, name, timezone, language. What it says itself stays, faults too."""
    said = {key: value for key, value in body.items() if value is not None}
    whole: dict[str, JsonValue] = {"tenant_id": tenant_id, "name": profile.name, "timezone": profile.timezone, **said}
    voice = whole.get("voice_settings", {})
    if isinstance(voice, dict):
        whole["voice_settings"] = {"language": profile.language, **voice}
    return whole
