"""Who may knock: pages by their origin, and the original's door only where it is open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from media_plane.server.admission import AdmissionStores, Doorkeeper, DoorPolicy, Handshake
from nexus.adapters.identifiers import UlidIds
from nexus.adapters.memory import MemoryCallLedger, MemoryTenantStore
from nexus.clock import Clock
from nexus.domain.call import MediaProcess
from nexus.domain.tenant import TenantConfig
from nexus.errors import NexusError

SHOP = TenantConfig(tenant_id="corner_shop", system_prompt="x")
KNOCK = Handshake(path="/ws/call/corner_shop", host="calls.example.com", customer_phone="+12125550123")


async def keeper(**policy: Any) -> Doorkeeper:
    ledger, clock = MemoryCallLedger(), Clock()
    await ledger.heartbeat(MediaProcess(process_id="p", url="", engine="scripted", slots=3, seen_at=clock.now()))
    settled = replace(DoorPolicy("p", {}, simple_door=True), **policy)
    return Doorkeeper(AdmissionStores(MemoryTenantStore(SHOP), ledger, UlidIds()), settled, clock)


@pytest.mark.parametrize(
    ("origin", "host", "enters"),
    [
        ("", "calls.example.com", True),
        ("null", "calls.example.com", True),
        ("https://calls.example.com", "calls.example.com", False),
        ("https://friend.example.org", "calls.example.com", True),
        ("http://localhost:5173", "127.0.0.1:8000", True),
        ("http://localhost:5173", "calls.example.com", False),
        ("https://evil.example.net", "calls.example.com", False),
        ("https://calls.example.com.evil.net", "calls.example.com", False),
    ],
)
async def test_origins(origin: str, host: str, enters: bool) -> None:
    door = await keeper(allowed_origins=frozenset({"https://friend.example.org"}))
    knock = replace(KNOCK, origin=origin, host=host)
    if enters:
        admission = await door.admit(knock)
        assert (admission.entry.state, admission.entry.order.caller.phone) == ("active", "+12125550123")
        return
    with pytest.raises(NexusError) as refused:
        await door.admit(knock)
    assert refused.value.code == "origin_not_allowed"
    assert "ALLOWED_ORIGINS" in refused.value.public_message


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"path": "/ws/call/Corner Shop"}, "invalid_tenant_id"),
        ({"path": "/v1/calls/x/y"}, "route_not_found"),
        ({"path": "/"}, "route_not_found"),
    ],
)
async def test_paths(change: dict[str, Any], code: str) -> None:
    with pytest.raises(NexusError) as refused:
        await (await keeper()).admit(replace(KNOCK, **change))
    assert refused.value.code == code


async def test_a_closed_door_and_a_draining_process() -> None:
    with pytest.raises(NexusError) as closed:
        await (await keeper(simple_door=False)).admit(KNOCK)
    draining = await keeper()
    draining.opens_to = "leases"
    with pytest.raises(NexusError) as full:
        await draining.admit(KNOCK)
    assert (closed.value.code, full.value.code) == ("door_closed", "draining")
