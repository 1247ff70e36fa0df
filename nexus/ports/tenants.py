"""Tenants' configurations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from nexus.domain.tenant import TenantConfig


@dataclass(frozen=True, slots=True)
class CallTerms:
    """What a call of a tenant is held to.

    Attributes:
        config: the configuration it runs with.
        version: that configuration's version; 0: one that is edited in place.
        origins: further pages that may open the tenant's calls.
        standing: the version of the tenant's head by which all this was decided (0: there was none); None: the tenant has no head here.
    """

    config: TenantConfig
    version: int = 0
    origins: tuple[str, ...] = ()
    standing: int | None = None


class TenantStore(Protocol):
    """Tenants' configurations. What it gives is live: an edit is seen by the next ``get``."""

    async def get(self, tenant_id: str) -> TenantConfig:
        """The configuration now, whether the tenant may be called or not.

        Raises:
            NotFound: ``tenant_not_found``.
            ConfigurationError: ``invalid_config`` with every fault in ``faults``, ``config_not_published``.
        """
        ...

    async def for_call(self, tenant_id: str, version: int | None = None, *, pick: str = "") -> CallTerms:
        """What a call is started with now, uploaded knowledge included.

        Args:
            version: the version that the call was ordered with, which is given as long as it is there; None: the active one, or the canary.
            pick: who or what calls: the same one gets the same of the two; empty: always the active one.

        Raises:
            NotAuthorised: ``tenant_suspended``: the tenant takes no calls.
            NotFound, ConfigurationError: like ``get``.
        """
        ...

    async def list_ids(self) -> tuple[str, ...]:
        """Every tenant's id, sorted; broken ones too."""
        ...
