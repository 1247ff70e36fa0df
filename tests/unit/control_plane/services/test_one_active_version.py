"""Any interleaving of publish, rollback, suspend, resume, call start and delete leaves one consistent active version.

Each store access is a point where another task may go first; hypothesis chooses who. The stores are the memory adapters, whose
transactions are the contract of all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_plane.services.calls import CallDesk, CallPolicy, CallRequest
from control_plane.services.configs import ConfigDesk
from control_plane.services.erasure import DELETE_TENANT, ErasedStores, TenantErasure
from control_plane.services.jobs import JobDesk
from control_plane.services.tenant_heads import TenantHeads
from control_plane.services.tenants import TenantDesk
from nexus import tickets
from nexus.adapters.document_tenants import DocumentTenantStore
from nexus.adapters.identifiers import UlidIds
from nexus.adapters.memory import MemoryCallJournal, MemoryCallLedger, MemoryDocumentStore, MemoryTenantStore
from nexus.clock import Clock
from nexus.domain import tenancy
from nexus.domain.call import CallEntry, MediaProcess
from nexus.domain.tenancy import TenantProfile
from nexus.errors import Conflict, NexusError
from nexus.ports import Change, Document

SHOP = "corner_shop"
KEY = tickets.new_private_key()


class Turns:
    """Lets one of the waiting tasks go on at a time, the one that ``choices`` names."""

    def __init__(self, choices: list[int]) -> None:
        self.choices = choices
        self._waiting: list[asyncio.Future[None]] = []

    async def point(self) -> None:
        """Somebody else may go first here."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    async def run(self, works: list[Coroutine[Any, Any, None]]) -> None:
        tasks = [asyncio.create_task(work) for work in works]
        while not all(task.done() for task in tasks):
            for _ in range(20):  # until every task waits for its turn or is done
                await asyncio.sleep(0)
            if self._waiting:
                chosen = self.choices.pop() if self.choices else 0
                self._waiting.pop(chosen % len(self._waiting)).set_result(None)
        for task in tasks:
            task.result()


class TurnByTurn:
    """A ``DocumentStore`` that lets others go first before each access."""

    def __init__(self, turns: Turns) -> None:
        self._documents = MemoryDocumentStore()
        self.turns = turns

    async def get(self, tenant_id: str, key: str) -> Document | None:
        await self.turns.point()
        return await self._documents.get(tenant_id, key)

    async def list(self, tenant_id: str, prefix: str, *, limit: int, after: str = "", newest_first: bool = False) -> tuple[Document, ...]:
        await self.turns.point()
        return await self._documents.list(tenant_id, prefix, limit=limit, after=after, newest_first=newest_first)

    async def write(self, tenant_id: str, *changes: Change) -> tuple[int, ...]:
        await self.turns.point()
        return await self._documents.write(tenant_id, *changes)


class Shop:
    """A tenant with everything that changes it."""

    def __init__(self, turns: Turns) -> None:
        clock, ids = Clock(), UlidIds()
        self.documents = TurnByTurn(turns)
        folders = MemoryTenantStore()
        self.tenants = DocumentTenantStore(self.documents, folders)
        self.ledger = MemoryCallLedger()
        heads = TenantHeads(self.documents, folders, clock)
        erasure = TenantErasure(heads, ErasedStores({"calls": self.ledger}, MemoryCallJournal()))
        self.jobs = JobDesk(self.documents, ids, clock, {DELETE_TENANT: erasure.steps()})
        self.desk = TenantDesk(self.tenants, heads, self.jobs, b"k")
        self.configs = ConfigDesk(heads, b"k")
        self.calls = CallDesk(self.tenants, self.ledger, ids, clock, CallPolicy(KEY))
        self.clock = clock
        self.started: list[CallEntry] = []
        self.accepted: dict[int, str] = {}
        self.deleted = False
        self._number = 0

    async def open(self) -> None:
        await self.ledger.heartbeat(MediaProcess(process_id="p", url="", engine="s", slots=99, seen_at=self.clock.now()))
        await self.desk.create(SHOP, TenantProfile())
        await self.publish()

    async def publish(self) -> None:
        self._number += 1
        await self.configs.put_draft(SHOP, {"system_prompt": f"prompt {self._number}"}, expected=None)
        view = await self.configs.publish(SHOP)
        self._accept(view.version, view.config.config_hash)

    async def rollback(self) -> None:
        view = await self.configs.rollback(SHOP, 1)
        self._accept(view.version, view.config.config_hash)

    async def call(self) -> None:
        self._number += 1
        ordered = await self.calls.create(SHOP, CallRequest(f"key {self._number}", "body"))
        self.started.append(ordered.entry)

    async def suspend(self) -> None:
        await self.desk.suspend(SHOP)

    async def resume(self) -> None:
        await self.desk.resume(SHOP)

    async def delete(self) -> None:
        await self.desk.delete(SHOP)
        self.deleted = True

    def _accept(self, version: int, config_hash: str) -> None:
        assert version not in self.accepted, "two publications were told the same version"
        self.accepted[version] = config_hash


