"""Two media processes over one ledger: a caller who dials the one that does not hold the slot has the call all the same."""

# ruff: noqa: ASYNC110  (what is waited for is written by another process or another connection)

from __future__ import annotations

import asyncio
import json
import signal
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from media_plane.relay import RELAYED_BY
from media_plane.server.sockets import SocketDoor
from media_plane.wiring import Identity, Instead, MediaPlane, media_plane
from nexus.adapters.embedded import embedded_stores, ticket_private_key
from nexus.clock import Clock
from tests.scenarios.house import ECHO, TENANT, Caller, House, dial, make_settings, scripted, speech, write_tenant
from tests.scenarios.test_killed import MEDIA, free_port, process


@dataclass
class Process:
    """One media process; ``house`` dials it."""

    house: House
    plane: MediaPlane
    door: SocketDoor


@asynccontextmanager
async def media(folder: Path, *, slots: int) -> AsyncIterator[Process]:
    port = free_port()
    url = f"ws://127.0.0.1:{port}"
    settings, clock = make_settings(folder, engine="scripted", engine_slots=slots), Clock()
    ticket_private_key(settings)
    stores = embedded_stores(settings)
    given = Instead(voice_engine=scripted(ECHO, clock), speech=speech())
    async with media_plane(settings, stores, clock, who=Identity(stores.ids.new("proc"), url), instead=given) as plane:
        door = SocketDoor(plane.doorkeeper, plane.calls, plane.health)
        server = await door.listen("127.0.0.1", port)
        try:
            yield Process(House(url, settings, stores, clock, plane.calls), plane, door)
        finally:
            await plane.calls.drain(0.2)
            server.close()
            await server.wait_closed()


@asynccontextmanager
async def front_and_holder(folder: Path) -> AsyncIterator[tuple[Process, Process]]:
    """Calls are placed in the second, which has more slots."""
    write_tenant(folder / "tenants")
    async with media(folder, slots=1) as front, media(folder, slots=4) as holder:
        yield front, holder


async def told(url: str, call_id: str, ticket: str, **headers: str) -> tuple[int, dict[str, Any], str]:
    """How a socket is refused."""
    offered = [Subprotocol("nexus.v1"), Subprotocol(f"token.{ticket}")]
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"{url}/v1/calls/{call_id}", subprotocols=offered, additional_headers=headers, proxy=None):
            pass
    answer = refused.value.response
    return answer.status_code, json.loads(answer.body or b"{}"), answer.headers.get("content-type", "")


async def test_a_whole_call_by_the_wrong_process(tmp_path: Path) -> None:
    async with front_and_holder(tmp_path) as (front, holder):
        async with front.house.call() as caller:
            assert caller.connection.subprotocol == "nexus.v1"
            await caller.hears("audio.end")
            await caller.type("By way of another")
            await caller.hears("transcript", role="agent", text="By way of another", final=True)
            assert any(isinstance(message, bytes) for _, message in caller.got)
            assert (front.plane.calls.active, holder.plane.calls.active) == (1, 1)
            entry = await front.house.stores.ledger.get(TENANT, caller.call_id)
            assert entry.state == "active" and entry.process_url == holder.house.url
            assert await caller.hang_up() == "caller_hangup"
            assert caller.connection.close_code == 1000
        record = await front.house.record()
        assert (record.end_reason, record.id) == ("caller_hangup", caller.call_id)
        assert "By way of another" in [turn.text for turn in record.turns]
    assert (front.plane.calls.active, holder.plane.calls.active) == (0, 0)


async def test_the_right_process_relays_nothing(tmp_path: Path) -> None:
    async with front_and_holder(tmp_path) as (front, holder), holder.house.call() as caller:
        await caller.hears("audio.end")
        assert (front.plane.calls.active, holder.plane.calls.active) == (0, 1)
        assert await caller.hang_up() == "caller_hangup"


async def test_a_caller_who_is_lost_is_lost_to_the_holder(tmp_path: Path) -> None:
    async with front_and_holder(tmp_path) as (front, _):
        async with front.house.call() as caller:
            await caller.hears("audio.end")
            caller.connection.transport.abort()
        assert (await front.house.record()).end_reason == "caller_lost"


async def test_the_holders_refusal_is_given_through(tmp_path: Path) -> None:
    async with front_and_holder(tmp_path) as (front, holder):
        ordered = await front.house.order()
        async with dial(holder.house.url, ordered.entry.call_id, ordered.ticket) as caller:
            await caller.begin()
            await caller.hears("session.started")
            status, problem, media_type = await told(front.house.url, ordered.entry.call_id, ordered.ticket)
            assert (status, problem["code"], media_type) == (401, "ticket_used", "application/problem+json")
            await caller.hang_up()
        waiting = await front.house.order()
        holder.plane.doorkeeper.opens_to = "nobody"
        status, problem, _ = await told(front.house.url, waiting.entry.call_id, waiting.ticket)
        assert (status, problem["code"]) == (503, "draining")
        assert front.plane.calls.active == 0


