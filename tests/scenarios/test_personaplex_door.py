"""The whole product's door over busy processes: refused by REST and at the socket, primed before the caller comes, freed when they go."""

# ruff: noqa: ASYNC110  (what is waited for happens in another connection)

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from local.sidecar.options import SidecarOptions
from local.sidecar.server import Sidecar
from media_plane.wiring import Instead
from nexus.clock import Clock
from tests.scenarios.duplex_house import QuickVoice, doubles
from tests.scenarios.house import QUIET, TENANT, House, dial, house, speech, write_tenant
from tests.scenarios.tone_house import tone_house
from tests.scenarios.tone_speech import ToneBook, ToneEar, microphone

QUICK = SidecarOptions(mode="silent", setup_s=0.3)
CONVERSES = SidecarOptions(mode="converse", setup_s=0.3)


@dataclass
class Product:
    """Both planes on one port, as ``nexus run`` serves them."""

    home: House
    rest: httpx.AsyncClient
    doubles: tuple[Sidecar, ...]

    async def order(self, number: int) -> httpx.Response:
        body = {"channel": "websocket", "caller": {}}
        return await self.rest.post(f"/v1/tenants/{TENANT}/calls", json=body, headers={"Idempotency-Key": f"order-{number}"})


@asynccontextmanager
async def product(folder: Path, *, processes: int = 2, **over: Any) -> AsyncIterator[Product]:
    write_tenant(folder / "tenants", first_speaker="caller")
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(doubles(processes, Clock(), QUICK))
        given = Instead(speech=speech(None, ToneEar(ToneBook()), QuickVoice()))
        over = {"engine": "personaplex", "personaplex_ws_url": ",".join(one.url for one in running), **over}
        home = await stack.enter_async_context(house(folder, shell="uvicorn", instead=given, **over))  # noqa: S604 (no shell of the system)
        rest = await stack.enter_async_context(httpx.AsyncClient(base_url=home.url.replace("ws", "http", 1), trust_env=False))
        yield Product(home, rest, running)


