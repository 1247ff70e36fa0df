"""What a store must be able to do for a tenant that is deleted."""

from __future__ import annotations

from typing import Protocol


class Erasable(Protocol):
    """A store that can forget a tenant: the archive, the index, the leads, the tools' values, the effects, and the ledger, which asks for
    the end of the tenant's living calls and forgets all others."""

    async def erase_tenant(self, tenant_id: str) -> bool:
        """Remove what is kept of the tenant. Broken off, it can be begun again; where nothing is left it is silent.

        Returns:
            Whether nothing is left. False: ask again in a while (a call still lives).
        """
        ...
