"""The commands for admins, against the served product: what they do, what they say, how they end."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import yaml

from local.cli import main
from local.client import ControlPlane
from local.serve import serving
from nexus.adapters.embedded import embedded_stores
from tests.fakes.stored import private, record
from tests.scenarios.house import dial
from tests.unit.local.test_app import BARBER, settings_of, until

Nexus = Callable[..., "asyncio.Future[tuple[int, str]]"]
OK = 0


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[str]:
    settings = settings_of(tmp_path)
    for at in range(3):
        await embedded_stores(settings).archive.put(record(at, tenant_id=BARBER, text="Hello"), private(at, tenant_id=BARBER, days=10_000))
    async with serving(settings) as base:
        yield base


@pytest.fixture
def nexus(served: str, capsys: pytest.CaptureFixture[str]) -> Nexus:
    """Runs a command; its exit code, and all it said."""

    async def run(*words: object) -> tuple[int, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(main, [*(str(word) for word in words), "--url", served])
        told = capsys.readouterr()
        return code, told.out + told.err

    return run  # type: ignore[return-value]


async def test_keys_are_made_listed_rotated_and_revoked(nexus: Nexus, monkeypatch: pytest.MonkeyPatch) -> None:
    code, told = await nexus("key", "create", BARBER, "--name", "crm", "--scope", "leads:read", "config:read")
    assert code == OK
    key_id, secret = told.split(";")[0], told.strip().splitlines()[-1]
    assert key_id.startswith("key_") and secret.startswith("nx_live_")
    code, told = await nexus("key", "rotate", BARBER, key_id, "--overlap-s", 60)
    fresh = told.strip().splitlines()[-1]
    assert code == OK and fresh.startswith("nx_live_") and fresh != secret
    code, told = await nexus("key", "list", BARBER)
    assert code == OK and key_id in told and "leads:read" in told and secret not in told and fresh not in told
    monkeypatch.setenv("NEXUS_API_KEY", fresh)
    assert (await nexus("leads", "list", BARBER))[0] == OK
    code, told = await nexus("key", "revoke", BARBER, key_id)
    assert code == 1 and "forbidden" in told  # a key makes and ends no keys
    monkeypatch.delenv("NEXUS_API_KEY")
    assert (await nexus("key", "revoke", BARBER, key_id))[0] == OK
    monkeypatch.setenv("NEXUS_API_KEY", fresh)
    code, told = await nexus("leads", "list", BARBER)
    assert code == 1 and "credential" in told


async def test_a_publishable_key_names_its_pages_and_a_key_for_nothing_is_refused(nexus: Nexus) -> None:
    code, told = await nexus("key", "create", BARBER, "--name", "site", "--origin", "https://www.example.com")
    assert code == OK and "nx_pub_" in told
    code, told = await nexus("key", "create", BARBER, "--name", "nothing")
    assert code == 1 and "--scope" in told


async def test_a_configuration_is_pulled_pushed_published_and_rolled_back(nexus: Nexus, tmp_path: Path) -> None:
    file = tmp_path / "barber.yaml"
    assert (await nexus("config", "pull", BARBER, "--file", file))[0] == OK
    config = yaml.safe_load(file.read_text("utf-8"))
    file.write_text(yaml.safe_dump({**config, "greeting": "First."}), "utf-8")
    code, told = await nexus("config", "push", BARBER, file, "--publish", "--note", "first words")
    assert code == OK and "version 1 is active" in told
    file.write_text(yaml.safe_dump({**config, "greeting": "Second."}), "utf-8")
    assert (await nexus("config", "push", BARBER, file))[0] == OK
    assert (await nexus("config", "push", BARBER, file))[0] == OK  # over its own draft
    code, told = await nexus("config", "publish", BARBER)
    assert code == OK and "version 2" in told
    code, told = await nexus("config", "rollback", BARBER, 1, "--note", "too short")
    assert code == OK and "version 3 is active" in told
    code, told = await nexus("config", "versions", BARBER)
    assert code == OK and "first words" in told and told.count("active") == 1
    code, told = await nexus("config", "pull", BARBER, "--active")
    assert yaml.safe_load(told)["greeting"] == "First."


async def test_faults_of_a_draft_are_told_with_their_places_and_nothing_is_published(nexus: Nexus, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("system_prompt: ''\nlimits: {concurrent_calls: 0}\n", "utf-8")
    code, told = await nexus("config", "push", BARBER, file, "--publish")
    assert code == 1 and "concurrent_calls" in told and "system_prompt" in told and "active" not in told
    assert "Nothing" in (await nexus("config", "versions", BARBER))[1]


@pytest.mark.parametrize("text", ["- a list", "a: [", None])
async def test_a_file_that_is_none_is_refused_with_its_name(nexus: Nexus, tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "odd.yaml"
    if text is not None:
        file.write_text(text, "utf-8")
    code, told = await nexus("config", "push", BARBER, file)
    assert code == 1 and "odd.yaml" in told


async def test_a_tenant_is_made_suspended_resumed_and_deleted_only_when_named_twice(nexus: Nexus) -> None:
    assert (await nexus("tenant", "create", "nail_studio", "--name", "Nails", "--timezone", "Europe/Berlin"))[0] == OK
    assert "suspended" in (await nexus("tenant", "suspend", "nail_studio"))[1]
    assert "active" in (await nexus("tenant", "resume", "nail_studio"))[1]
    code, told = await nexus("tenant", "delete", "nail_studio")
    assert code == 1 and "--confirm nail_studio" in told
    code, told = await nexus("tenant", "delete", "nail_studio", "--confirm", "nail_studio")
    assert code == OK and "job_" in told
    code, told = await nexus("audit")
    assert code == OK and [name in told for name in ("createTenant", "suspendTenant", "resumeTenant", "deleteTenant")] == [True] * 4


async def test_usage_and_changes_are_told(nexus: Nexus) -> None:
    async def counted() -> bool:
        told = (await nexus("usage", BARBER, "--from", "2026-01-01", "--to", "2026-12-31"))[1]
        return told.strip().splitlines()[-1].split()[:2] == ["total", "3"]

    await until(counted, "three calls in the usage")
    assert "Nothing" in (await nexus("audit", BARBER))[1]
    await nexus("key", "create", BARBER, "--name", "crm", "--scope", "leads:read")
    code, told = await nexus("audit", BARBER)
    assert code == OK and "createApiKey" in told and "local" in told
    assert "Nothing" in (await nexus("audit", BARBER, "--operation", "endCall"))[1]


async def test_leads_go_out_as_csv(nexus: Nexus, tmp_path: Path) -> None:
    async def read() -> bool:
        return (await nexus("leads", "csv", BARBER))[1].count("\n") == 4

    await until(read, "three leads")
    file = tmp_path / "leads.csv"
    assert (await nexus("leads", "csv", BARBER, "--out", file))[0] == OK
    rows = [*csv.DictReader(io.StringIO(file.read_text("utf-8")))]
    assert len(rows) == 3 and all(rows[0])


async def test_an_unknown_tenant_is_told_as_such(nexus: Nexus) -> None:
    for words in (("usage", "nobody"), ("config", "pull", "nobody"), ("key", "list", "nobody"), ("tenant", "suspend", "nobody")):
        code, told = await nexus(*words)
        assert (code == OK and words[0] in ("usage", "key")) or (code == 1 and "tenant_not_found" in told), words


async def test_a_living_call_is_spoken_in_told_something_and_ended(nexus: Nexus, served: str) -> None:
    with ControlPlane(served) as client:
        made = await asyncio.to_thread(client.calls.create, BARBER)
        code, told = await nexus("call", "say", BARBER, made["id"], "Too early.")
        assert code == 1 and "call_not_active" in told
        async with dial("ws" + served.removeprefix("http"), made["id"], made["websocket"]["ticket"]) as caller:
            await caller.begin()
            await caller.hears("audio.end")
            assert (await nexus("call", "say", BARBER, made["id"], "We close soon.", "--now"))[0] == OK
            await caller.hears("transcript", role="agent", text="We close soon.", final=True)
            assert (await nexus("call", "inject", BARBER, made["id"], "A regular."))[0] == OK
            assert (await nexus("call", "say", BARBER, made["id"], "Bye now.", "--now"))[0] == OK
            await caller.hears("transcript", role="agent", text="Bye now.", final=True)  # lines are taken in their order
            code, told = await nexus("call", "end", BARBER, made["id"])
            assert code == OK and "ends within two seconds" in told
            assert await caller.ended() == "tenant_ended"

        async def archived() -> bool:
            page = await asyncio.to_thread(client.sessions.page, BARBER)
            return any(one["id"] == made["id"] for one in page["data"])

        await until(archived, "the session")
        session = await asyncio.to_thread(client.sessions.get, BARBER, made["id"])
        uncalled = await asyncio.to_thread(client.calls.create, BARBER)
        code, told = await nexus("call", "end", BARBER, uncalled["id"])
        assert code == OK and "has ended" in told
    assert [line["text"] for line in session["lines"]] == ["We close soon.", "A regular.", "Bye now."]
