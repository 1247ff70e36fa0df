"""Secrets, uploaded knowledge and whole tenants as bundles: what an agent is given beside its configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from local.client import schemas
from local.client.wire import Wire, tenant_path


class Secrets:
    """What declared tools refer to. Values go in and never come out."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def put(self, tenant_id: str, name: str, value: str) -> schemas.SecretDetail:
        """Write one, or another value of it."""
        return cast(schemas.SecretDetail, self._wire.ask("PUT", tenant_path(tenant_id, "secrets", name), json={"value": value}).body)

    def each(self, tenant_id: str) -> Iterator[schemas.SecretDetail]:
        """All by name, without values."""
        return self._wire.each(tenant_path(tenant_id, "secrets"))

    def delete(self, tenant_id: str, name: str) -> None:
        """Forget one."""
        self._wire.ask("DELETE", tenant_path(tenant_id, "secrets", name))


class Knowledge:
    """Documents that the agent answers from."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def add(self, tenant_id: str, body: schemas.KnowledgeBody) -> schemas.KnowledgeItem:
        """Upload one; its status says whether it could be read."""
        return cast(schemas.KnowledgeItem, self._wire.post(tenant_path(tenant_id, "knowledge"), body))

    def each(self, tenant_id: str) -> Iterator[schemas.KnowledgeItem]:
        """All, oldest first, without their texts."""
        return self._wire.each(tenant_path(tenant_id, "knowledge"))

    def get(self, tenant_id: str, document_id: str) -> schemas.KnowledgeDetail:
        """One with its text."""
        return cast(schemas.KnowledgeDetail, self._wire.get(tenant_path(tenant_id, "knowledge", document_id)))

    def replace(self, tenant_id: str, document_id: str, body: schemas.KnowledgeBody) -> schemas.KnowledgeItem:
        """Another text in its place. Raises Conflict when somebody changes it meanwhile."""
        path = tenant_path(tenant_id, "knowledge", document_id)
        told = self._wire.ask("PUT", path, json=body, headers={"If-Match": self._wire.ask("GET", path).etag})
        return cast(schemas.KnowledgeItem, told.body)

    def retry(self, tenant_id: str, document_id: str) -> schemas.KnowledgeItem:
        """Read a failed one again."""
        return cast(schemas.KnowledgeItem, self._wire.post(tenant_path(tenant_id, "knowledge", f"{document_id}:retry")))

    def delete(self, tenant_id: str, document_id: str) -> None:
        """Forget one."""
        self._wire.ask("DELETE", tenant_path(tenant_id, "knowledge", document_id))


class Bundles:
    """Tenants as documents."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def export(self, tenant_id: str) -> schemas.TenantBundle:
        """A tenant without its calls and secrets."""
        return cast(schemas.TenantBundle, self._wire.get(tenant_path(f"{tenant_id}:export")))

    def import_(self, tenant_id: str, bundle: Mapping[str, Any]) -> schemas.TenantImport:
        """A new tenant of a bundle. Raises RequestRejected with all faults of the bundle."""
        return cast(schemas.TenantImport, self._wire.post("/v1/tenants:import", {"id": tenant_id, "bundle": dict(bundle)}))
