"""A tenant's standing: may it be called, which configuration is active, what it is named. Pure.

All that must agree about one tenant stands in one document, its *head*: state, profile, the active configuration, and the canary beside
it. A head is written under its version, so two changes at once cannot both win. Published configurations also stand for themselves, and
never change.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
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
KNOWLEDGE_KEY = "knowledge"
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
            return TenantConfig.model_validate(self.body, extra="ignore")
        except ValidationError as error:
            raise StoreError("store_unavailable", f"Version {self.version} of a configuration cannot be read by this release.") from error


class Canary(Value):
    """A version that a part of new calls is started with, beside the active one."""

    publication: Publication
    percent: int = Field(ge=1, le=100)
    started_at: datetime


class Departed(Value):
    """A version that new calls were started with until a moment ago: calls that wait or live may still ask for it."""

    version: int
    at: datetime


class TenantHead(Value):
    """Everything about a tenant that must agree.

    Attributes:
        active: what new calls are started with; None: what the tenant's folder says, or nothing yet.
        last_version: the highest version that was ever published.
        job_id: the job that deletes the tenant.
        canary: what a part of new calls is started with in its place.
        departed: the versions that new calls were started with lately.
        knowledge: counts changes of the uploaded documents; 0: there never was one.
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
    canary: Canary | None = None
    departed: tuple[Departed, ...] = ()
    knowledge: int = 0

    @property
    def stored(self) -> dict[str, JsonValue]:
        """The head as its document: what the first release did not know is left out as long as it is not used."""
        later = {name for name in ("canary", "departed", "knowledge") if getattr(self, name) == type(self).model_fields[name].default}
        return self.model_dump(mode="json", exclude=later)


def version_key(version: int) -> str:
    """The key of a published configuration; they sort by version."""
    return f"{VERSION_PREFIX}{version:08}"


def registry_key(tenant_id: str) -> str:
    """The key of the tenant's line in the operator's list."""
    return f"{REGISTRY_PREFIX}{check_tenant_id(tenant_id)}"


def read_head(body: Mapping[str, JsonValue]) -> TenantHead:
    """A head out of its document. Raises StoreError."""
    try:
        return TenantHead.model_validate(body, extra="ignore")
    except ValidationError as error:
        raise StoreError("store_unavailable", "A tenant's document cannot be read by this release.") from error


def read_publication(body: Mapping[str, JsonValue]) -> Publication:
    """A published configuration out of its document. Raises StoreError."""
    try:
        return Publication.model_validate(body, extra="ignore")
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
    publication = next_publication(head, config, at, note=note, rolled_back_to=rolled_back_to)
    return _turned(head, publication, None, at).model_copy(update={"last_version": publication.version})


def next_publication(
    head: TenantHead, config: TenantConfig, at: datetime, *, note: str = "", rolled_back_to: int | None = None
) -> Publication:
    """The configuration as the tenant's next version. Raises Conflict ``tenant_state``."""
    check_changeable(head)
    return Publication(
        version=head.last_version + 1,
        config_hash=config.config_hash,
        published_at=at,
        note=note,
        rolled_back_to=rolled_back_to,
        body=config.model_dump(mode="json"),
    )


def check_changeable(head: TenantHead) -> None:
    """Raises Conflict ``tenant_state`` for a tenant that is being deleted."""
    if head.state not in ("active", "suspended"):
        raise Conflict("tenant_state", f"The tenant is {head.state}; nothing about it can be changed.")


# --- canary ------------------------------------------------------------------------------------------------------------------


def canaried(head: TenantHead, publication: Publication, percent: int, at: datetime) -> TenantHead:
    """The head with a version beside the active one; the same version again only gets another percentage.

    Raises:
        Conflict: ``tenant_state``; ``canary_state``: the version is the active one.
    """
    check_changeable(head)
    if head.active is not None and head.active.version == publication.version:
        raise Conflict("canary_state", f"Version {publication.version} is the active one; name another version, or leave it out.")
    running = head.canary
    same = running is not None and running.publication.version == publication.version
    began = running.started_at if running is not None and same else at
    return _turned(head, head.active, Canary(publication=publication, percent=percent, started_at=began), at)


def promoted(head: TenantHead, at: datetime) -> TenantHead:
    """The head with its canary as the active version. Raises Conflict ``tenant_state``, ``canary_state``: there is none."""
    return _turned(head, _running(head).publication, None, at)


def aborted(head: TenantHead, at: datetime) -> TenantHead:
    """The head without its canary. Raises Conflict ``tenant_state``, ``canary_state``: there is none."""
    _running(head)
    return _turned(head, head.active, None, at)


def chosen(head: TenantHead, pick: str) -> Publication | None:
    """What a new call is started with; None: what the folder says.

    The same pick always gets the same version while the canary runs, and keeps it when the percentage grows. An empty one gets the
    active version.
    """
    canary = head.canary
    if canary is None or not pick:
        return head.active
    drawn = hashlib.sha256(f"{head.tenant_id}/{canary.publication.version}/{pick}".encode()).digest()
    return canary.publication if int.from_bytes(drawn[:8], "big") % 100 < canary.percent else head.active


def _running(head: TenantHead) -> Canary:
    check_changeable(head)
    if head.canary is None:
        raise Conflict("canary_state", "There is no canary; POST config:canary begins one.")
    return head.canary


# --- pruning -----------------------------------------------------------------------------------------------------------------

KEPT_VERSIONS = 100
"""How many of the newest versions are kept, beside those that are in use."""
IN_USE_FOR = timedelta(hours=3)
"""So long after a version is no longer given to new calls, one that waits or lives may ask for it: longer than the longest call."""
_MOST_DEPARTED = 100


def prunable(head: TenantHead, kept: Iterable[int], now: datetime, most: int = KEPT_VERSIONS) -> tuple[int, ...]:
    """Which of the kept versions may go: older than the ``most`` newest, and neither active, canary nor given to a call lately."""
    in_use = {one.version for one in head.departed if now - one.at < IN_USE_FOR} | _given(head)
    return tuple(version for version in kept if version <= head.last_version - most and version not in in_use)


def _given(head: TenantHead) -> set[int]:
    given = (head.active, None if head.canary is None else head.canary.publication)
    return {one.version for one in given if one is not None}


def _turned(head: TenantHead, active: Publication | None, canary: Canary | None, at: datetime) -> TenantHead:
    """The head with what new calls are given, and what they no longer are."""
    after = head.model_copy(update={"active": active, "canary": canary, "updated_at": at})
    gone = _given(head) - _given(after)
    lately = [one for one in head.departed if at - one.at < IN_USE_FOR and one.version not in gone]
    departed = (*lately, *(Departed(version=version, at=at) for version in sorted(gone)))
    return after.model_copy(update={"departed": departed[-_MOST_DEPARTED:]})


# --- drafts ------------------------------------------------------------------------------------------------------------------


def inherited(body: Mapping[str, JsonValue], tenant_id: str, profile: TenantProfile) -> dict[str, JsonValue]:
    """A draft's body with what it leaves to the tenant: id, name, timezone, language. What it says itself stays, faults too."""
    said = {key: value for key, value in body.items() if value is not None}
    whole: dict[str, JsonValue] = {"tenant_id": tenant_id, "name": profile.name, "timezone": profile.timezone, **said}
    voice = whole.get("voice_settings", {})
    if isinstance(voice, dict):
        whole["voice_settings"] = {"language": profile.language, **voice}
    return whole
