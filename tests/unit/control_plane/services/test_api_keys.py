"""The desk of API keys, over memory and SQLite."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from control_plane.access.principal import Kind
from control_plane.services.api_keys import MOST_KEYS, ApiKeyDesk, IssuedKey, KeyVault, KeyWish
from nexus.adapters.identifiers import UlidIds
from nexus.adapters.memory import MemoryDocumentStore
from nexus.adapters.sqlite import Database, SqliteDocumentStore
from nexus.errors import Conflict, NexusError, NotFound, RequestRejected, Unavailable
from nexus.ports.documents import Change, DocumentStore
from tests.fakes.later_clock import LaterClock

READ = KeyWish("crm", scopes=("leads:read",))
VAULT = KeyVault(b"p" * 32, b"k" * 32)


@dataclass
class Keys:
    desk: ApiKeyDesk
    documents: DocumentStore
    clock: LaterClock

    async def code(self, text: str, origin: str = "") -> str:
        try:
            await self.desk.principal(text, origin)
        except NexusError as error:
            return error.code
        return "in"

    async def made(self, wish: KeyWish = READ) -> IssuedKey:
        return await self.desk.create("acme", wish, by="person-1")

    async def kept(self) -> str:
        return repr([one.body for one in await self.documents.list("acme", "", limit=200)])


@pytest.fixture(params=["memory", "sqlite"])
async def keys(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Keys]:
    clock = LaterClock()
    database = Database(tmp_path / "nexus.sqlite")
    documents: DocumentStore = MemoryDocumentStore(clock.now) if request.param == "memory" else SqliteDocumentStore(database, clock.now)
    yield Keys(ApiKeyDesk(documents, UlidIds(), clock, VAULT), documents, clock)


async def test_a_key_is_its_tenants_with_its_scopes(keys: Keys) -> None:
    issued = await keys.made(KeyWish("k", scopes=("leads:read", "calls:write")))
    principal = await keys.desk.principal(issued.text)
    assert (principal.kind, principal.tenant_id, principal.id) == (Kind.API_KEY, "acme", issued.key.key_id)
    assert principal.scopes == {"leads:read", "calls:write"} and not principal.roles and not principal.test
    tested = await keys.made(KeyWish("k", "test", ("leads:read",)))
    assert (await keys.desk.principal(tested.text)).test


async def test_the_secret_is_kept_nowhere(keys: Keys) -> None:
    issued = await keys.made()
    kept = await keys.kept()
    assert issued.text[-43:] not in kept and issued.text[-20:] not in kept
    assert issued.key.secrets[0].last4 == issued.text[-4:] and repr(issued.text[-4:]) in kept


async def test_another_pepper_opens_nothing(keys: Keys) -> None:
    issued = await keys.made()
    other = ApiKeyDesk(keys.documents, UlidIds(), keys.clock, KeyVault(b"q" * 32, b"k" * 32))
    with pytest.raises(NexusError, match="credential_invalid"):
        await other.principal(issued.text)


async def test_while_a_key_is_rotated_two_secrets_live(keys: Keys) -> None:
    first = await keys.made()
    second = await keys.desk.rotate("acme", first.key.key_id, overlap_s=60)
    assert [await keys.code(one.text) for one in (first, second)] == ["in", "in"]
    third = await keys.desk.rotate("acme", first.key.key_id, overlap_s=60)
    assert [await keys.code(one.text) for one in (first, second, third)] == ["credential_invalid", "in", "in"]
    keys.clock.advance(timedelta(seconds=61))
    assert [await keys.code(one.text) for one in (second, third)] == ["credential_expired", "in"]
    assert second.key.key_id == third.key.key_id and len({first.text, second.text, third.text}) == 3


async def test_of_two_rotations_at_once_one_wins(keys: Keys) -> None:
    issued = await keys.made()
    told = await asyncio.gather(*(keys.desk.rotate("acme", issued.key.key_id, overlap_s=60) for _ in range(2)), return_exceptions=True)
    won = [one for one in told if isinstance(one, IssuedKey)]
    assert len(won) >= 1 and all(isinstance(one, IssuedKey | Conflict) for one in told)
    assert await keys.code(won[-1].text) == "in"


async def test_a_revoked_key_is_dead_at_once_and_cannot_come_back(keys: Keys) -> None:
    issued = await keys.made()
    fresh = await keys.desk.rotate("acme", issued.key.key_id, overlap_s=3600)
    await keys.desk.revoke("acme", issued.key.key_id)
    assert [await keys.code(one.text) for one in (issued, fresh)] == ["credential_revoked"] * 2
    assert (await keys.desk.revoke("acme", issued.key.key_id)).revoked_at is not None
    with pytest.raises(Conflict):
        await keys.desk.rotate("acme", issued.key.key_id, overlap_s=0)
    keys.clock.advance(timedelta(days=31))
    assert await keys.code(fresh.text) == "credential_invalid", "by then it is forgotten"


async def test_a_revocation_wins_over_the_note_of_last_use(keys: Keys) -> None:
    """The note is written with the version that was read: it can never undo what came between."""
    issued = await keys.made()
    told = await asyncio.gather(keys.desk.principal(issued.text), keys.desk.revoke("acme", issued.key.key_id), return_exceptions=True)
    if isinstance(told[1], Conflict):
        await keys.desk.revoke("acme", issued.key.key_id)
    assert await keys.code(issued.text) == "credential_revoked"


async def test_an_expired_key_is_told_so_only_with_its_secret(keys: Keys) -> None:
    issued = await keys.made(KeyWish("k", scopes=("leads:read",), expires_at=keys.clock.now() + timedelta(hours=1)))
    assert await keys.code(issued.text) == "in"
    keys.clock.advance(timedelta(hours=2))
    assert await keys.code(issued.text) == "credential_expired"
    assert await keys.code(issued.text[:-1] + ("A" if issued.text[-1] != "A" else "B")) == "credential_invalid"
    with pytest.raises(Conflict):
        await keys.desk.rotate("acme", issued.key.key_id, overlap_s=0)


async def test_a_publishable_key_lives_on_its_pages(keys: Keys) -> None:
    issued = await keys.made(KeyWish("page", "pub", origins=("https://www.example.com", "http://localhost:3000")))
    assert (await keys.desk.principal(issued.text, "https://www.example.com")).kind is Kind.PUBLISHABLE_KEY
    for origin in (
        "",
        "null",
        "http://www.example.com",
        "https://www.example.com.evil.example",
        "https://www.example.com:444",
        "https://WWW.example.com",
    ):
        assert await keys.code(issued.text, origin) == "origin_not_allowed"
    assert await keys.desk.names_origin("acme", "http://localhost:3000")
    assert not await keys.desk.names_origin("acme2", "http://localhost:3000")
    await keys.desk.revoke("acme", issued.key.key_id)
    assert not await keys.desk.names_origin("acme", "http://localhost:3000")


async def test_the_day_of_last_use_is_written_once_a_day(keys: Keys) -> None:
    issued = await keys.made()
    for _ in range(3):
        await keys.desk.principal(issued.text)
    used = await keys.desk.get("acme", issued.key.key_id)
    assert used.last_used_on == keys.clock.now().date().isoformat() and used.version == 2
    keys.clock.advance(timedelta(days=1))
    await keys.desk.principal(issued.text)
    assert (await keys.desk.get("acme", issued.key.key_id)).version == 3


async def test_a_store_that_can_only_be_read_lets_keys_in(keys: Keys) -> None:
    class ReadOnly:
        get, list = keys.documents.get, keys.documents.list

        async def write(self, tenant_id: str, *changes: Change) -> tuple[int, ...]:
            raise Unavailable("store_unavailable", "the disk is full")

    issued = await keys.made()
    assert (await ApiKeyDesk(ReadOnly(), UlidIds(), keys.clock, VAULT).principal(issued.text)).tenant_id == "acme"


@pytest.mark.parametrize(
    "wish",
    [
        KeyWish("k"),
        KeyWish("k", scopes=("leads:delete",)),
        KeyWish("k", scopes=("api_keys:write",)),
        KeyWish("k", scopes=("platform_admin",)),
        KeyWish("k", scopes=("leads:read",), origins=("https://www.example.com",)),
        KeyWish("k", "pub"),
        KeyWish("k", "pub", scopes=("calls:write",), origins=("https://www.example.com",)),
    ],
)
async def test_keys_that_cannot_be(keys: Keys, wish: KeyWish) -> None:
    with pytest.raises(RequestRejected, match="invalid_request"):
        await keys.made(wish)


async def test_a_key_cannot_be_born_dead(keys: Keys) -> None:
    with pytest.raises(RequestRejected, match="expires_at"):
        await keys.made(KeyWish("k", scopes=("leads:read",), expires_at=keys.clock.now()))


async def test_lists_are_of_one_tenant_and_in_pages(keys: Keys) -> None:
    made = [(await keys.made()).key.key_id for _ in range(5)]
    await keys.desk.create("acme2", READ, by="x")
    seen: list[str] = []
    cursor = ""
    while True:
        page = await keys.desk.list("acme", limit=2, cursor=cursor)
        seen += [key.key_id for key in page.data]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    assert seen == sorted(made, reverse=True)
    with pytest.raises(RequestRejected, match="invalid_cursor"):
        await keys.desk.list("acme2", limit=2, cursor=cursor)


async def test_a_key_belongs_to_its_tenant(keys: Keys) -> None:
    issued = await keys.made()
    for call in (keys.desk.get, keys.desk.revoke):
        with pytest.raises(NotFound, match="api_key_not_found"):
            await call("acme2", issued.key.key_id)
    with pytest.raises(NotFound):
        await keys.desk.rotate("acme2", issued.key.key_id, overlap_s=0)


async def test_keys_have_an_end(keys: Keys) -> None:
    for _ in range(MOST_KEYS):
        await keys.made()
    with pytest.raises(RequestRejected, match="at most"):
        await keys.made()


async def test_what_is_kept_is_json(keys: Keys) -> None:
    issued = await keys.made(KeyWish("k", scopes=("leads:read",), expires_at=keys.clock.now() + timedelta(days=1)))
    found: Any = (await keys.documents.list("acme", "api-keys/", limit=1))[0].body
    assert json.loads(json.dumps(found)) == found
    assert await keys.desk.get("acme", issued.key.key_id) == issued.key


async def test_a_key_that_is_believed_for_a_while_dies_here_at_once_and_elsewhere_after_it(keys: Keys) -> None:
    here = ApiKeyDesk(keys.documents, UlidIds(), keys.clock, VAULT, kept_s=30)
    elsewhere = Keys(ApiKeyDesk(keys.documents, UlidIds(), keys.clock, VAULT, kept_s=30), keys.documents, keys.clock)
    desk = Keys(here, keys.documents, keys.clock)
    issued = await desk.made()
    for one in (desk, elsewhere):
        assert [await one.code(issued.text) for _ in range(2)] == ["in", "in"]
    assert await desk.code(issued.text[:-1] + ("A" if issued.text[-1] != "A" else "B")) == "credential_invalid"
    keys.clock.advance(timedelta(seconds=29))
    await here.revoke("acme", issued.key.key_id)
    assert (await desk.code(issued.text), await elsewhere.code(issued.text)) == ("credential_revoked", "in")
    keys.clock.advance(timedelta(seconds=2))
    assert await elsewhere.code(issued.text) == "credential_revoked"


async def test_a_key_that_is_believed_expires_in_time(keys: Keys) -> None:
    desk = Keys(ApiKeyDesk(keys.documents, UlidIds(), keys.clock, VAULT, kept_s=30), keys.documents, keys.clock)
    expires_at = keys.clock.now() + timedelta(seconds=10)
    issued = await desk.made(KeyWish("short", scopes=("leads:read",), expires_at=expires_at))
    assert [await desk.code(issued.text) for _ in range(2)] == ["in", "in"]
    keys.clock.advance(timedelta(seconds=11))
    assert await desk.code(issued.text) == "credential_expired"
