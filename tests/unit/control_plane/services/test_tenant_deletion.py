"""Deleting a tenant: killed before any access to any store and begun again, everything is gone, and nobody else's is touched."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from control_plane.services.erasure import DELETE_TENANT, ErasedStores, TenantErasure
from control_plane.services.jobs import Job, JobDesk, Step
from control_plane.services.tenant_heads import TenantHeads
from control_plane.services.tenants import TenantDesk
from nexus.adapters.document_tenants import DocumentTenantStore
from nexus.adapters.files import FileCallJournal, FileSessionArchive
from nexus.adapters.identifiers import UlidIds
from nexus.adapters.memory import (
    MemoryCallJournal,
    MemoryCallLedger,
    MemoryDocumentStore,
    MemoryEffectLog,
    MemoryLeadStore,
    MemorySessionArchive,
    MemorySessionIndex,
    MemoryTenantStore,
    MemoryToolStore,
)
from nexus.adapters.sqlite import (
    Database,
    SqliteCallLedger,
    SqliteDocumentStore,
    SqliteEffectLog,
    SqliteLeadStore,
    SqliteSessionIndex,
    SqliteToolStore,
)
from nexus.domain.call import EndReason
from nexus.domain.journal import Opened
from nexus.domain.tenancy import PLATFORM, TenantProfile
from nexus.errors import Conflict, NotFound, Unavailable
from nexus.ports.documents import Put
from nexus.ports.sessions import SessionFilter
from tests.fakes.later_clock import LaterClock
from tests.fakes.stored import NOON, analysis, call_id, order, private, process, record, row

SHOPS = ("corner_shop", "other_shop")


class Killed(BaseException):
    """The process is gone."""


class Mortal:
    """A store of a process that dies at the ``dies_at``-th access of all its stores; with 0 it lives."""

    def __init__(self, store: Any, life: Life) -> None:
        self._store = store
        self._life = life

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)

        async def lived(*args: Any, **named: Any) -> Any:
            self._life.step()
            return await method(*args, **named)

        return lived


class Life:
    def __init__(self, dies_at: int = 0) -> None:
        self.steps = 0
        self._dies_at = dies_at

    def step(self) -> None:
        self.steps += 1
        if self.steps == self._dies_at:
            raise Killed


class Machine:
    """The stores that outlive processes."""

    def __init__(self, stores: dict[str, Any], documents: Any, journal: Any) -> None:
        self.stores = stores
        self.documents = documents
        self.journal = journal
        self.clock = LaterClock()

    def process(self, life: Life) -> tuple[TenantDesk, JobDesk]:
        """A process of the control plane over them."""
        documents = Mortal(self.documents, life)
        folders = MemoryTenantStore()
        heads = TenantHeads(documents, folders, self.clock)
        mortal = {name: Mortal(store, life) for name, store in self.stores.items()}
        erasure = TenantErasure(heads, ErasedStores(mortal, Mortal(self.journal, life)))
        jobs = JobDesk(documents, UlidIds(), self.clock, {DELETE_TENANT: erasure.steps()})
        return TenantDesk(DocumentTenantStore(documents, folders), heads, jobs, b"k"), jobs

    async def furnish(self) -> None:
        """Two tenants, each with something in every store; nothing waits for a caller."""
        desk, _ = self.process(Life())
        for number, tenant_id in enumerate(SHOPS):
            await desk.create(tenant_id, TenantProfile(name=tenant_id))
            await self.documents.write(tenant_id, *(Put(f"webhook/{n}", {"n": n}) for n in range(20)))
            await self.documents.write(tenant_id, *(Put(f"event/{n}", {"n": n}) for n in range(20)))
            await self.stores["archive"].put(record(number, tenant_id=tenant_id), private(number, tenant_id=tenant_id))
            await self.stores["index"].put(row(number, tenant_id=tenant_id))
            await self.stores["leads"].put(analysis(number, tenant_id=tenant_id))
            await self.stores["tool_values"].put(tenant_id, "k", 1)
            await self.stores["effects"].begin(tenant_id, call_id(number), "e", "book")
            opened = Opened(
                call_id=call_id(50 + number), tenant_id=tenant_id, config_hash="h", engine="s", created_at=NOON, connected_at=NOON
            )
            await self.journal.append(opened.call_id, (opened,))

    async def count(self, tenant_id: str) -> dict[str, int]:
        """How much there is of a tenant."""
        number = SHOPS.index(tenant_id)
        effect = await self.stores["effects"].begin(tenant_id, call_id(number), "e", "book")
        if effect.state == "new":
            await self.stores["effects"].forget(tenant_id, call_id(number), "e")
        return {
            "archive": len(await self.stores["archive"].list_calls(tenant_id)),
            "private": int(await self.stores["archive"].get_private(tenant_id, call_id(number)) is not None),
            "index": len(await self.stores["index"].list(tenant_id, SessionFilter(), limit=9)),
            "leads": len(await self.stores["leads"].list(tenant_id, limit=9)),
            "tool_values": len(await self.stores["tool_values"].list(tenant_id, "")),
            "effects": int(effect.state != "new"),
            "journals": len(await self.journal.read(call_id(50 + number))),
            "documents": len([one for one in await self.documents.list(tenant_id, "", limit=99) if one.key != "tenant"]),
            "listed": len(await self.documents.list(PLATFORM, f"tenant/{tenant_id}", limit=9)),
        }


WHOLE = {"archive": 1, "private": 1, "index": 1, "leads": 1, "tool_values": 1, "effects": 1, "journals": 1, "documents": 40, "listed": 1}


def memory() -> Machine:
    stores = {
        "calls": MemoryCallLedger(),
        "archive": MemorySessionArchive(),
        "index": MemorySessionIndex(),
        "leads": MemoryLeadStore(),
        "tool_values": MemoryToolStore(),
        "effects": MemoryEffectLog(),
    }
    return Machine(stores, MemoryDocumentStore(), MemoryCallJournal())


def disk(folder: Path) -> Machine:
    database = Database(folder / "nexus.sqlite")
    stores = {
        "calls": SqliteCallLedger(database),
        "archive": FileSessionArchive(folder),
        "index": SqliteSessionIndex(database),
        "leads": SqliteLeadStore(database),
        "tool_values": SqliteToolStore(database),
        "effects": SqliteEffectLog(database),
    }
    return Machine(stores, SqliteDocumentStore(database), FileCallJournal(folder))


@pytest.fixture(params=["memory", "disk"])
async def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    found = memory() if request.param == "memory" else disk(tmp_path)
    await found.furnish()
    return found


async def deletion(machine: Machine, life: Life) -> None:
    """What one process does: the request, the job as far as it goes, and the job again after the stragglers' time."""
    desk, jobs = machine.process(life)
    try:
        job = await desk.delete("corner_shop")
    except NotFound:
        pass  # an earlier process has come to the end
    else:
        assert job.kind == DELETE_TENANT
    await jobs.run_open()
    machine.clock.advance(timedelta(minutes=5))
    await jobs.run_open()


