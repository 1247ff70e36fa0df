"""Every tenant store: what it gives is live."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from control_plane.services.configs import ConfigDesk
from control_plane.services.drafts import DraftDesk
from control_plane.services.tenant_heads import TenantHeads
from nexus.adapters.document_tenants import DocumentTenantStore
from nexus.adapters.files import FileTenantStore
from nexus.adapters.memory import MemoryDocumentStore, MemoryTenantStore
from nexus.adapters.sqlite import Database, SqliteDocumentStore
from nexus.clock import Clock
from nexus.domain.tenancy import TenantHead
from nexus.domain.tenant import TenantConfig
from nexus.errors import NotFound
from nexus.ports.documents import DocumentStore
from nexus.ports.tenants import TenantStore
from tests.aws import AWS, aws
from tests.fakes.stored import NOON

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


def _documents(documents: DocumentStore) -> tuple[TenantStore, Put]:
    folders = MemoryTenantStore()
    heads = TenantHeads(documents, folders, Clock())
    drafts = DraftDesk(heads)
    configs = ConfigDesk(heads, drafts, b"k")
    store = DocumentTenantStore(documents, folders)

    async def put(tenant_id: str, prompt: str) -> None:
        if tenant_id not in await store.list_ids():
            head = TenantHead(tenant_id=tenant_id, created_at=NOON, updated_at=NOON)
            await TenantHeads(documents, folders, Clock()).new(head)
        await drafts.put(tenant_id, {"system_prompt": prompt}, expected=None)
        await configs.publish(tenant_id)

    return store, put


@pytest.fixture(params=["memory", "files", "documents", "sqlite documents", *AWS])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[TenantStore, Put]:
    match request.param:
        case "memory":
            return _memory()
        case "files":
            return _files(tmp_path)
        case "documents":
            return _documents(MemoryDocumentStore())
        case "sqlite documents":
            return _documents(SqliteDocumentStore(Database(tmp_path / "nexus.sqlite")))
    return _documents(aws(request).documents)


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


async def test_a_call_is_started_with_the_configuration_now(opened: tuple[TenantStore, Put]) -> None:
    store, put = opened
    await put("barber", "first")
    terms = await store.for_call("barber")
    assert (terms.config.system_prompt, terms.origins) == ("first", ())
    assert (await store.for_call("barber", terms.version)).config.tenant_id == "barber"
    with pytest.raises(NotFound) as refused:
        await store.for_call("pizza")
    assert refused.value.code == "tenant_not_found"