def surviving(act: Callable[[], Awaitable[None]]) -> Coroutine[Any, Any, None]:
    async def run() -> None:
        with suppress(NexusError):  # refused, which is an answer
            await act()

    return run()


ACTS = st.lists(st.sampled_from(["publish", "rollback", "call", "suspend", "resume", "delete"]), min_size=2, max_size=6)


@given(acts=ACTS, choices=st.lists(st.integers(0, 5), max_size=80))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_one_consistent_active_version(acts: list[str], choices: list[int]) -> None:
    async def story() -> None:
        turns = Turns([])
        shop = Shop(turns)
        await turns.run([shop.open()])
        turns.choices = choices
        await turns.run([surviving(getattr(shop, act)) for act in acts])
        await turns.run([consistent(shop)])

    asyncio.run(story())


async def consistent(shop: Shop) -> None:
    found = await shop.documents.get(SHOP, tenancy.HEAD_KEY)
    assert found is not None
    head = tenancy.read_head(found.body)
    assert head.active is not None
    assert head.state == ("deleting" if shop.deleted else head.state)
    kept = await shop.documents.list(SHOP, tenancy.VERSION_PREFIX, limit=99)
    versions = {one.version: one for one in (tenancy.read_publication(document.body) for document in kept)}
    assert [*versions] == [*range(1, head.last_version + 1)], "versions count without gaps"
    assert {number: one.config_hash for number, one in versions.items()} == shop.accepted, "what was answered is what is kept, and no more"
    assert head.active == versions[head.last_version], "the newest version is the active one, whole"
    for entry in shop.started:
        ordered = versions[entry.order.config_version]
        assert ordered.config_hash == entry.order.config_hash, "a call has one version, whole"
        if head.state == "active":
            assert (await shop.tenants.for_call(SHOP, ordered.version)).config.config_hash == ordered.config_hash


@pytest.mark.parametrize("times", [2, 5])
async def test_publishing_at_once_gives_each_draft_one_version(times: int) -> None:
    turns = Turns([index * 7 for index in range(200)])
    shop = Shop(turns)
    await turns.run([shop.open()])
    await turns.run([surviving(shop.publish) for _ in range(times)])
    await turns.run([consistent(shop)])


@given(choices=st.lists(st.integers(0, 5), max_size=30))
@settings(max_examples=60, deadline=None)
def test_a_draft_written_while_another_is_published_is_not_lost(choices: list[int]) -> None:
    async def story() -> None:
        turns = Turns([])
        shop = Shop(turns)
        late = {"system_prompt": "written meanwhile"}

        async def prepare() -> None:
            await shop.open()
            await shop.configs.put_draft(SHOP, {"system_prompt": "first"}, expected=None)

        async def publish() -> None:
            await shop.configs.publish(SHOP)

        async def write() -> None:
            try:
                await shop.configs.put_draft(SHOP, late, expected=None)
            except Conflict:  # told to whoever wrote it, who repeats it
                await shop.configs.put_draft(SHOP, late, expected=None)

        async def look() -> None:
            active = (await shop.configs.active(SHOP)).config.system_prompt
            assert active == late["system_prompt"] or (await shop.configs.draft(SHOP)).body == late

        await turns.run([prepare()])
        turns.choices = choices
        await turns.run([publish(), write()])
        await turns.run([look()])

    asyncio.run(story())
