"""Bad input at the real socket: each gets a clear answer, the process lives, and nothing already said is lost."""

# ruff: noqa: ASYNC110  (what is waited for is written by another process or another connection)

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from media_plane.engines.scripted import Script
from nexus import tickets
from tests.scenarios.house import LOUD, TENANT, House, Shell, dial, house, write_tenant

BOTH = pytest.mark.parametrize("shell", ["sockets", "uvicorn"])


async def refused(url: str, ticket: str = "", **headers: str) -> tuple[int, dict[str, Any], Any]:
    """Status, problem and headers of a handshake that must not be upgraded."""
    offered = [Subprotocol("nexus.v1"), *([Subprotocol(f"token.{ticket}")] if ticket else [])]
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url, subprotocols=offered, additional_headers=headers, proxy=None):
            pass
    answer = caught.value.response
    return answer.status_code, json.loads(answer.body or b"{}"), answer.headers


async def still_serves(home: House) -> None:
    async with home.call() as caller:
        await caller.hears("audio.end")
        assert await caller.hang_up() == "caller_hangup"


@BOTH
async def test_tickets_that_open_nothing(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, shell=shell) as home:
        one, other = await home.order(), await home.order()
        path = f"{home.url}/v1/calls/{one.entry.call_id}"
        stranger = tickets.Ticket(one.entry.call_id, TENANT, one.entry.nonce, one.expires_at)
        forged = tickets.sign(stranger, tickets.new_private_key(), issued_at=home.clock.now())
        async with dial(home.url, one.entry.call_id, one.ticket) as caller:
            await caller.begin()
            await caller.hang_up()
        answers = {
            "missing": await refused(path),
            "junk": await refused(path, "junk.of.somebody"),
            "forged": await refused(path, forged),
            "used": await refused(path, one.ticket),
            "of another call": await refused(path, other.ticket),
            "header junk": await refused(path, Authorization="Bearer ???"),
        }
        assert {name: (status, problem["code"]) for name, (status, problem, _) in answers.items()} == {
            "missing": (401, "ticket_missing"),
            "junk": (401, "ticket_invalid"),
            "forged": (401, "ticket_invalid"),
            "used": (401, "ticket_used"),
            "of another call": (403, "ticket_wrong_call"),
            "header junk": (401, "ticket_invalid"),
        }
        assert all("POST" in problem["detail"] or "another call" in problem["detail"] for _, problem, _ in answers.values())
        await still_serves(home)


async def test_an_expired_ticket(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, speed=200) as home:
        ordered = await home.order()
        await home.clock.sleep_ms(62_000)
        status, problem, _ = await refused(f"{home.url}/v1/calls/{ordered.entry.call_id}", ordered.ticket)
        assert (status, problem["code"]) == (401, "ticket_expired")
        assert "Idempotency-Key" in problem["detail"]


@BOTH
@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/calls/..%2f..%2fetc%2fpasswd", 404, None),
        ("/v1/calls/%2e%2e", 404, None),
        ("/v1/calls/call_%00", 404, None),
        ("/v1/calls/" + "a" * 3000, 404, None),
        ("/v1/nothing", 404, "route_not_found"),
        ("/ws/call/..%2fbarber", 404, None),
        ("/ws/call/nobody_here", 404, "tenant_not_found"),
        ("/ws/call/%2e%2e", 422, "invalid_tenant_id"),
        ("/ws/call/broken", 422, "invalid_config"),
        ("/ws/call/corner_shop?output=mp9", 415, None),
    ],
)
async def test_paths_that_lead_nowhere(tmp_path: Path, shell: Shell, path: str, status: int, code: str | None) -> None:
    write_tenant(tmp_path / "tenants")
    write_tenant(tmp_path / "tenants", "broken", barge_in="loudly")
    async with house(tmp_path, shell=shell) as home:
        got, problem, _ = await refused(home.url + path)
        assert 400 <= got < 500, problem
        assert code is None or (got, problem["code"]) == (status, code)
        assert problem["detail"]


