"""A tenant as one JSON document: configurations, knowledge, receivers, and the names of secrets; and all that is wrong with one. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, JsonValue, ValidationError

from nexus.domain.call import Value
from nexus.domain.config_check import MAX_CONFIG_BYTES, Finding, check_config
from nexus.domain.document_text import ContentType
from nexus.domain.knowledge_shelf import MOST_DOCUMENT_BYTES, MOST_DOCUMENTS, MOST_SHELF_BYTES
from nexus.domain.tenancy import TenantProfile
from nexus.domain.tenant import TenantConfig

MOST_VERSIONS = 10
MOST_VERSION = 9_999_999
MOST_RECEIVERS = 10
MOST_BUNDLE_BYTES = 900_000
"""A request has at most 1 MB, and a bundle is sent in one."""

ReceiverEvent = Literal["call.ended", "call.artifacts_ready", "call.analyzed", "webhook.paused"]


class BundledVersion(Value):
    """A published configuration under its number, which leaves room for those that follow: keys hold eight digits."""

    version: int = Field(ge=1, le=MOST_VERSION)
    published_at: datetime
    note: str = Field(default="", max_length=500)
    rolled_back_to: int | None = None
    config: dict[str, JsonValue]


class BundledDocument(Value):
    """An uploaded document; it is read anew where it is imported."""

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")
    content_type: ContentType
    text: str = Field(min_length=1, max_length=MOST_DOCUMENT_BYTES)


class BundledReceiver(Value):
    """A webhook without its secret: it gets a fresh one where it is imported."""

    url: str = Field(min_length=1, max_length=2000)
    events: tuple[ReceiverEvent, ...] = Field(min_length=1, max_length=4)
    description: str = Field(default="", max_length=200)
    status: Literal["active", "paused"] = "active"


class TenantBundle(Value):
    """A tenant to be carried elsewhere. Calls, leads, keys and the values of secrets are no part of it.

    Attributes:
        active_version: what new calls are started with; None: nothing was published.
        secrets: names that must be set again, those that tools refer to among them.
    """

    object: Literal["tenant_bundle"] = "tenant_bundle"
    schema_version: Literal[1] = 1
    exported_at: datetime
    tenant_id: str
    profile: TenantProfile
    active_version: int | None = None
    versions: tuple[BundledVersion, ...] = Field(default=(), max_length=MOST_VERSIONS)
    draft: dict[str, JsonValue] | None = None
    knowledge: tuple[BundledDocument, ...] = Field(default=(), max_length=MOST_DOCUMENTS)
    webhooks: tuple[BundledReceiver, ...] = Field(default=(), max_length=MOST_RECEIVERS)
    secrets: tuple[str, ...] = Field(default=(), max_length=500)


def read_bundle(raw: Mapping[str, Any]) -> tuple[TenantBundle | None, tuple[Finding, ...]]:
    """The bundle, or None; and everything that is wrong with it and its parts, at once."""
    try:
        bundle, found = TenantBundle.model_validate(raw), []
    except ValidationError as error:
        bundle = None
        found = [Finding(tuple(one["loc"]), str(one["type"]), one["msg"]) for one in error.errors(include_url=False, include_input=False)]
    found += [*_faulty_configs(raw)]
    if bundle is not None:
        found += [*_faulty_whole(bundle)]
    return bundle, tuple(found)


def config_for(tenant_id: str, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """A bundled configuration as another tenant's."""
    return {**config, "tenant_id": tenant_id}


def fits(bundle: TenantBundle) -> bool:
    """Whether it can be sent in one request."""
    return len(bundle.model_dump_json().encode()) <= MOST_BUNDLE_BYTES


def secret_names(configs: Iterable[TenantConfig]) -> frozenset[str]:
    """What tools refer to."""
    return frozenset(name for config in configs for tool in config.http_tools for name in tool.secret_names)


def _faulty_configs(raw: Mapping[str, Any]) -> Iterator[Finding]:
    """Looked at as they come, so that a fault elsewhere hides none of theirs."""
    versions = raw.get("versions")
    for at, one in enumerate(versions if isinstance(versions, list) else ()):
        config = one.get("config") if isinstance(one, dict) else None
        if not isinstance(config, dict):
            continue  # told by the bundle's own form
        here = ("versions", at, "config")
        _, faults = check_config(config_for("bundle", config))
        yield from (Finding((*here, *fault.path), fault.code, fault.detail) for fault in faults)
        yield from _oversized(here, config)
    if isinstance(raw.get("draft"), dict):
        yield from _oversized(("draft",), raw["draft"])


def _oversized(here: tuple[str | int, ...], config: Mapping[str, Any]) -> Iterator[Finding]:
    try:
        size = len(json.dumps(config, ensure_ascii=False, allow_nan=False).encode())
    except (ValueError, RecursionError):
        yield Finding(here, "not_plain", "has a number, a text or a nesting that JSON cannot hold")
        return
    if size > MAX_CONFIG_BYTES:
        yield Finding(here, "too_long", f"has {size} bytes, where {MAX_CONFIG_BYTES} are the most")


def _faulty_whole(bundle: TenantBundle) -> Iterator[Finding]:
    numbers = [one.version for one in bundle.versions]
    for at, one in enumerate(bundle.versions):
        if numbers.index(one.version) < at:
            yield Finding(("versions", at, "version"), "twice", f"{one.version} stands here a second time")
    if bundle.active_version is not None and bundle.active_version not in numbers:
        yield Finding(("active_version",), "unknown", f"{bundle.active_version} is none of the versions")
    if bundle.active_version is None and numbers:
        yield Finding(("active_version",), "missing", "is missing although there are versions")
    names = Counter(one.name.strip() for one in bundle.knowledge)
    for at, document in enumerate(bundle.knowledge):
        if names[document.name.strip()] > 1:
            yield Finding(("knowledge", at, "name"), "twice", f"{document.name!r} is the name of several documents")
        if len(document.text.encode()) > MOST_DOCUMENT_BYTES:
            yield Finding(("knowledge", at, "text"), "too_long", f"has more than {MOST_DOCUMENT_BYTES} bytes")
    whole = sum(len(document.text.encode()) for document in bundle.knowledge)
    if whole > MOST_SHELF_BYTES:
        yield Finding(("knowledge",), "too_long", f"has {whole} bytes of text together, where {MOST_SHELF_BYTES} are the most")