async def test_what_has_been_relayed_is_relayed_by_nobody_again(tmp_path: Path) -> None:
    async with front_and_holder(tmp_path) as (front, holder):
        ordered = await front.house.order()
        status, problem, _ = await told(front.house.url, ordered.entry.call_id, ordered.ticket, **{RELAYED_BY: "proc_x"})
        assert (status, problem["code"], problem["retryable"]) == (503, "relay_failed", True)
        async with dial(holder.house.url, ordered.entry.call_id, ordered.ticket) as caller:  # the ticket is as good as before
            await caller.begin()
            await caller.hears("session.started")
            await caller.hang_up()


async def test_a_forged_ticket_reaches_no_other_process(tmp_path: Path) -> None:
    async with front_and_holder(tmp_path) as (front, holder):
        ordered = await front.house.order()
        holder.plane.doorkeeper.opens_to = "nobody"  # it would say so
        status, problem, _ = await told(front.house.url, ordered.entry.call_id, ordered.ticket[:-8] + "AAAAAAAA")
        assert (status, problem["code"]) == (401, "ticket_invalid")


async def test_the_front_that_drains_waits_for_what_it_relays(tmp_path: Path) -> None:
    async with front_and_holder(tmp_path) as (front, _), front.house.call() as caller:
        await caller.hears("audio.end")
        draining = asyncio.create_task(front.plane.calls.drain(30))
        while not front.plane.calls.draining:
            await asyncio.sleep(0.01)
        await caller.type("Still there?")
        await caller.hears("transcript", role="agent", text="Still there?", final=True)
        assert not draining.done()
        assert await caller.hang_up() == "caller_hangup"
        async with asyncio.timeout(5):
            await draining


async def test_the_front_that_must_go_closes_both_sides(tmp_path: Path) -> None:
    async with front_and_holder(tmp_path) as (front, _), front.house.call() as caller:
        await caller.hears("audio.end")
        await front.plane.calls.drain(0.05)
        await caller.ended()
        assert caller.connection.close_code == 1001
        assert (await front.house.record()).end_reason == "caller_lost", "nobody hung up"


async def test_a_holder_that_is_killed_is_told_and_recorded_once(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    port = free_port()
    url = f"ws://127.0.0.1:{port}"
    async with media(tmp_path, slots=1) as front:
        async with process(tmp_path, *MEDIA, ENGINE_SLOTS="4", MEDIA_RELAY_URL=url, PORT=str(port)) as (_, running):
            ordered, lost = await front.house.order(), await front.house.order()
            async with dial(front.house.url, ordered.entry.call_id, ordered.ticket) as caller:
                await caller.begin()
                await caller.hears("audio.end")
                running.send_signal(signal.SIGKILL)
                await caller.ended()
                assert (caller.connection.close_code, caller.connection.close_reason) == (1011, "relay_failed")
            await running.wait()
            status, problem, _ = await told(front.house.url, lost.entry.call_id, lost.ticket)
            assert (status, problem["code"]) == (503, "relay_failed")
        record = await front.house.record(within_s=20)
        assert (record.id, record.end_reason) == (ordered.entry.call_id, "lost")
        assert front.plane.calls.active == 0


async def test_what_the_way_adds(tmp_path: Path, record_property: Any) -> None:
    """The time from a caller's sound to its echo's first, by the holder and by the front: medians of the same talk."""
    async with front_and_holder(tmp_path) as (front, holder):
        direct, relayed = await round_trips(holder.house), await round_trips(front.house)
        added_ms = statistics.median(relayed) - statistics.median(direct)
        record_property("relay_added_ms_p50", round(added_ms, 2))
        assert added_ms < 20, (statistics.median(direct), statistics.median(relayed))


async def round_trips(house: House) -> list[float]:
    """Milliseconds from a ping of the wire protocol to its pong."""
    async with house.call() as caller:
        await caller.hears("audio.end")
        took = [await round_trip(caller, number) for number in range(50)]
        await caller.hang_up()
    return took


async def round_trip(caller: Caller, number: int) -> float:
    begun = time.perf_counter()
    await caller.tell("ping", t=float(number))
    await caller.until(lambda: len(caller.messages("pong")) > number)
    return (time.perf_counter() - begun) * 1000