async def is_whole(machine: Machine) -> None:
    assert set((await machine.count("corner_shop")).values()) == {0}
    assert await machine.count("other_shop") == WHOLE
    assert [one.key for one in await machine.documents.list("corner_shop", "", limit=9)] == ["tenant"]
    assert await machine.documents.list(PLATFORM, "open-job/", limit=9) == ()
    desk, _ = machine.process(Life())
    with pytest.raises(Conflict, match="tenant_exists"):
        await desk.create("corner_shop", TenantProfile())


async def test_everything_of_the_tenant_goes_and_nothing_of_another(machine: Machine) -> None:
    assert await machine.count("corner_shop") == WHOLE
    await deletion(machine, Life())
    await is_whole(machine)


async def test_killed_before_any_access_and_begun_again() -> None:
    """In memory, at each access of the whole story in turn."""
    life = Life()
    whole = memory()
    await whole.furnish()
    await deletion(whole, life)
    assert life.steps > 30
    for dies_at in range(1, life.steps + 1):
        machine = memory()
        await machine.furnish()
        with pytest.raises(Killed):
            await deletion(machine, Life(dies_at))
        await deletion(machine, Life())  # the next process: the client repeats its request, the runner its work
        await is_whole(machine)


async def test_killed_again_and_again_it_still_comes_to_an_end(machine: Machine) -> None:
    for dies_at in (3, 9, 15, 21, 27):
        with pytest.raises(Killed):
            await deletion(machine, Life(dies_at))
    await deletion(machine, Life())
    await is_whole(machine)


