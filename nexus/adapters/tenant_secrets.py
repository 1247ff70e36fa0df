"""Tenants' secrets as sealed documents."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from nexus.clock import Clock
from nexus.errors import Conflict, NotFound, QuotaExceeded
from nexus.ports.documents import Delete, Document, DocumentStore, Put
from nexus.ports.secrets import Seal, SecretNote

MOST_SECRETS = 100
_LEAST_SHOWN = 12
"""A shorter secret would be told for a good part by its last four characters."""


class SealedSecrets:
    """``nexus.ports.secrets.SecretStore`` over documents.

    Args:
        documents: where they lie.
        seal: what closes and opens them; tenant and name are part of the seal, so that none can stand in another's place.
        clock: wall time.
    """

    def __init__(self, documents: DocumentStore, seal: Seal, clock: Clock) -> None:
        self._documents = documents
        self._seal = seal
        self._clock = clock

    async def put(self, tenant_id: str, name: str, value: str) -> SecretNote:
        """See ``SecretStore.put``."""
        known = await self.list(tenant_id)
        if len(known) >= MOST_SECRETS and all(one.name != name for one in known):
            raise QuotaExceeded("too_many_secrets", f"A tenant has at most {MOST_SECRETS} secrets; delete one.", retry_after_s=60)
        now = self._clock.now()
        last4 = value[-4:] if len(value) >= _LEAST_SHOWN else ""
        body = {"sealed": await self._seal.close(_owner(tenant_id, name), value), "last4": last4, "updated_at": now.isoformat()}
        await self._documents.write(tenant_id, Put(_key(name), body))
        return SecretNote(name, last4, now)

    async def list(self, tenant_id: str) -> tuple[SecretNote, ...]:
        """See ``SecretStore.list``."""
        found = await self._documents.list(tenant_id, _key(""), limit=MOST_SECRETS + 1)
        return tuple(_note(one) for one in found)

    async def delete(self, tenant_id: str, name: str) -> None:
        """See ``SecretStore.delete``."""
        found = await self._documents.get(tenant_id, _key(name))
        if found is None:
            raise _unknown()
        try:
            await self._documents.write(tenant_id, Delete(_key(name), found.version))
        except Conflict as error:
            raise Conflict("conflict", "The secret was changed at the same moment; look, and try again.") from error

    async def reveal(self, tenant_id: str, names: Sequence[str]) -> Mapping[str, str]:
        """See ``SecretStore.reveal``."""
        found = await asyncio.gather(*(self._documents.get(tenant_id, _key(name)) for name in names))
        return {
            name: await self._seal.open(_owner(tenant_id, name), str(one.body["sealed"]))
            for name, one in zip(names, found, strict=True)
            if one is not None
        }


def _key(name: str) -> str:
    return f"secret/{name}"


def _owner(tenant_id: str, name: str) -> str:
    return f"{tenant_id}/secret/{name}"


def _note(found: Document) -> SecretNote:
    return SecretNote(found.key.removeprefix(_key("")), str(found.body["last4"]), datetime.fromisoformat(found.body["updated_at"]))


def _unknown() -> NotFound:
    return NotFound("secret_not_found", "There is no such secret for this tenant.")