@BOTH
async def test_refused_before_the_upgrade_when_full(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants", limits={"concurrent_calls": 1})
    write_tenant(tmp_path / "tenants", "second_shop")
    async with house(tmp_path, shell=shell, engine_slots=1) as home, home.call() as caller:
        await caller.hears("session.started")
        status, problem, headers = await refused(f"{home.url}/ws/call/{TENANT}")
        assert (status, problem["code"]) == (429, "tenant_concurrency_exceeded") and int(headers["retry-after"]) > 0
        status, problem, headers = await refused(f"{home.url}/ws/call/second_shop")
        assert (status, problem["code"]) == (503, "no_engine_slot") and int(headers["retry-after"]) > 0
        assert await caller.hang_up() == "caller_hangup"


@BOTH
@pytest.mark.parametrize(
    "message", ["not json", '{"type":"dance"}', '{"type":"input.text"}', "[]", '{"type":"input.text","text":"x","y":1}']
)
async def test_messages_that_say_nothing_are_answered_and_the_call_goes_on(tmp_path: Path, shell: Shell, message: str) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, shell=shell) as home, home.call() as caller:
        await caller.hears("audio.end")
        await caller.connection.send(message)
        await caller.hears("error")
        assert caller.messages("error")[0]["message"]
        await caller.type("Go on")
        await caller.hears("transcript", role="agent", text="Go on", final=True)
        assert await caller.hang_up() == "caller_hangup"
        assert (await home.record()).end_reason == "caller_hangup"


@BOTH
@pytest.mark.parametrize("message", [b"\0" * 1_000_000, json.dumps({"type": "input.text", "text": "x" * 1_000_000})])
async def test_a_megabyte_in_one_message_ends_the_call_and_keeps_what_was_said(tmp_path: Path, shell: Shell, message: bytes | str) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, shell=shell) as home, home.call() as caller:
        await caller.hears("audio.end")
        await caller.type("First")
        await caller.hears("transcript", role="caller", text="First")
        await caller.connection.send(message)
        await caller.ended()
        assert caller.connection.close_code == 1009
        record = await home.record()
        assert "First" in [turn.text for turn in record.turns]
        assert record.end_reason in ("protocol_error", "caller_lost", "caller_hangup")


@BOTH
async def test_odd_frames_and_noise_for_webm(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, shell=shell) as home:
        async with home.call() as caller:
            for _ in range(20):
                await caller.connection.send(LOUD[:-1])
            await caller.type("Hello")
            await caller.hears("transcript", role="agent", text="Hello", final=True)
            assert await caller.hang_up() == "caller_hangup"
        async with home.call(audio={"input": {"codec": "webm_opus"}}) as caller:
            await caller.connection.send(b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 8)
            await caller.connection.send(b"\xff" * 500)
            await caller.until(lambda: caller.messages("error") or caller.messages("session.started"))
            await caller.type("Hello") if not caller.closed.is_set() else None
            await caller.until(lambda: caller.agent_lines())
            assert await caller.hang_up() == "caller_hangup"
        assert {record.end_reason for record in await home.many_records(2)} == {"caller_hangup"}


@BOTH
async def test_a_codec_nobody_speaks(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, shell=shell) as home:
        async with home.call(audio={"input": {"codec": "morse"}}) as caller:
            await caller.ended()
        error = caller.messages("error")[0]
        assert error["code"] == "codec_unsupported" and "pcm_s16le" in error["message"]
        assert (await home.record()).end_reason == "protocol_error"


async def test_a_full_disk_at_the_end_of_a_call(tmp_path: Path) -> None:
    """The archive's folder cannot be made: the record waits in the journal and is written as soon as it can be."""
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, speed=4) as home, home.call() as caller:
        await caller.hears("audio.end")
        history = home.settings.data_dir / "history"
        history.write_text("in the way")
        assert await caller.hang_up() == "caller_hangup"
        await asyncio.sleep(0.1)
        assert await home.stores.journal.open_calls() == (caller.call_id,)
        history.unlink()
        assert (await home.record()).end_reason == "caller_hangup"


async def test_a_full_disk_and_then_a_new_process(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path) as home, home.call() as caller:
        await caller.hears("audio.end")
        (home.settings.data_dir / "history").write_text("in the way")
        assert await caller.hang_up() == "caller_hangup"
    (home.settings.data_dir / "history").unlink()
    journal = home.settings.data_dir / "journal" / f"{caller.call_id}.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))  # the disk was full before the last line, too
    async with house(tmp_path) as home:
        record = await home.record()
    assert record.end_reason == "caller_hangup", "the ledger knows how it ended"


async def test_a_journal_that_cannot_be_written_costs_no_call(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path) as home:
        (home.settings.data_dir / "journal").write_text("in the way")
        async with home.call() as caller:
            await caller.hears("audio.end")
            assert await caller.hang_up() == "caller_hangup"
        async with asyncio.timeout(5):
            while not await home.records():
                await asyncio.sleep(0.02)
        (home.settings.data_dir / "journal").unlink()


async def test_engine_script_has_no_part_in_a_wrong_tenant(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    write_tenant(tmp_path / "tenants", "other_shop")
    async with house(tmp_path, Script()) as home:
        mine, theirs = await home.order(TENANT), await home.order("other_shop")
        status, problem, _ = await refused(f"{home.url}/v1/calls/{theirs.entry.call_id}", mine.ticket)
        assert (status, problem["code"]) == (403, "ticket_wrong_call")