async def test_without_the_client_repeating_itself_the_job_goes_on_once_it_is_written_down(machine: Machine) -> None:
    desk, _ = machine.process(Life())
    await desk.delete("corner_shop")
    for _ in range(2):
        _, jobs = machine.process(Life())
        await jobs.run_open()
        machine.clock.advance(timedelta(minutes=5))
    await is_whole(machine)


async def test_a_living_call_is_ended_and_waited_for(machine: Machine) -> None:
    ledger, now = machine.stores["calls"], machine.clock.now()
    await ledger.heartbeat(process(seen_at=now))
    living = await ledger.reserve(order(tenant_id="corner_shop"), call_id=call_id(7), nonce="n", tenant_limit=9, lease_s=60, now=now)
    await ledger.redeem("corner_shop", living.call_id, nonce="n", process_id="mp_1", now=now)
    desk, jobs = machine.process(Life())
    job = await desk.delete("corner_shop")
    assert await jobs.run_open() == 1
    assert (await desk.job("corner_shop", job.id)).done == ("close",)
    assert (await machine.count("corner_shop"))["archive"] == 1, "the record of the call is still to come"
    assert (await ledger.heartbeat(process(seen_at=machine.clock.now()))).to_end == (living.call_id,)
    await machine.stores["archive"].put(record(8, tenant_id="corner_shop"), private(8, tenant_id="corner_shop"))
    await ledger.release("corner_shop", living.call_id, EndReason.TENANT_ENDED, machine.clock.now())
    await deletion(machine, Life())
    await is_whole(machine)


async def test_what_comes_late_goes_too(machine: Machine) -> None:
    desk, jobs = machine.process(Life())
    await desk.delete("corner_shop")
    assert await jobs.run_open() == 1
    await machine.stores["leads"].put(analysis(0, tenant_id="corner_shop"))
    await machine.documents.write("corner_shop", Put("outbox/late", {}))
    machine.clock.advance(timedelta(minutes=5))
    assert await jobs.run_open() == 0
    await is_whole(machine)


async def test_a_store_that_is_away_stops_the_job_until_it_is_back(machine: Machine) -> None:
    class Away:
        async def erase_tenant(self, tenant_id: str) -> bool:
            raise Unavailable("store_unavailable", "away")

    leads = machine.stores["leads"]
    machine.stores["leads"] = Away()
    desk, jobs = machine.process(Life())
    job = await desk.delete("corner_shop")
    assert await jobs.run_open() == 1
    stopped = await desk.job("corner_shop", job.id)
    assert (stopped.error, stopped.state, stopped.done[-1]) == ("store_unavailable", "running", "index")
    machine.stores["leads"] = leads
    await deletion(machine, Life())
    await is_whole(machine)


async def test_an_old_job_touches_nothing_of_a_new_tenant_of_the_same_id(machine: Machine) -> None:
    """Two requests raced and two jobs were written; the second one wakes when the id has found a new owner."""
    desk, jobs = machine.process(Life())
    second = await jobs.start(DELETE_TENANT, "corner_shop")
    body = second.model_copy(update={"done": ("close",)}).model_dump(mode="json")
    await machine.documents.write(PLATFORM, Put(f"job/{second.id}", body))
    assert await jobs.run_open() == 0
    assert await machine.count("corner_shop") == WHOLE
    assert (await desk.get("corner_shop")).head.state == "active"


async def test_two_processes_carry_one_job_out_together(machine: Machine) -> None:
    _, first = machine.process(Life())
    desk, second = machine.process(Life())
    await desk.delete("corner_shop")
    for _ in range(3):
        await first.run_open()
        await second.run_open()
        machine.clock.advance(timedelta(minutes=5))
    await is_whole(machine)


async def test_one_job_that_cannot_be_read_holds_up_no_other() -> None:
    documents, clock, ran = MemoryDocumentStore(), LaterClock(), []

    async def run(job: Job) -> bool:
        ran.append(job.tenant_id)
        return True

    jobs = JobDesk(documents, UlidIds(), clock, {"greet": (Step("say", run),)})
    broken = await jobs.start("greet", "aa_shop")
    await jobs.start("greet", "bb_shop")
    await documents.write(PLATFORM, Put(f"job/{broken.id}", {"not": "a job"}))
    newer = await jobs.start("greet", "cc_shop")
    await documents.write(PLATFORM, Put(f"job/{newer.id}", newer.model_copy(update={"kind": "unheard_of"}).model_dump(mode="json")))
    assert await jobs.run_open() == 2
    assert ran == ["bb_shop"]
