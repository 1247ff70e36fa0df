"""Who gets in, and what everybody else is told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from media_plane.server.admission import Admission, AdmissionStores, Doorkeeper, DoorPolicy, Handshake
from nexus import tickets
from nexus.adapters.identifiers import UlidIds
from nexus.adapters.memory.calls import MemoryCallLedger
from nexus.adapters.memory.tenants import MemoryTenantStore
from nexus.clock import Clock
from nexus.domain.tenant import Limits, TenantConfig
from nexus.errors import HTTP_STATUS, ConfigurationError, NexusError
from tests.fakes.stored import call_id, order, process

KEY = tickets.new_private_key()
PUBLIC = tickets.public_key_of(KEY)
STRANGER = tickets.new_private_key()
SHOP = TenantConfig(tenant_id="shop", system_prompt="Be kind.", limits=Limits(concurrent_calls=2))
CALL = call_id(1)


class BrokenTenants(MemoryTenantStore):
    async def get(self, tenant_id: str) -> TenantConfig:
        raise ConfigurationError("invalid_config", "config.yaml has faults.", faults=("limits: too low",))


@dataclass
class Door:
    """A doorkeeper over memory stores, in front of a process with room for ``slots`` calls."""

    tenants: MemoryTenantStore = field(default_factory=lambda: MemoryTenantStore(SHOP))
    policy: DoorPolicy = field(default_factory=lambda: DoorPolicy("mp_1", {tickets.key_id(PUBLIC): PUBLIC}))
    slots: int = 10

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.ledger = MemoryCallLedger()
        self.keeper = Doorkeeper(AdmissionStores(self.tenants, self.ledger, UlidIds()), self.policy, self.clock)

    async def ready(self) -> Door:
        await self.ledger.heartbeat(process("mp_1", slots=self.slots, seen_at=self.clock.now()))
        return self

    async def ordered(
        self, *, key: str = KEY, nonce: str = "n1", tenant_id: str = "shop", age_s: float = 0.0, ticket_for: str = CALL
    ) -> str:
        """Reserve the call and give its ticket."""
        now = self.clock.now()
        await self.ledger.reserve(order(tenant_id=tenant_id), call_id=CALL, nonce=nonce, tenant_limit=2, lease_s=60, now=now)
        issued = now - timedelta(seconds=age_s)
        return tickets.sign(tickets.Ticket(ticket_for, tenant_id, nonce, issued + timedelta(seconds=60)), key, issued_at=issued)

    async def refused(self, handshake: Handshake) -> str:
        """The code of the refusal; it is one that has an HTTP status."""
        with pytest.raises(NexusError) as refusal:
            await self.keeper.admit(handshake)
        assert refusal.value.code in HTTP_STATUS
        return refusal.value.code


def knock(ticket: str = "", origin: str = "") -> Handshake:
    protocols = ("nexus.v1", f"token.{ticket}") if ticket else ("nexus.v1",)
    return Handshake(path=f"/v1/calls/{CALL}", host="voice.example:8443", subprotocols=protocols, origin=origin)


def knock_simply(tenant_id: str = "shop", **fields: Any) -> Handshake:
    return Handshake(path=f"/ws/call/{tenant_id}", host="localhost:8080", **fields)


@pytest.fixture
async def door() -> Door:
    return await Door().ready()


@pytest.fixture
async def simple() -> Door:
    made = Door()
    return await Door(policy=replace(made.policy, simple_door=True)).ready()


class TestTicket:
    async def test_a_good_ticket_opens_its_call_in_this_process(self, door: Door) -> None:
        admitted = await door.keeper.admit(knock(await door.ordered()))
        assert isinstance(admitted, Admission)
        assert (admitted.entry.call_id, admitted.entry.state, admitted.entry.process_id) == (CALL, "active", "mp_1")
        assert (admitted.config, admitted.door) == (SHOP, "nexus.v1")

    async def test_it_may_come_as_a_header(self, door: Door) -> None:
        handshake = replace(knock(), authorization=f"Bearer {await door.ordered()}")
        assert (await door.keeper.admit(handshake)).entry.call_id == CALL

    async def test_no_ticket(self, door: Door) -> None:
        await door.ordered()
        assert await door.refused(knock()) == "ticket_missing"

    @pytest.mark.parametrize("junk", ["x", "a.b.c", "…", "eyJhbGciOiJub25lIn0.e30."])
    async def test_junk(self, door: Door, junk: str) -> None:
        await door.ordered()
        assert await door.refused(knock(junk)) == "ticket_invalid"

    async def test_a_strangers_signature(self, door: Door) -> None:
        assert await door.refused(knock(await door.ordered(key=STRANGER))) == "ticket_invalid"

    async def test_a_changed_ticket(self, door: Door) -> None:
        head, claims, signature = (await door.ordered()).split(".")
        assert await door.refused(knock(f"{head}.{claims[:-2]}xx.{signature}")) == "ticket_invalid"

    async def test_an_old_ticket(self, door: Door) -> None:
        assert await door.refused(knock(await door.ordered(age_s=61))) == "ticket_expired"

    async def test_a_ticket_for_another_call(self, door: Door) -> None:
        assert await door.refused(knock(await door.ordered(ticket_for=call_id(2)))) == "ticket_wrong_call"

    async def test_a_used_ticket(self, door: Door) -> None:
        ticket = await door.ordered()
        await door.keeper.admit(knock(ticket))
        assert await door.refused(knock(ticket)) == "ticket_used"

    async def test_the_ticket_of_a_call_that_was_ended_before_its_caller_came(self, door: Door) -> None:
        ticket = await door.ordered()
        await door.ledger.request_end("shop", CALL)
        assert await door.refused(knock(ticket)) == "ticket_used"

    async def test_a_ticket_replaced_by_a_newer_one(self, door: Door) -> None:
        now = door.clock.now()
        same = order(tenant_id="shop", key="k", body="b")
        for nonce in ("old", "new"):
            await door.ledger.reserve(same, call_id=CALL, nonce=nonce, tenant_limit=2, lease_s=60, now=now)
        old = tickets.sign(tickets.Ticket(CALL, "shop", "old", now + timedelta(seconds=60)), KEY, issued_at=now)
        assert await door.refused(knock(old)) == "ticket_used"

    async def test_a_ticket_whose_call_nobody_knows(self, door: Door) -> None:
        now = door.clock.now()
        ticket = tickets.sign(tickets.Ticket(CALL, "shop", "n", now + timedelta(seconds=60)), KEY, issued_at=now)
        assert await door.refused(knock(ticket)) == "call_not_found"

    async def test_a_tenant_that_is_gone_does_not_burn_the_ticket(self, door: Door) -> None:
        ticket = await door.ordered(tenant_id="gone")
        assert await door.refused(knock(ticket)) == "tenant_not_found"
        door.tenants.put(SHOP.model_copy(update={"tenant_id": "gone"}))
        assert (await door.keeper.admit(knock(ticket))).config.tenant_id == "gone"

    async def test_a_tenant_that_is_broken(self) -> None:
        door = await Door(tenants=BrokenTenants()).ready()
        assert await door.refused(knock(await door.ordered())) == "invalid_config"


class TestRoute:
    @pytest.mark.parametrize(
        "path", ["/", "/v1/calls", "/v1/calls/", f"/v2/calls/{CALL}", f"/v1/calls/{CALL}/x", "/ws/call/", "/ws/calls/shop"]
    )
    async def test_a_path_that_is_no_door(self, simple: Door, path: str) -> None:
        assert await simple.refused(Handshake(path=path)) == "route_not_found"

    @pytest.mark.parametrize("name", ["1", "call_", "call_1", CALL.lower(), CALL + "0", "..%2f..", f"{CALL}%00"])
    async def test_a_call_id_of_the_wrong_form(self, door: Door, name: str) -> None:
        assert await door.refused(Handshake(path=f"/v1/calls/{name}")) == "invalid_request"

    async def test_a_process_that_is_about_to_go_takes_nobody(self, simple: Door) -> None:
        ticket = await simple.ordered()
        simple.keeper.opens_to = "nobody"
        assert await simple.refused(knock(ticket)) == "draining"
        assert await simple.refused(knock_simply()) == "draining"
        simple.keeper.opens_to = "everybody"
        assert (await simple.keeper.admit(knock(ticket))).entry.call_id == CALL

    async def test_a_process_that_drains_takes_over_no_slot_of_another(self, door: Door) -> None:
        """Where nothing is relayed, a caller may come to any process and the slot moves there; not into one that is about to go."""
        ticket = await door.ordered()
        door.keeper = Doorkeeper(AdmissionStores(door.tenants, door.ledger, UlidIds()), replace(door.policy, process_id="mp_2"), door.clock)
        door.keeper.opens_to = "leases"
        assert await door.refused(knock(ticket)) == "draining"
        door.keeper.opens_to = "everybody"
        assert (await door.keeper.admit(knock(ticket))).entry.process_id == "mp_2"

    async def test_a_process_that_drains_takes_whom_it_owes_a_slot(self, simple: Door) -> None:
        ticket = await simple.ordered()
        simple.keeper.opens_to = "leases"
        assert await simple.refused(knock_simply()) == "draining"
        assert (await simple.keeper.admit(knock(ticket))).entry.call_id == CALL


class TestOrigin:
    @pytest.mark.parametrize(
        ("host", "origin", "let_in"),
        [
            ("voice.example:8443", "", True),
            ("voice.example:8443", "https://voice.example:8443", True),
            ("voice.example:8443", "https://allowed.example", True),
            ("voice.example:8443", "http://allowed.example", False),
            ("voice.example:8443", "https://voice.example", False),
            ("voice.example:8443", "https://voice.example:8444", False),
            ("voice.example:8443", "https://evil.example", False),
            ("voice.example:8443", "https://voice.example:8443.evil.example", False),
            ("voice.example:8443", "https://evil.example/voice.example:8443", False),
            ("voice.example:8443", "http://localhost:3000", False),
            ("voice.example:8443", "null", False),
            ("voice.example:8443", "voice.example:8443", False),
            ("localhost:8080", "http://localhost:3000", True),
            ("127.0.0.1:8080", "http://localhost:3000", True),
            ("[::1]:8080", "http://127.0.0.1", True),
            ("localhost:8080", "http://localhost.evil.example", False),
            ("localhost.evil.example", "http://localhost:3000", False),
            ("localhost:8080", "null", False),
            ("", "https://evil.example", False),
            ("", "null", False),
        ],
    )
    async def test_a_page_of_ours_of_loopback_or_of_the_list(self, host: str, origin: str, let_in: bool) -> None:
        made = Door()
        door = await Door(policy=replace(made.policy, allowed_origins=frozenset({"https://allowed.example"}))).ready()
        handshake = replace(knock(await door.ordered(), origin=origin), host=host)
        if let_in:
            assert (await door.keeper.admit(handshake)).entry.call_id == CALL
        else:
            assert await door.refused(handshake) == "origin_not_allowed"

    @pytest.mark.parametrize("origin", ["http://[", "http://[::1", "https://voice.example:port", "//", "\x00", "http://" + "a" * 5000])
    async def test_an_origin_that_is_no_url_is_refused_too(self, door: Door, origin: str) -> None:
        assert await door.refused(knock(await door.ordered(), origin=origin)) == "origin_not_allowed"

    @pytest.mark.parametrize("host", ["[", "[::1", "a:b:c", "\x00"])
    async def test_a_host_that_is_none_is_refused_too(self, door: Door, host: str) -> None:
        handshake = replace(knock(await door.ordered(), origin="http://localhost:3000"), host=host)
        assert await door.refused(handshake) == "origin_not_allowed"

    async def test_a_refused_page_does_not_burn_the_ticket(self, door: Door) -> None:
        ticket = await door.ordered()
        await door.refused(knock(ticket, origin="https://evil.example"))
        assert (await door.keeper.admit(knock(ticket))).entry.call_id == CALL


class TestSimpleDoor:
    async def test_it_is_closed_unless_opened(self, door: Door) -> None:
        assert await door.refused(knock_simply()) == "door_closed"

    @pytest.mark.parametrize("origin", ["", "null", "http://localhost:3000", "http://localhost:8080"])
    async def test_it_makes_a_call_of_its_own(self, simple: Door, origin: str) -> None:
        admitted = await simple.keeper.admit(knock_simply(origin=origin, customer_phone="+15550100123", output="wav"))
        assert (admitted.entry.state, admitted.entry.process_id, admitted.door, admitted.output) == ("active", "mp_1", "simple", "wav")
        assert admitted.entry.order.caller.phone == "+15550100123"
        assert await simple.ledger.get("shop", admitted.entry.call_id) == admitted.entry

    async def test_a_foreign_page_is_refused(self, simple: Door) -> None:
        assert await simple.refused(knock_simply(origin="https://evil.example")) == "origin_not_allowed"

    @pytest.mark.parametrize("name", ["..", "Shop", "a", "x" * 64, "shop%2f"])
    async def test_a_tenant_id_of_the_wrong_form(self, simple: Door, name: str) -> None:
        assert await simple.refused(knock_simply(name)) == "invalid_tenant_id"

    async def test_an_unknown_tenant(self, simple: Door) -> None:
        assert await simple.refused(knock_simply("nobody")) == "tenant_not_found"

    async def test_an_output_that_it_does_not_send(self, simple: Door) -> None:
        assert await simple.refused(knock_simply(output="mp3")) == "codec_unsupported"

    async def test_the_tenants_limit_and_the_machines(self) -> None:
        made = Door()
        door = await Door(policy=replace(made.policy, simple_door=True), slots=3).ready()
        door.tenants.put(SHOP.model_copy(update={"tenant_id": "other"}))
        for _ in range(2):
            await door.keeper.admit(knock_simply())
        assert await door.refused(knock_simply()) == "tenant_concurrency_exceeded"
        await door.keeper.admit(knock_simply("other"))
        assert await door.refused(knock_simply("other")) == "no_engine_slot"
