"""Any interleaving of publish, rollback, canary, promote, abort, suspend, resume, call start and delete leaves one active version, whole.

Each store access is a point where another task may go first; hypothesis chooses who. Many stories run over memory, and fewer over SQLite
and DynamoDB (moto), whose requests moreover run beside each other.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_plane.services.calls import CallDesk, CallPolicy, CallRequest
from control_plane.services.configs import CanaryWish, ConfigDesk, ConfigView
from control_plane.services.drafts import DraftDesk
from control_plane.services.erasure import DELETE_TENANT, ErasedStores, TenantErasure
from control_plane.services.jobs import JobDesk
from control_plane.services.tenant_heads import TenantHeads
from control_plane.services.tenants import TenantDesk
from nexus import tickets
from nexus.adapters.aws import AwsStores
from nexus.adapters.document_tenants import DocumentTenantStore
from nexus.adapters.identifiers import UlidIds
from nexus.adapters.memory import MemoryCallJournal, MemoryCallLedger, MemoryDocumentStore, MemoryTenantStore
from nexus.adapters.sqlite import Database, SqliteDocumentStore
from nexus.clock import Clock
from nexus.domain import tenancy
from nexus.domain.call import CallEntry, Caller, MediaProcess
from nexus.domain.tenancy import TenantProfile
from nexus.errors import Conflict, NexusError
from nexus.ports.documents import Change, Document, DocumentStore

_NUMBERS = itertools.count(1)
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

    def __init__(self, turns: Turns, documents: DocumentStore) -> None:
        self._documents = documents
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

    def __init__(self, turns: Turns, documents: DocumentStore | None = None) -> None:
        clock, ids = Clock(), UlidIds()
        self.id = f"shop_{next(_NUMBERS)}"
        self.documents = TurnByTurn(turns, documents or MemoryDocumentStore())
        folders = MemoryTenantStore()
        self.tenants = DocumentTenantStore(self.documents, folders)
        self.ledger = MemoryCallLedger()
        heads = TenantHeads(self.documents, folders, clock)
        erasure = TenantErasure(heads, ErasedStores({"calls": self.ledger}, MemoryCallJournal()))
        self.jobs = JobDesk(self.documents, ids, clock, {DELETE_TENANT: erasure.steps()})
        self.desk = TenantDesk(self.tenants, heads, self.jobs, b"k")
        self.drafts = DraftDesk(heads)
        self.configs = ConfigDesk(heads, self.drafts, b"k")
        self.calls = CallDesk(self.tenants, self.ledger, ids, clock, CallPolicy(KEY))
        self.clock = clock
        self.started: list[CallEntry] = []
        self.accepted: dict[int, str] = {}
        self.told_active: set[int] = set()
        self.told_canary: set[int] = set()
        self.deleted = False
        self._number = 0

    async def open(self) -> None:
        await self.ledger.heartbeat(MediaProcess(process_id="p", url="", engine="s", slots=99, seen_at=self.clock.now()))
        await self.desk.create(self.id, TenantProfile())
        await self.publish()

    async def publish(self) -> None:
        self._number += 1
        await self.drafts.put(self.id, {"system_prompt": f"prompt {self._number}"}, expected=None)
        self._publish(await self.configs.publish(self.id))

    async def rollback(self) -> None:
        self._publish(await self.configs.rollback(self.id, 1))

    async def canary(self) -> None:
        """A draft that only a part of new calls gets."""
        self._number += 1
        await self.drafts.put(self.id, {"system_prompt": f"prompt {self._number}"}, expected=None)
        view = await self.configs.start_canary(self.id, CanaryWish(50))
        assert view.canary is not None
        self._accept(view.canary.publication.version, view.canary.publication.config_hash)
        self._tell(view)

    async def canary_of_the_first(self) -> None:
        """An older version again; the same one only gets another percentage."""
        self._tell(await self.configs.start_canary(self.id, CanaryWish(90, version=1)))

    async def promote(self) -> None:
        self._tell(await self.configs.promote_canary(self.id))

    async def abort(self) -> None:
        self._tell(await self.configs.abort_canary(self.id))

    async def call(self) -> None:
        self._number += 1
        caller = Caller(external_id=f"caller {self._number}")
        ordered = await self.calls.create(self.id, CallRequest(f"key {self._number}", "body", caller))
        self.started.append(ordered.entry)

    async def suspend(self) -> None:
        await self.desk.suspend(self.id)

    async def resume(self) -> None:
        await self.desk.resume(self.id)

    async def delete(self) -> None:
        await self.desk.delete(self.id)
        self.deleted = True

    def _publish(self, view: ConfigView) -> None:
        assert view.canary is None, "whoever publishes decides for all new calls"
        self._accept(view.version, view.config.config_hash)
        self._tell(view)

    def _tell(self, view: ConfigView) -> None:
        self.told_active.add(view.version)
        if view.canary is not None:
            self.told_canary.add(view.canary.publication.version)

    def _accept(self, version: int, config_hash: str) -> None:
        assert version not in self.accepted, "two publications were told the same version"
        self.accepted[version] = config_hash


def surviving(*acts: Callable[[], Awaitable[None]]) -> Coroutine[Any, Any, None]:
    async def run() -> None:
        for act in acts:
            with suppress(NexusError):  # refused, which is an answer
                await act()

    return run()


ACTS = (
    *("publish", "rollback", "canary", "canary_of_the_first", "promote", "abort", "promote", "call", "call"),
    *("suspend", "resume", "delete"),
)
WORKS = st.lists(st.lists(st.sampled_from(ACTS), min_size=1, max_size=3), min_size=2, max_size=4)
"""What each of a few people does, one thing after another, beside the others."""
CHOICES = st.lists(st.integers(0, 6), max_size=90)


async def story(works: list[list[str]], choices: list[int], documents: DocumentStore | None = None) -> None:
    turns = Turns([])
    shop = Shop(turns, documents)
    await turns.run([shop.open()])
    turns.choices = choices
    await turns.run([surviving(*(getattr(shop, act) for act in one)) for one in works])
    await turns.run([consistent(shop)])


@given(works=WORKS, choices=CHOICES)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_one_consistent_active_version(works: list[list[str]], choices: list[int]) -> None:
    asyncio.run(story(works, choices))


STORED = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@given(works=WORKS, choices=CHOICES)
@STORED
def test_one_consistent_active_version_in_sqlite(
    tmp_path_factory: pytest.TempPathFactory, works: list[list[str]], choices: list[int]
) -> None:
    asyncio.run(story(works, choices, SqliteDocumentStore(Database(tmp_path_factory.mktemp("shop") / "nexus.sqlite"))))


@given(works=WORKS, choices=CHOICES)
@STORED
def test_one_consistent_active_version_in_dynamodb(moto_stores: AwsStores, works: list[list[str]], choices: list[int]) -> None:
    asyncio.run(story(works, choices, moto_stores.documents))


async def consistent(shop: Shop) -> None:
    found = await shop.documents.get(shop.id, tenancy.HEAD_KEY)
    assert found is not None
    head = tenancy.read_head(found.body)
    assert head.active is not None
    assert head.state == ("deleting" if shop.deleted else head.state)
    kept = await shop.documents.list(shop.id, tenancy.VERSION_PREFIX, limit=99)
    versions = {one.version: one for one in (tenancy.read_publication(document.body) for document in kept)}
    assert [*versions] == [*range(1, head.last_version + 1)], "versions count without gaps"
    assert {number: one.config_hash for number, one in versions.items()} == shop.accepted, "what was answered is what is kept, and no more"
    assert head.active == versions[head.active.version] and head.active.version in shop.told_active, "one version is active, whole"
    if not shop.told_canary:
        assert head.active.version == head.last_version, "without canaries the newest version is the active one"
    if head.canary is not None:
        beside = head.canary.publication
        assert beside == versions[beside.version] and beside.version in shop.told_canary - {head.active.version}
    for entry in shop.started:
        ordered = versions[entry.order.config_version]
        assert ordered.config_hash == entry.order.config_hash, "a call has one version, whole"
        assert ordered.version in shop.told_active | shop.told_canary, "and one that was for new calls"
        if head.state == "active":
            terms = await shop.tenants.for_call(shop.id, ordered.version, pick="somebody else")
            assert terms.config.config_hash == ordered.config_hash, "it stays with it"


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
            await shop.drafts.put(shop.id, {"system_prompt": "first"}, expected=None)

        async def publish() -> None:
            await shop.configs.publish(shop.id)

        async def write() -> None:
            try:
                await shop.drafts.put(shop.id, late, expected=None)
            except Conflict:  # told to whoever wrote it, who repeats it
                await shop.drafts.put(shop.id, late, expected=None)

        async def look() -> None:
            active = (await shop.configs.active(shop.id)).config.system_prompt
            assert active == late["system_prompt"] or (await shop.drafts.get(shop.id)).body == late

        await turns.run([prepare()])
        turns.choices = choices
        await turns.run([publish(), write()])
        await turns.run([look()])

    asyncio.run(story())
