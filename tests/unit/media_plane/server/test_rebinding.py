"""The door without tickets is not opened by a stranger's page, under whatever host name it comes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from media_plane.server.admission import AdmissionStores, Doorkeeper, DoorPolicy, Handshake
from nexus.adapters.identifiers import UlidIds
from nexus.adapters.memory.calls import MemoryCallLedger
from nexus.adapters.memory.tenants import MemoryTenantStore
from nexus.clock import Clock
from nexus.domain.call import MediaProcess
from nexus.domain.tenant import TenantConfig
from nexus.errors import NotAuthorised

NOW_POLICY = DoorPolicy("media_1", {}, frozenset({"https://www.example.com"}), simple_door=True)


async def _admit(host: str, origin: str) -> str:
    clock = Clock()
    ledger = MemoryCallLedger()
    process = MediaProcess(process_id="media_1", url="ws://x", engine="scripted", slots=3, draining=False, seen_at=datetime.now(UTC))
    await ledger.heartbeat(process)
    tenants = MemoryTenantStore(TenantConfig(tenant_id="shop", system_prompt="x"))
    doorkeeper = Doorkeeper(AdmissionStores(tenants, ledger, UlidIds()), NOW_POLICY, clock)
    return (await doorkeeper.admit(Handshake("/ws/call/shop", host=host, origin=origin))).door


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example:8000", "http://evil.example:8000"),
        ("127.0.0.1.evil.example", "http://127.0.0.1.evil.example"),
        ("", "http://evil.example"),
    ],
)
async def test_a_strangers_name_that_points_here_is_refused(host: str, origin: str) -> None:
    with pytest.raises(NotAuthorised) as refused:
        await _admit(host, origin)
    assert refused.value.code == "origin_not_allowed"


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("192.168.1.5:8000", "http://192.168.1.5:8000"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("shop.example", "https://www.example.com"),
        ("localhost:8000", "null"),
        ("anything", ""),
    ],
)
async def test_own_pages_allowed_origins_and_programs_come_in(host: str, origin: str) -> None:
    assert await _admit(host, origin) == "simple"