async def until(met: Any, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while not met():
            await asyncio.sleep(0.005)


async def test_all_taken_by_rest_and_at_the_socket(tmp_path: Path) -> None:
    """Both processes go to calls; a third order is refused, and so is the socket of a call whose process is gone when its caller comes."""
    async with product(tmp_path, personaplex_spares=0) as made:
        first, second = [(await made.order(number)).json() for number in range(2)]
        refused = await made.order(3)
        assert (refused.status_code, refused.json()["code"]) == (503, "no_engine_slot")
        assert int(refused.headers["retry-after"]) > 0
        async with dial(made.home.url, first["id"], first["websocket"]["ticket"]) as caller:
            await caller.begin()
            await caller.hears("state", state="listening")
            # the process that was meant for the second call is lost while its caller is on the way
            [idle] = [double for double in made.doubles if double.busy and double.sessions[-1].frames_in == 0]
            await idle.stop()
            ticket = second["websocket"]["ticket"]
            url = f"{made.home.url}/v1/calls/{second['id']}"

            took_ms = []
            async with asyncio.timeout(10):
                while True:
                    began = time.perf_counter()
                    with pytest.raises(InvalidStatus) as full:
                        await connect(url, additional_headers={"authorization": f"Bearer {ticket}"}, proxy=None)
                    took_ms.append((time.perf_counter() - began) * 1000)
                    if full.value.response.status_code == 503:
                        break
            assert full.value.response.headers["retry-after"] == "5"
            assert b"no_engine_slot" in bytes(full.value.response.body or b"")
            assert took_ms[-1] <= 100
            await idle.start()
            await caller.hang_up()
        await until(lambda: not any(double.busy for double in made.doubles), 2)
        async with dial(made.home.url, second["id"], ticket) as caller:
            await caller.begin()
            await caller.hears("state", state="listening")
            await caller.hang_up()
        assert max(double.most_open for double in made.doubles) == 1


@pytest.mark.parametrize("how", ["hang up", "tcp reset", "socket closed"])
async def test_a_caller_who_goes_frees_the_process(tmp_path: Path, how: str) -> None:
    async with product(tmp_path, processes=1, personaplex_spares=0) as made:
        ordered = (await made.order(1)).json()
        async with dial(made.home.url, ordered["id"], ordered["websocket"]["ticket"]) as caller:
            await caller.begin()
            await caller.hears("state", state="listening")
            await caller.speak(300, QUIET)
            [double] = made.doubles
            assert double.busy
            if how == "hang up":
                await caller.tell("session.end")
            elif how == "tcp reset":
                caller.connection.transport.abort()
            else:
                await caller.connection.close()
            await until(lambda: not double.busy, 2)
        [dump] = double.sessions
        assert dump.ended == "closed"
        async with asyncio.timeout(2):
            while (again := await made.order(2)).status_code != 201:
                await asyncio.sleep(0.05)
        assert again.json()["id"] != ordered["id"]


async def test_primed_by_the_order_and_ready_only_when_the_engine_is(tmp_path: Path) -> None:
    """The set-up passes before the caller is there; who comes too early is told ``connecting`` until the model listens."""
    write_tenant(tmp_path / "tenants", first_speaker="caller")
    slow = SidecarOptions(mode="converse", setup_s=2.0)
    async with tone_house(tmp_path, slow) as home:
        ordered = await home.house.order()
        await until(lambda: any(dump.handshake_at_ms for dump in home.sessions()), 5)
        began = time.perf_counter()
        async with dial(home.house.url, ordered.entry.call_id, ordered.ticket, home.house.clock) as caller:
            await caller.begin()
            await caller.hears("state", state="listening")
            assert time.perf_counter() - began < 0.5
            async with microphone(caller, home.book) as mic:
                await mic.say("Hello, how are you")
                await caller.hears("transcript", role="agent", final=True)
            await caller.hang_up()
        await home.house.record()
        async with home.house.call() as early:
            listening_ms = await early.hears("state", state="listening")
            connecting_ms = early.at("state", state="connecting")
            [_, dump] = home.sessions()
            assert connecting_ms is not None and dump.handshake_at_ms is not None
            assert listening_ms - connecting_ms > 1_500
            await early.hang_up()
        assert len(home.sessions()) == 2


async def test_an_order_that_nobody_comes_for_lets_its_process_go_with_its_lease(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with tone_house(tmp_path, CONVERSES, processes=1, personaplex_spares=0, speed=30) as home:
        await home.house.order()
        await until(lambda: home.states() == ["taken"], 5)
        await until(lambda: home.states() == ["free"], 10)
        assert [(dump.ended, dump.frames_in) for dump in home.sessions()] == [("closed", 0)]


@pytest.mark.parametrize(
    ("engines", "takes_over"),
    [((), ["cascade"]), (("personaplex", "text"), ["text"]), (("cascade", "personaplex"), []), (("text",), [])],
    ids=["platform's order", "straight to text", "the cascade first", "never a voice"],
)
async def test_the_tenants_order_of_engines(tmp_path: Path, engines: tuple[str, ...], takes_over: list[str]) -> None:
    write_tenant(tmp_path / "tenants", first_speaker="caller", engines=list(engines), knowledge_base={"parking": "behind the house"})
    async with tone_house(tmp_path, CONVERSES, processes=1, personaplex_spares=0, speed=2, engine_return_interval_s=600) as home:
        async with home.house.call() as caller, microphone(caller, home.book):
            await caller.hears("state", state="listening")
            used = len(home.sessions())
            home.doubles[0].faults.fail_after_frames = 0
            if takes_over:
                await caller.hears("mode_changed", reason="engine_lost", to="text_only" if takes_over == ["text"] else "voice")
            await caller.type("Where can I park my car")
            await caller.hears("transcript", role="agent", text="Parking: behind the house.", final=True, within_s=10)
            await caller.hang_up()
        record = await home.house.record()
        assert used == (1 if engines[:1] in ((), ("personaplex",)) else 0)
        assert [turn.engine for turn in record.turns if turn.role == "agent"][-1] == (takes_over or [engines[0]])[-1]


async def test_voice_returns_from_text(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", first_speaker="caller", engines=["personaplex", "text"])
    async with tone_house(tmp_path, CONVERSES, processes=1, personaplex_spares=0, speed=2) as home:
        async with home.house.call() as caller, microphone(caller, home.book) as mic:
            await caller.hears("state", state="listening")
            home.doubles[0].faults.fail_after_frames = 0
            await caller.hears("mode_changed", reason="engine_lost", to="text_only")
            home.doubles[0].faults.fail_after_frames = None
            back_ms = await caller.hears("mode_changed", reason="engine_returned", to="voice", within_s=10)
            await caller.clock.sleep_ms(1_500)
            await mic.say("Hello, how are you")
            await caller.until(lambda: caller.audio_after(back_ms) and "Hi there! What can I do for you?" in caller.agent_lines())
            await caller.hang_up()
        record = await home.house.record()
        assert [(change.to, change.reason) for change in record.mode_changes] == [
            ("text_only", "engine_lost"),
            ("voice", "engine_returned"),
        ]
        assert home.built.most_open() == 1
