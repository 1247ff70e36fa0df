"""Tenants, their configurations and their keys: what admins do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from local.client import schemas
from local.client.wire import Wire, tenant_path
from nexus.errors import NotFound


class Tenants:
    """The businesses whose agents answer."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def page(self, **where: object) -> schemas.TenantPage:
        """One page of tenants with their status."""
        return cast(schemas.TenantPage, self._wire.get("/v1/tenants", **where))

    def get(self, tenant_id: str) -> schemas.TenantDetail:
        """One tenant."""
        return cast(schemas.TenantDetail, self._wire.get(tenant_path(tenant_id)))

    def create(self, body: schemas.TenantBody) -> schemas.TenantDetail:
        """Make one. It takes calls once a configuration is published."""
        return cast(schemas.TenantDetail, self._wire.post("/v1/tenants", body))

    def suspend(self, tenant_id: str) -> schemas.TenantDetail:
        """Take no new calls."""
        return cast(schemas.TenantDetail, self._wire.post(tenant_path(f"{tenant_id}:suspend")))

    def resume(self, tenant_id: str) -> schemas.TenantDetail:
        """Take calls again."""
        return cast(schemas.TenantDetail, self._wire.post(tenant_path(f"{tenant_id}:resume")))

    def delete(self, tenant_id: str) -> schemas.JobDetail:
        """Delete it and all that is kept of it; the job goes on by itself."""
        return cast(schemas.JobDetail, self._wire.ask("DELETE", tenant_path(tenant_id)).body)

    def job(self, tenant_id: str, job_id: str) -> schemas.JobDetail:
        """How far a job is."""
        return cast(schemas.JobDetail, self._wire.get(tenant_path(tenant_id, "jobs", job_id)))


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft and the tag to replace it by."""

    config: dict[str, Any]
    etag: str


class Configs:
    """What a tenant's agent is: draft, publish, roll back."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def active(self, tenant_id: str) -> schemas.ConfigDetail:
        """What new calls are started with."""
        return cast(schemas.ConfigDetail, self._wire.get(_config(tenant_id)))

    def versions(self, tenant_id: str) -> Iterator[schemas.ConfigVersionItem]:
        """What was published, newest first."""
        return self._wire.each(_config(tenant_id, "versions"))

    def draft(self, tenant_id: str) -> Draft | None:
        """What may be published next; None where there is none."""
        try:
            told = self._wire.ask("GET", _config(tenant_id, "draft"))
        except NotFound as error:
            if error.code != "draft_not_found":
                raise
            return None
        return Draft(told.body["config"], told.etag)

    def put_draft(self, tenant_id: str, config: Mapping[str, Any], *, replacing: Draft | None) -> Draft:
        """Write the draft. Raises RequestRejected ``precondition_failed`` when it is no longer the one it replaces."""
        headers = {"If-Match": replacing.etag} if replacing else {}
        told = self._wire.ask("PUT", _config(tenant_id, "draft"), json=config, headers=headers)
        return Draft(told.body["config"], told.etag)

    def validate(self, tenant_id: str) -> schemas.ConfigVerdict:
        """All faults of the draft at once."""
        return cast(schemas.ConfigVerdict, self._wire.post(_config(tenant_id, "draft:validate")))

    def publish(self, tenant_id: str, note: str = "") -> schemas.ConfigDetail:
        """Make the draft the next version."""
        return cast(schemas.ConfigDetail, self._wire.post(f"{_config(tenant_id)}:publish", {"note": note}))

    def rollback(self, tenant_id: str, version: int, note: str = "") -> schemas.ConfigDetail:
        """Publish an older version again, as a new one."""
        return cast(schemas.ConfigDetail, self._wire.post(f"{_config(tenant_id)}:rollback", {"version": version, "note": note}))

    def canary(self, tenant_id: str, percent: int, *, version: int | None = None, note: str = "") -> schemas.ConfigDetail:
        """Start a part of new calls with a version, or with the draft."""
        body = {"percent": percent, "version": version, "note": note}
        return cast(schemas.ConfigDetail, self._wire.post(f"{_config(tenant_id)}:canary", body))

    def promote(self, tenant_id: str) -> schemas.ConfigDetail:
        """Make the canary active."""
        return cast(schemas.ConfigDetail, self._wire.post(f"{_config(tenant_id)}:promote"))

    def abort(self, tenant_id: str) -> schemas.ConfigDetail:
        """End the canary."""
        return cast(schemas.ConfigDetail, self._wire.post(f"{_config(tenant_id)}:abort"))


class ApiKeys:
    """A tenant's keys."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def create(self, tenant_id: str, body: schemas.ApiKeyBody) -> schemas.IssuedApiKey:
        """Make one; its secret is in this answer only."""
        return cast(schemas.IssuedApiKey, self._wire.post(tenant_path(tenant_id, "api-keys"), body))

    def each(self, tenant_id: str) -> Iterator[schemas.ApiKeyDetail]:
        """All, newest first."""
        return self._wire.each(tenant_path(tenant_id, "api-keys"))

    def rotate(self, tenant_id: str, key_id: str, *, overlap_s: int) -> schemas.IssuedApiKey:
        """A fresh secret; the old one stays good for ``overlap_s``."""
        return cast(schemas.IssuedApiKey, self._wire.post(tenant_path(tenant_id, "api-keys", f"{key_id}:rotate"), {"overlap_s": overlap_s}))

    def revoke(self, tenant_id: str, key_id: str) -> schemas.ApiKeyDetail:
        """It dies at once."""
        return cast(schemas.ApiKeyDetail, self._wire.post(tenant_path(tenant_id, "api-keys", f"{key_id}:revoke")))


def _config(tenant_id: str, *rest: str) -> str:
    return tenant_path(tenant_id, "config", *rest)
