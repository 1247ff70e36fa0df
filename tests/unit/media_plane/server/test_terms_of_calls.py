"""The door holds a call to what it was ordered with: its version, its tenant's standing, its tenant's pages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from control_plane.services.configs import ConfigDesk
from control_plane.services.drafts import DraftDesk
from control_plane.services.tenant_heads import HeadChange, KeptHead, TenantHeads
from media_plane.server.admission import Admission, AdmissionStores, Doorkeeper, DoorPolicy, Handshake
from nexus import tickets
from nexus.adapters.document_tenants import DocumentTenantStore
from nexus.adapters.identifiers import UlidIds
from nexus.adapters.memory import MemoryCallLedger, MemoryDocumentStore, MemoryTenantStore
from nexus.clock import Clock
from nexus.domain import tenancy
from nexus.domain.tenancy import TenantHead, TenantProfile, TenantState
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError, NexusError, NotAuthorised, NotFound
from nexus.ports.documents import Delete
from tests.fakes.stored import NOON, call_id, order, process

KEY = tickets.new_private_key()
PUBLIC = tickets.public_key_of(KEY)
SHOP = "corner_shop"
PAGE = "https://www.corner.example"
FOLDER = TenantConfig(tenant_id="folder_shop", system_prompt="from the folder")


class House:
    """A tenant over REST with versions ``one`` and ``two``, a tenant in a folder, and the door that lets their calls in."""

    def __init__(self) -> None:
        self.clock, self.ledger = Clock(), MemoryCallLedger()
        self.documents, self.folders = MemoryDocumentStore(), MemoryTenantStore(FOLDER)
        self.tenants = DocumentTenantStore(self.documents, self.folders)
        self.heads = TenantHeads(self.documents, self.folders, self.clock)
        self.drafts = DraftDesk(self.heads)
        self.configs = ConfigDesk(self.heads, self.drafts, b"k")
        policy = DoorPolicy("mp_1", {tickets.key_id(PUBLIC): PUBLIC}, simple_door=True)
        self.keeper = Doorkeeper(AdmissionStores(self.tenants, self.ledger, UlidIds()), policy, self.clock)

    async def publish(self, prompt: str, tenant_id: str = SHOP) -> None:
        await self.drafts.put(tenant_id, {"system_prompt": prompt}, expected=None)
        await self.configs.publish(tenant_id)

    async def ordered(self, version: int | None, *, tenant_id: str = SHOP, number: int = 1) -> Handshake:
        now = self.clock.now()
        asked = order(tenant_id=tenant_id).model_copy(update={"config_version": version or 0})
        await self.ledger.reserve(asked, call_id=call_id(number), nonce="n", tenant_limit=9, lease_s=60, now=now)
        ticket = tickets.Ticket(call_id(number), tenant_id, "n", now + timedelta(seconds=60), version)
        signed = tickets.sign(ticket, KEY, issued_at=now)
        return Handshake(path=f"/v1/calls/{call_id(number)}", host="voice.example", subprotocols=("nexus.v1", f"token.{signed}"))

    async def move(self, state: TenantState, tenant_id: str = SHOP) -> None:
        async def decide(kept: KeptHead) -> HeadChange:
            return HeadChange(tenancy.moved(kept.head, state, NOON))

        await self.heads.change(tenant_id, decide)


@pytest.fixture
async def house() -> House:
    made = House()
    await made.ledger.heartbeat(process("mp_1", seen_at=made.clock.now()))
    profile = TenantProfile(allowed_origins=(PAGE,))
    await made.heads.new(TenantHead(tenant_id=SHOP, profile=profile, created_at=NOON, updated_at=NOON))
    await made.publish("one")
    await made.publish("two")
    return made


def prompt(admission: Admission) -> str:
    return admission.config.system_prompt


@pytest.mark.parametrize(("version", "expected"), [(1, "one"), (2, "two"), (None, "two"), (0, "two"), (9, "two")])
async def test_a_call_runs_with_the_version_of_its_ticket_and_else_with_the_active_one(
    house: House, version: int | None, expected: str
) -> None:
    admitted = await house.keeper.admit(await house.ordered(version))
    assert (prompt(admitted), admitted.config_version) == (expected, 1 if expected == "one" else 2)


async def test_a_version_that_is_gone_gives_way_to_the_active_one(house: House) -> None:
    await house.documents.write(SHOP, Delete(tenancy.version_key(1)))
    assert prompt(await house.keeper.admit(await house.ordered(1))) == "two"


async def test_a_call_ordered_from_a_folder_stays_with_the_folder_when_something_is_published(house: House) -> None:
    knock = await house.ordered(0, tenant_id="folder_shop")
    await house.publish("published", "folder_shop")
    assert prompt(await house.keeper.admit(knock)) == "from the folder"
    assert prompt(await house.keeper.admit(await house.ordered(1, tenant_id="folder_shop", number=2))) == "published"


@pytest.mark.parametrize("state", ["suspended", "deleting"])
async def test_a_tenant_that_may_not_be_called_is_refused_at_both_doors_and_no_ticket_burns(house: House, state: TenantState) -> None:
    knock = await house.ordered(2)
    await house.move(state)
    for refused_at in (knock, Handshake(path=f"/ws/call/{SHOP}", host="localhost:8000")):
        with pytest.raises(NotAuthorised) as refused:
            await house.keeper.admit(refused_at)
        assert refused.value.code == "tenant_suspended"
    if state == "suspended":
        await house.move("active")
        assert prompt(await house.keeper.admit(knock)) == "two"


async def test_the_simple_door_takes_the_active_version_and_writes_it_down(house: House) -> None:
    admitted = await house.keeper.admit(Handshake(path=f"/ws/call/{SHOP}", host="localhost:8000"))
    assert (prompt(admitted), admitted.entry.order.config_version, admitted.config_version) == ("two", 2, 2)


async def test_the_tenants_own_pages_open_its_calls_and_no_others(house: House) -> None:
    mine, theirs = await house.ordered(2), await house.ordered(0, tenant_id="folder_shop", number=2)
    for knock in (replace(mine, origin="https://evil.example"), replace(theirs, origin=PAGE)):
        with pytest.raises(NexusError) as refused:
            await house.keeper.admit(knock)
        assert refused.value.code == "origin_not_allowed"
    assert prompt(await house.keeper.admit(replace(mine, origin=PAGE))) == "two", "the refusal left the ticket good"


async def test_what_a_store_says_of_a_tenant_without_configuration_and_of_one_that_is_gone(house: House) -> None:
    await house.heads.new(TenantHead(tenant_id="new_shop", created_at=NOON, updated_at=NOON))
    for asked in (house.tenants.get, house.tenants.for_call):
        with pytest.raises(ConfigurationError) as unpublished:
            await asked("new_shop")
        assert unpublished.value.code == "config_not_published"
    assert await house.tenants.list_ids() == (SHOP, "folder_shop", "new_shop")
    await house.move("deleting")
    await house.heads.change(SHOP, _with_job)
    await house.heads.bury(SHOP, "job_1", house.clock.now() + timedelta(days=30))
    for gone in (house.tenants.get, house.tenants.for_call):
        with pytest.raises(NotFound):
            await gone(SHOP)
    assert await house.tenants.list_ids() == ("folder_shop", "new_shop")


async def _with_job(kept: KeptHead) -> HeadChange:
    return HeadChange(kept.head.model_copy(update={"job_id": "job_1"}))
