"""Every tenant store: what it gives is live."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from nexus.adapters.aws import AwsStores
from nexus.adapters.files import FileTenantStore
from nexus.adapters.memory import MemoryTenantStore
from nexus.domain.tenant import TenantConfig
from nexus.errors import NotFound
from nexus.ports import TenantStore
from tests.aws import AWS, aws

Put = Callable[[str, str], Awaitable[None]]
"""Writes the system prompt of a tenant."""


def _files(root: Path) -> tuple[TenantStore, Put]:
    async def put(tenant_id: str, prompt: str) -> None:
        folder = root / tenant_id
        folder.mkdir(exist_ok=True)
        (folder / "config.yaml").write_text(f"tenant_id: {tenant_id}\nsystem_prompt: {prompt}\n", encoding="utf-8")

    return FileTenantStore(root), put


def _memory() -> tuple[TenantStore, Put]:
    store = MemoryTenantStore()

    async def put(tenant_id: str, prompt: str) -> None:
        store.put(TenantConfig(tenant_id=tenant_id, system_prompt=prompt))

    return store, put


def _aws(stores: AwsStores) -> tuple[TenantStore, Put]:
    async def put(tenant_id: str, prompt: str) -> None:
        known = await stores.tenants.version(tenant_id) if tenant_id in await stores.tenants.list_ids() else 0
        await stores.tenants.publish(TenantConfig(tenant_id=tenant_id, system_prompt=prompt), expected=known)

    return stores.tenants, put


@pytest.fixture(params=["memory", "files", *AWS])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[TenantStore, Put]:
    match request.param:
        case "memory":
            return _memory()
        case "files":
            return _files(tmp_path)
    return _aws(aws(request))


async def test_a_tenant_is_found_and_listed(opened: tuple[TenantStore, Put]) -> None:
    store, put = opened
    await put("pizza", "p")
    await put("barber", "b")
    assert (await store.get("barber")).system_prompt == "b"
    assert await store.list_ids() == ("barber", "pizza")


async def test_each_get_sees_the_newest_edit(opened: tuple[TenantStore, Put]) -> None:
    store, put = opened
    for prompt in ("aaa", "bbb", "ccc", "longer"):
        await put("barber", prompt)
        assert (await store.get("barber")).system_prompt == prompt


async def test_a_tenant_that_comes_later_is_there(opened: tuple[TenantStore, Put]) -> None:
    store, put = opened
    with pytest.raises(NotFound) as refused:
        await store.get("barber")
    assert refused.value.code == "tenant_not_found"
    await put("barber", "b")
    assert (await store.get("barber")).tenant_id == "barber"
