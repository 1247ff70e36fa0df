"""The second wall: whatever is asked, work gets its own tenant's things only."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.access.principal import LOCAL, PUBLIC, Kind, Principal, asked_by
from control_plane.services import tenant_wall
from control_plane.services.tenant_wall import WalledTenants, check_wall
from control_plane.wiring import walled
from nexus.adapters.memory import MemoryTenantStore
from nexus.context import working_for
from nexus.domain.tenancy import PLATFORM
from nexus.domain.tenant import TenantConfig
from nexus.errors import NotFound
from tests.fakes.control_plane import memory_stores

ids = st.sampled_from(["acme", "acme2", "acm", "pizza", ""])


@given(bound=ids, asked=ids, own=ids)
def test_only_bound_work_of_a_principal_that_reaches_the_tenant_passes(bound: str, asked: str, own: str) -> None:
    with asked_by(Principal(Kind.API_KEY, "k", own)), working_for(tenant_id=bound):
        if asked and asked == bound == own:
            check_wall(asked)
        else:
            with pytest.raises((NotFound, RuntimeError)):
                check_wall(asked)


def test_work_outside_of_requests_is_held_to_what_it_is_bound_to() -> None:
    with working_for(tenant_id="acme"):
        check_wall("acme")
        with pytest.raises(NotFound, match="tenant_not_found"):
            check_wall("acme2")
    with working_for(tenant_id=""), pytest.raises(RuntimeError, match="working_for"):
        check_wall("acme")


def test_the_operator_works_for_one_tenant_at_a_time() -> None:
    with asked_by(LOCAL), working_for(tenant_id="acme"):
        check_wall("acme")
        with pytest.raises(NotFound):
            check_wall("acme2")


def test_nobody_is_nobody() -> None:
    with asked_by(PUBLIC), working_for(tenant_id="acme"), pytest.raises(NotFound):
        check_wall("acme")


def test_the_operators_own_documents_pass() -> None:
    with asked_by(Principal(Kind.API_KEY, "k", "acme")), working_for(tenant_id="acme"):
        check_wall(PLATFORM)


async def test_the_list_of_tenants_is_ones_own() -> None:
    def config(name: str) -> TenantConfig:
        return TenantConfig(tenant_id=name, system_prompt="x")

    store = WalledTenants(MemoryTenantStore(config("acme"), config("acme2")))
    with asked_by(Principal(Kind.API_KEY, "k", "acme")):
        assert await store.list_ids() == ("acme",)
    with asked_by(LOCAL):
        assert await store.list_ids() == ("acme", "acme2")
    assert await store.list_ids() == ("acme", "acme2")


PASSING = {"heartbeat", "redeem", "release", "delete_expired", "list_ids"}
"""What names no tenant: the media processes' side of the ledger, housekeeping, and the list that is filtered."""


def test_every_method_that_names_a_tenant_asks_the_wall() -> None:
    """Also those that a later port brings."""
    for name in ("Tenants", "Archive", "Index", "Leads", "Documents", "Ledger", "Erasable", "Conversations"):
        wall: Any = getattr(tenant_wall, f"Walled{name}")
        for method, body in inspect.getmembers(wall, inspect.isfunction):
            if not method.startswith("_") and method not in PASSING:
                assert "check_wall(" in inspect.getsource(body), f"Walled{name}.{method}"


def test_every_store_of_the_control_plane_is_walled() -> None:
    stores = walled(memory_stores())
    every = {name: getattr(stores, name) for name in stores.__dataclass_fields__ if name != "erased"} | dict(stores.erased.erasable)
    assert [name for name, store in every.items() if not type(store).__name__.startswith("Walled")] == []
