"""``nexus key new``: an API key made on the machine itself, by whoever may write its data folder; for a start without an issuer."""

from __future__ import annotations

from collections.abc import Sequence

from control_plane import embedded_wiring as control
from control_plane.access.matrix import scopes
from control_plane.services.api_keys import KeyWish
from nexus.clock import Clock
from nexus.context import working_for
from nexus.domain.ids import check_tenant_id
from nexus.settings.values import Settings


async def new_key(settings: Settings, tenant_id: str, wished: Sequence[str], *, name: str, test: bool = False) -> str:
    """The text of a fresh key, which is kept nowhere.

    Args:
        wished: scopes; ``all`` stands for every one.

    Raises:
        NexusError: no such tenant, an unknown scope, a data folder that cannot be written.
    """
    given = tuple(sorted(scopes())) if "all" in wished else tuple(wished)
    with working_for(tenant_id=check_tenant_id(tenant_id)):
        tenants, keys = control.key_desk(settings, Clock())
        await tenants.get(tenant_id)
        issued = await keys.create(tenant_id, KeyWish(name, "test" if test else "live", given), by="nexus key new")
    return issued.text
